"""The rows of the timeline on a page that is made from `overlay.json`; the HTML report makes its own from the analysis.

Both give them to the same template, `_timeline.html.j2`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from activity.report.charts import Span, TimeAxis, segment_spans, span
from activity.report.layers import Layers, PersonLayer
from activity.report.palette import class_colors, css, is_calm, severity_color
from activity.report.people import MOST_ROWS, most_notable
from activity.report.wording import clock_range, percent
from activity.structures import ActivityScore, Severity

_WHOLE_CLIP_S: Final = 120.0
_MARGIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Row:
    """One person's row.

    Attributes:
        track_id: The person.
        color: CSS colour, the same as in the video.
        strongest: The class of the most notable segment with its probability, or that nothing was judged.
        presence: When the person was seen.
        segments: What the person did.
        held: When the person held a weapon.
    """

    track_id: int
    color: str
    strongest: str
    presence: list[Span]
    segments: list[Span]
    held: list[Span]


@dataclass(frozen=True, slots=True)
class AlertMark:
    """An alert's interval and its colour."""

    band: Span
    color: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All rows over one axis.

    Attributes:
        axis: The whole clip, or of a long one the surroundings of an incident.
        rows: People who were seen meanwhile, those of the alert first, then the most notable.
        left_out: How many people have no row.
        incident: The incident's own interval.
        others: Other alerts meanwhile.
        weapons: When a weapon was seen; `None` where none was looked for.
        fires: When frames counted as fire; `None` where none was looked for.
        class_colors: CSS colour of each class.
    """

    axis: TimeAxis
    rows: list[Row]
    left_out: int
    incident: AlertMark
    others: list[AlertMark]
    weapons: list[Span] | None
    fires: list[Span] | None
    class_colors: dict[str, str]


def timeline_of(
    layers: Layers, *, rule: str, severity: Severity, start_s: float, end_s: float, track_ids: Iterable[int]
) -> Timeline:
    """The timeline of an incident.

    Args:
        layers: Of the clip.
        rule: What raised the incident.
        severity: How grave it is, for its colour.
        start_s: When the incident begins, in seconds.
        end_s: When it ends.
        track_ids: Its people, who stand first.
    """
    duration_s = layers.duration_ms / 1000
    axis = TimeAxis(0.0, duration_s)
    if duration_s > _WHOLE_CLIP_S:
        axis = TimeAxis(max(0.0, start_s - _MARGIN_S), min(duration_s, end_s + _MARGIN_S))
    own = (rule, round(1000 * start_s), round(1000 * end_s))
    first = set(track_ids)
    seen = [person for person in layers.people if _spans(axis, person.seen_ms, "")]
    scores = {person.id: _scores(person, axis) for person in seen}
    ordered = sorted(
        seen,
        key=lambda person: (
            person.id not in first,
            -max((most_notable(score)[0] for score in scores[person.id]), default=-1.0),
            person.id,
        ),
    )
    return Timeline(
        axis=axis,
        rows=[_row(person, scores[person.id], axis) for person in ordered[:MOST_ROWS]],
        left_out=max(0, len(ordered) - MOST_ROWS),
        incident=AlertMark(
            span(axis, start_s, end_s, label=rule, title=f"{clock_range(start_s, end_s)}: {rule}"),
            css(severity_color(severity)),
        ),
        others=[
            AlertMark(mark, alert.color)
            for alert in layers.alerts
            if (alert.rule, alert.start_ms, alert.end_ms) != own
            for mark in _spans(axis, [(alert.start_ms, alert.end_ms)], alert.label)
        ],
        weapons=None if layers.weapons_ms is None else _spans(axis, layers.weapons_ms, "weapon seen"),
        fires=None if layers.fire_ms is None else _spans(axis, layers.fire_ms, "fire"),
        class_colors={name: css(color) for name, color in class_colors(layers.classes).items()},
    )


def _row(person: PersonLayer, scores: Sequence[ActivityScore], axis: TimeAxis) -> Row:
    notable = [score for score in scores if not is_calm(score.label)]
    peak = max(notable or scores, key=lambda score: score.score, default=None)
    return Row(
        track_id=person.id,
        color=person.color,
        strongest="not judged" if peak is None else f"{peak.label} {percent(peak.score)}",
        presence=_spans(axis, person.seen_ms, "seen"),
        segments=segment_spans(axis, scores),
        held=_spans(axis, person.held_ms, "holds a weapon"),
    )


def _scores(person: PersonLayer, axis: TimeAxis) -> list[ActivityScore]:
    return [
        ActivityScore(
            person.id,
            segment.start_ms / 1000,
            segment.end_ms / 1000,
            tuple(segment.probabilities),
            np.array(list(segment.probabilities.values()), np.float32),
        )
        for segment in person.segments
        if _overlaps(axis, segment.start_ms, segment.end_ms)
    ]


def _overlaps(axis: TimeAxis, start_ms: int, end_ms: int) -> bool:
    return end_ms / 1000 >= axis.start_s and start_ms / 1000 <= axis.end_s


def _spans(axis: TimeAxis, intervals: Iterable[tuple[int, int]], what: str) -> list[Span]:
    """The intervals that lie on the axis, cut to it."""
    return [
        span(
            axis,
            max(start_ms / 1000, axis.start_s),
            min(end_ms / 1000, axis.end_s),
            label=what,
            title=f"{clock_range(start_ms / 1000, end_ms / 1000)}: {what}",
        )
        for start_ms, end_ms in intervals
        if _overlaps(axis, start_ms, end_ms)
    ]
