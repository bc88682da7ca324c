"""`/static`: the style sheet and the scripts of the pages; all come from here and nowhere else."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, get_args

from fastapi import APIRouter, Response

from activity.report.palette import css, severity_color
from activity.service.problems import Problem
from activity.structures import Severity

router = APIRouter(include_in_schema=False)

_CACHE: Final = "public, max-age=31536000, immutable"  # addresses hold the hash of the content


@functools.cache
def _assets() -> Mapping[str, tuple[str, str]]:
    """Name to content and media type. The style sheet is that of the report, its colours, and what pages add."""
    own = files("activity.service.pages") / "static"
    report = files("activity.report") / "templates/report.css"
    severities = "\n".join(
        f".severity-{severity} {{ --c: {css(severity_color(severity))}; }}" for severity in get_args(Severity)
    )
    style = [report.read_text("utf-8"), severities, (own / "pages.css").read_text("utf-8")]
    scripts = {name: own / name for name in ("pages.js", "player.js", "cameras.js")}
    scripts["timeline.js"] = files("activity.report") / "templates/report.js"
    return {
        "pages.css": ("\n".join(style), "text/css; charset=utf-8"),
        **{
            name: (path.read_text("utf-8"), "text/javascript; charset=utf-8")
            for name, path in scripts.items()
        },
    }


@functools.cache
def asset_url(name: str) -> str:
    """The address of an asset, which changes with its content."""
    return f"/static/{name}?{hashlib.sha256(_assets()[name][0].encode()).hexdigest()[:16]}"


@router.get("/static/{name}")
def read_asset(name: str) -> Response:
    """The style sheet or a script."""
    found = _assets().get(name)
    if found is None:
        raise Problem(404, "not-found", f"there is no static file {name}")
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": _CACHE})
