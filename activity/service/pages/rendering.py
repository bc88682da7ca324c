"""Templates to HTML: everything that comes from outside is escaped, and a name that is missing is an error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt
from markupsafe import Markup

from activity.report.wording import clock, clock_range, count, percent, sentence
from activity.service.database import JobStep
from activity.service.pages.assets import asset_url
from activity.service.security.gate import Actor
from activity.service.security.sessions import CSRF_FIELD

_STEPS: Final[Mapping[JobStep | Literal[""], str]] = {
    "": "waits for its turn",
    "probe": "opening the clip",
    "observe": "looking for people and objects",
    "recognize": "naming what people do",
    "fuse": "weighing the evidence",
    "report": "drawing the film and the report",
    "store": "storing what was found",
}


def moment(at: datetime) -> str:
    """A point in time, in UTC to the second.

    >>> moment(datetime(2026, 3, 1, 7, 5, 9, tzinfo=UTC))
    '2026-03-01 07:05:09 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def size(length: int) -> str:
    """A length in bytes, as people read it.

    >>> size(10), size(2_400_000)
    ('10 B', '2.4 MB')
    """
    value, units = float(length), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


@functools.cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def markdown(text: str) -> Markup:
    r"""Markdown as HTML, without pictures; HTML in it is shown as text.

    >>> markdown("**no** <b>")
    Markup('<p><strong>no</strong> &lt;b&gt;</p>\n')
    """
    return Markup(_markdown().render(text))  # noqa: S704 - escaped by the parser, links to scripts refused


@functools.cache
def environment() -> jinja2.Environment:
    """The templates, with escaping on."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(  # the timeline is that of the report
            [jinja2.PackageLoader("activity.service.pages"), jinja2.PackageLoader("activity.report")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        clock=clock,
        clock_range=clock_range,
        count=count,
        markdown=markdown,
        moment=moment,
        percent=percent,
        sentence=sentence,
        size=size,
    )
    made.globals.update(asset_url=asset_url, csrf_field=CSRF_FIELD, steps=_STEPS)
    return made


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page.

    Args:
        request: Tells who looks, for the menu and the token that forms send back.
        template: Its name without ``.html.j2``.
        status: HTTP status code.
        values: What the template shows.
    """
    actor: Actor | None = getattr(request.state, "actor", None)
    page = environment().get_template(f"{template}.html.j2")
    shown = {"actor": actor, "path": request.url.path, **values}
    return HTMLResponse(page.render(shown), status_code=status)
