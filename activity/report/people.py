"""What the HTML report shows of each person: a row of the timeline and a card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from activity.report.analysis import ClipAnalysis
from activity.report.attention import mean_part_weights
from activity.report.charts import (
    HeatCell,
    Line,
    Span,
    TimeAxis,
    heat_rows,
    probability_line,
    segment_spans,
    span,
)
from activity.report.findings import held_spans
from activity.report.interpolation import presence
from activity.report.palette import class_colors, css, is_calm, track_color
from activity.report.wording import clock_range, count, percent, seconds
from activity.structures import BODY_PARTS, ActivityScore, Track

MOST_ROWS: Final = 60
MOST_CARDS: Final = 24
_MOST_OPEN: Final = 4
_MOST_LINES: Final = 4
_MAX_GAP_S: Final = 0.5
_HEAT_BINS: Final = 60


@dataclass(frozen=True, slots=True)
class PartWeight:
    """Attention on one body part: its share of all attention, and how strongly to colour it."""

    name: str
    share: float
    text: str
    opacity: float


@dataclass(frozen=True, slots=True)
class PersonView:
    """One person of the report.

    Attributes:
        track_id: The person.
        color: CSS colour, the same as in the video.
        label: The class of their most notable segment, or `None` where none could be judged.
        label_color: CSS colour of that class.
        strongest: The label with its highest probability, or that nothing was judged.
        verdict: The label with its probability and time, or why there is none.
        peak_s: Where to look in the video, or `None` where nothing was judged.
        when: Times between which the person was seen.
        seen: How long and in how many frames.
        axis: The person's own axis, from when they were first seen to the last time.
        presence: On the axis of the clip.
        segments: On the axis of the clip.
        held: When the person held a weapon, on the axis of the clip.
        segment_count: In words.
        lines: Class probabilities on the person's own axis.
        left_out: How many classes have no line.
        parts: Mean attention on the body parts, or `None` where it was not recorded.
        heat: Attention through time on the person's own axis, one row a body part.
        is_open: Whether the card starts unfolded.
    """

    track_id: int
    color: str
    label: str | None
    label_color: str
    strongest: str
    verdict: str
    peak_s: float | None
    when: str
    seen: str
    axis: TimeAxis
    presence: list[Span]
    segments: list[Span]
    held: list[Span]
    segment_count: str
    lines: list[Line]
    left_out: int
    parts: list[PartWeight] | None
    heat: list[list[HeatCell]] | None
    is_open: bool


def people_views(analysis: ClipAnalysis, axis: TimeAxis) -> list[PersonView]:
    """Every person, the most notable first: those with the highest probability of a notable class."""
    segments: dict[int, list[ActivityScore]] = defaultdict(list)
    for score in analysis.activities:
        segments[score.track_id].append(score)
    alerted = {track_id for alert in analysis.alerts for track_id in alert.track_ids}
    ordered = sorted(
        analysis.tracks,
        key=lambda track: (
            track.track_id not in alerted,
            -max((most_notable(score)[0] for score in segments[track.track_id]), default=-1.0),
            track.track_id,
        ),
    )
    return [
        _person(analysis, track, segments[track.track_id], axis, is_open=position < _MOST_OPEN)
        for position, track in enumerate(ordered)
    ]


def most_notable(score: ActivityScore) -> tuple[float, str]:
    """The highest probability of a segment among the classes that are not calm, and that class."""
    pairs = zip(score.probabilities, score.classes, strict=True)
    return max(((float(p), name) for p, name in pairs if not is_calm(name)), default=(0.0, "another class"))


def _person(
    analysis: ClipAnalysis, track: Track, segments: Sequence[ActivityScore], axis: TimeAxis, *, is_open: bool
) -> PersonView:
    colors = {name: css(color) for name, color in class_colors(analysis.classes).items()}
    own = TimeAxis(track.start_s, track.end_s)
    label, verdict, peak_s = _verdict(analysis, segments)
    lines = _class_lines(own, segments, colors)
    peak = percent(max((score.probability(label) for score in segments if label), default=0.0))
    length = seconds(track.end_s - track.start_s)
    return PersonView(
        track_id=track.track_id,
        color=css(track_color(track.track_id)),
        label=label,
        label_color=colors.get(label or "", "var(--muted)"),
        strongest=f"{label} {peak}" if label is not None else "not judged",
        verdict=verdict,
        peak_s=peak_s,
        when=clock_range(track.start_s, track.end_s),
        seen=f"{length}, {count(len(track), 'analysed frame')}",
        axis=own,
        presence=[
            span(axis, start_s, end_s, label="", title=f"Seen {clock_range(start_s, end_s)}")
            for start_s, end_s in presence(track, max_gap_s=_MAX_GAP_S)
        ],
        segments=segment_spans(axis, segments),
        held=held_spans(analysis, track.track_id, axis),
        segment_count=count(len(segments), "segment"),
        lines=lines[:_MOST_LINES],
        left_out=max(0, len(lines) - _MOST_LINES),
        parts=_part_weights(segments),
        heat=heat_rows(own, segments, bins=_HEAT_BINS),
        is_open=is_open,
    )


def _verdict(
    analysis: ClipAnalysis, segments: Sequence[ActivityScore]
) -> tuple[str | None, str, float | None]:
    if not segments:
        reason = analysis.not_analysed.get(
            "activities", "In view too briefly, or too poorly seen, for one segment."
        )
        return None, f"Not judged. {reason}", None
    notable = [score for score in segments if not is_calm(score.label)]
    peak = max(notable or segments, key=lambda score: score.score)
    share = sum(score.label == peak.label for score in segments)
    verdict = (
        f"up to {percent(peak.score)} at {clock_range(peak.start_s, peak.end_s)}; "
        f"the most probable class in {share} of {count(len(segments), 'segment')}"
    )
    return peak.label, verdict, (peak.start_s + peak.end_s) / 2


def _class_lines(own: TimeAxis, segments: Sequence[ActivityScore], colors: dict[str, str]) -> list[Line]:
    names = {name for score in segments for name in score.classes}
    peaks = {name: max(score.probability(name) for score in segments) for name in names}
    ordered = sorted(names, key=lambda name: (is_calm(name), -peaks[name], name))
    return [
        probability_line(own, segments, class_name=name, name=name, color=colors[name]) for name in ordered
    ]


def _part_weights(segments: Sequence[ActivityScore]) -> list[PartWeight] | None:
    weights = mean_part_weights(segments)
    if weights is None:
        return None
    strongest = max(float(weights.max()), 1e-6)
    return [
        PartWeight(part.name, float(weight), percent(float(weight)), round(float(weight) / strongest, 3))
        for part, weight in zip(BODY_PARTS, weights, strict=True)
    ]
