"""Geometry of the report's charts: shares of a time axis in percent, and paths in a 1000 x 100 view box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.report.attention import attention_over_time
from activity.report.wording import clock, percent
from activity.structures import BODY_PARTS, ActivityScore

_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_MOST_STEPS: Final = 8
_FULL_HEAT: Final = 3.0  # attention of three times an even share has the full colour


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on a time axis: where it stands, in percent, and what it says."""

    left: float
    label: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A horizontal axis from `start_s` to `end_s`; an axis of no length is widened to 0.1 s."""

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "end_s", max(self.end_s, self.start_s + 0.1))

    def left(self, time_s: float) -> float:
        """Position of a time in percent, within 0 to 100."""
        share = (time_s - self.start_s) / (self.end_s - self.start_s)
        return round(100 * min(max(share, 0.0), 1.0), 3)

    @property
    def ticks(self) -> list[Tick]:
        """At most nine marks at round times."""
        length_s = self.end_s - self.start_s
        step = next((step for step in _STEPS_S if length_s / step <= _MOST_STEPS), length_s)
        first = int(np.ceil(self.start_s / step - 1e-9))
        last = int(np.floor(self.end_s / step + 1e-9))
        return [Tick(self.left(i * step), _tick_label(i * step, step)) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Span:
    """A coloured part of a time axis.

    Attributes:
        left: Percent of the axis.
        width: Percent of the axis.
        start_s: Begin in seconds.
        end_s: End in seconds.
        label: What it stands for.
        title: What a reader who points at it is told.
        opacity: Of its colour, in [0, 1].
        score: Probability of `label`, in [0, 1].
    """

    left: float
    width: float
    start_s: float
    end_s: float
    label: str
    title: str
    opacity: float = 1.0
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """One probability over time.

    Attributes:
        name: What the line is.
        color: CSS colour.
        path: SVG path in a 1000 x 100 view box; probability 1 is at the top.
        peak: The highest probability, for people to read.
    """

    name: str
    color: str
    path: str
    peak: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heat strip: percent from the left, percent wide, opacity of the full colour."""

    left: float
    width: float
    opacity: float
    title: str


def span(axis: TimeAxis, start_s: float, end_s: float, *, label: str, title: str) -> Span:
    """A span of time on an axis, at least a hair wide."""
    left = axis.left(start_s)
    width = max(axis.left(end_s) - left, 0.15)
    return Span(left, round(width, 3), start_s, end_s, label, title)


def segment_spans(axis: TimeAxis, activities: Sequence[ActivityScore]) -> list[Span]:
    """One person's segments side by side: overlapping ones meet halfway between their middles."""
    ordered = sorted(activities, key=_middle_s)
    spans = []
    for position, score in enumerate(ordered):
        start_s, end_s = score.start_s, score.end_s
        if position > 0:
            start_s = max(start_s, (_middle_s(ordered[position - 1]) + _middle_s(score)) / 2)
        if position + 1 < len(ordered):
            end_s = min(end_s, (_middle_s(score) + _middle_s(ordered[position + 1])) / 2)
        shares = ", ".join(
            f"{name} {percent(float(p))}" for name, p in zip(score.classes, score.probabilities, strict=True)
        )
        title = f"{clock(score.start_s)}–{clock(score.end_s)}: {shares}"
        mark = span(axis, start_s, max(start_s, end_s), label=score.label, title=title)
        opacity = round(0.3 + 0.7 * score.score, 2)
        spans.append(replace(mark, opacity=opacity, score=round(score.score, 4)))
    return spans


def probability_line(
    axis: TimeAxis, activities: Sequence[ActivityScore], *, class_name: str, name: str, color: str
) -> Line:
    """One class of one person over time; the line breaks where no segment covers."""
    ordered = sorted(activities, key=_middle_s)
    points: list[str] = []
    for position, score in enumerate(ordered):
        height = round(100 * (1 - score.probability(class_name)), 2)
        before = ordered[position - 1] if position else None
        after = ordered[position + 1] if position + 1 < len(ordered) else None
        if before is None or before.end_s < score.start_s - 1e-6:
            points.append(f"M{10 * axis.left(score.start_s):.1f} {height}")
        points.append(f"L{10 * axis.left(_middle_s(score)):.1f} {height}")
        if after is None or score.end_s < after.start_s - 1e-6:
            points.append(f"L{10 * axis.left(score.end_s):.1f} {height}")
    peak = max((score.probability(class_name) for score in ordered), default=0.0)
    return Line(name, color, " ".join(points), percent(peak))


def value_line(
    axis: TimeAxis, times_s: Sequence[float], values: Sequence[float], *, name: str, color: str
) -> Line:
    """A probability that is known frame by frame; at most 1000 points, each the highest of its stretch."""
    array: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    starts = np.unique(np.linspace(0, len(array), min(len(array), 1000), endpoint=False).astype(int))
    highest = np.maximum.reduceat(array, starts) if len(array) else array
    path = " ".join(
        f"{'L' if position else 'M'}{10 * axis.left(times_s[start]):.1f} {100 * (1 - value):.2f}"
        for position, (start, value) in enumerate(zip(starts.tolist(), highest.tolist(), strict=True))
    )
    return Line(name, color, path, percent(float(array.max(initial=0))))


def heat_rows(
    axis: TimeAxis, activities: Sequence[ActivityScore], *, bins: int
) -> list[list[HeatCell]] | None:
    """Attention on each body part through time: five rows of cells, in the order of `BODY_PARTS`."""
    grid = attention_over_time(activities, start_s=axis.start_s, end_s=axis.end_s, bins=bins)
    if grid is None:
        return None
    width = 100 / bins
    length_s = (axis.end_s - axis.start_s) / bins
    return [
        [
            HeatCell(
                round(position * width, 3),
                round(width, 3),
                round(min(float(value) / _FULL_HEAT, 1.0), 3),
                f"{part.name}, {clock(axis.start_s + (position + 0.5) * length_s)}: "
                f"{float(value):.1f} times an even share",
            )
            for position, value in enumerate(row)
            if not np.isnan(value)
        ]
        for part, row in zip(BODY_PARTS, grid, strict=True)
    ]


def _middle_s(score: ActivityScore) -> float:
    return (score.start_s + score.end_s) / 2


def _tick_label(time_s: float, step_s: float) -> str:
    text = clock(time_s)
    return text if step_s < 1 else text.rpartition(".")[0]
