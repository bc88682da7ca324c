"""Write `report.html`: one file that needs nothing else, readable offline and safe to open."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO
from urllib.parse import quote

import jinja2

from activity import __version__
from activity.errors import OutputError
from activity.report import findings, views
from activity.report.analysis import ClipAnalysis
from activity.report.charts import TimeAxis
from activity.report.entries import plain_settings
from activity.report.files import open_atomically, readable_text
from activity.report.keyframes import KeyFrame
from activity.report.palette import class_colors, css
from activity.report.people import MOST_CARDS, MOST_ROWS, people_views
from activity.report.schema import SCHEMA_VERSION
from activity.report.wording import clock, sentence

EMBED_LIMIT_BYTES: Final = 12_000_000
_TEMPLATES: Final = Path(__file__).with_name("templates")
_VIDEO_MARK: Final = (
    "\x00video\x00"  # cannot stand in a file name, a class name or any other text of a report
)
_BASE64_BLOCK: Final = 3 * 2**16  # bytes; divisible by 3, so that blocks join without padding


def write_html(
    analysis: ClipAnalysis,
    path: Path,
    *,
    key_frames: Sequence[KeyFrame] = (),
    video: Path | None = None,
    embed_limit_bytes: int = EMBED_LIMIT_BYTES,
) -> None:
    """Write the HTML report, whole or not at all; the folder is made if it is missing.

    Args:
        analysis: What to show.
        path: The file to write.
        key_frames: Pictures; those taken during an alert stand beside it.
        video: The annotated video. Up to `embed_limit_bytes` it becomes part of the file, otherwise the
            report plays it from where it lies, and must stay beside it. `None` where there is none.
        embed_limit_bytes: Largest video that is embedded.

    Raises:
        OutputError: If the folder cannot be written, or the video cannot be read.
    """
    source, stream = _open_video(path, video, embed_limit_bytes)
    try:
        before, mark, after = _render(analysis, key_frames, source, embedded=stream is not None).partition(
            _VIDEO_MARK
        )
        with open_atomically(path) as output:
            output.write(before)
            if mark and stream is not None:
                _write_base64(output, stream)
            output.write(after)
    finally:
        if stream is not None:
            stream.close()


def _open_video(path: Path, video: Path | None, limit: int) -> tuple[str | None, BinaryIO | None]:
    """Where the page finds the video, and the open file if it is to be embedded."""
    if video is None:
        return None, None
    try:
        if video.stat().st_size > limit:
            beside = video.parent.resolve() == path.parent.resolve()
            return (quote(video.name) if beside else video.resolve().as_uri()), None
        return f"data:video/mp4;base64,{_VIDEO_MARK}", video.open("rb")
    except OSError as error:
        raise OutputError(
            f"{video}: the annotated video cannot be read ({error.strerror or error})"
        ) from error


def _write_base64(output: TextIO, stream: BinaryIO) -> None:
    while block := stream.read(_BASE64_BLOCK):
        output.write(base64.b64encode(block).decode("ascii"))


def _render(
    analysis: ClipAnalysis, key_frames: Sequence[KeyFrame], source: str | None, *, embedded: bool
) -> str:
    axis = TimeAxis(0.0, analysis.duration_s)
    people = people_views(analysis, axis)
    alerts = views.alert_views(analysis, axis, key_frames)
    chart_label, chart_lines, chart_left_out = views.clip_chart(analysis, axis)
    timing, timing_total = views.timing_bars(analysis)
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    others = [
        frame
        for frame in key_frames
        if frame.alert is None and not any(views.is_during(frame, a) for a in analysis.alerts)
    ]
    context: dict[str, Any] = {
        "analysis": analysis,
        "axis": axis,
        "name": views.file_name(analysis),
        "path": readable_text(analysis.video.path),
        "damage": None if analysis.damage is None else readable_text(analysis.damage),
        "warnings": [readable_text(warning) for warning in analysis.warnings],
        "facts": views.facts_of_clip(analysis),
        "summary_bars": views.summary_bars(analysis),
        "summary_votes": views.summary_votes(analysis),
        "coverage": views.coverage_views(analysis),
        "alerts": alerts,
        "nothing_raised": views.nothing_raised(analysis),
        "video_source": source,
        "video_embedded": embedded,
        "other_pictures": [views.picture(frame) for frame in others],
        "people": people,
        "rows": people[:MOST_ROWS],
        "cards": people[:MOST_CARDS],
        "unjudged": views.unjudged(people),
        "class_colors": {label: css(color) for label, color in class_colors(analysis.classes).items()},
        "chart_label": chart_label,
        "chart_lines": chart_lines,
        "chart_left_out": chart_left_out,
        "weapon_spans": findings.weapon_spans(analysis, axis),
        "fire_spans": findings.fire_spans(analysis, axis),
        "fire_line": findings.fire_line(analysis, axis),
        "objects": findings.object_findings(analysis),
        "holders": findings.holder_findings(analysis),
        "fires": findings.fire_findings(analysis),
        "timing": timing,
        "timing_total": timing_total,
        "settings": json.dumps(plain_settings(analysis.settings), indent=2, ensure_ascii=False),
        "script": script,
        "script_digest": digest,
        "schema_version": SCHEMA_VERSION,
        "version": __version__,
    }
    return _environment().get_template("report.html.j2").render(context)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, sentence=sentence)
    return environment
