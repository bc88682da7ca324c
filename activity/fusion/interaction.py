"""What people do to each other: an activity of two who are within reach of each other, for longer than a moment.

The recogniser judges one person in one segment, and a walker now and then looks to it like a fighter. A fight takes two
who are near each other, and it lasts. So each segment counts with its neighbours in time, the two probabilities of a
pair count by their mean, and only while the two are within reach. In real fights bodies lock, and the detector often
finds but one person: a person with nobody in reach counts too, from a higher probability on.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.structures import ActivityScore, Track

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

GAP: Final = 0.25
"""Two are within reach when their nearest joints are this far apart at most, in body sizes: less than a forearm."""

FLOOR_GAP: Final = 0.35
"""... and the lower edges of their boxes differ by this much at most: who stands behind or before another does not."""

SUSTAINED_S: Final = 0.5
"""For so long in total a probability must hold; shorter is a moment."""

PAUSE_S: Final = 1.0
"""Two who step back from each other for this long are still at it."""

_PROBABLE: Final = 0.5
"""An interaction lasts while it is more probable than not."""

_ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class Interaction:
    """A stretch of time in which a pair, or a person with nobody in reach, shows an activity.

    Attributes:
        track_ids: One or two people.
        start_s: Begin in seconds.
        end_s: End in seconds.
        probability: Mean of the people's probabilities, the greatest that held for `SUSTAINED_S`.
        peaks: The greatest probability of each, smoothed over segments, in the order of `track_ids`.
        gap: For two, the median distance of their nearest joints in body sizes; 0 for one.
        reach_share: For two, the share of this time in which they were seen within reach; 1 for one.
    """

    track_ids: tuple[int, ...]
    start_s: float
    end_s: float
    probability: float
    peaks: tuple[float, ...]
    gap: float
    reach_share: float


def find_interactions(
    label: str,
    activities: Iterable[ActivityScore],
    tracks: Sequence[Track],
    *,
    counts: Callable[[Track], Bool],
) -> list[Interaction]:
    """Every stretch in which an activity is more probable than not and held for `SUSTAINED_S`.

    Args:
        label: The class.
        activities: What each person does, by segment.
        tracks: The people.
        counts: Which of a track's [N] frames count.
    """
    by_track: dict[int, list[ActivityScore]] = defaultdict(list)
    for activity in activities:
        by_track[activity.track_id].append(activity)
    judged = [track for track in tracks if track.track_id in by_track]
    courses = {
        track.track_id: np.where(
            counts(track), course_of(label, by_track[track.track_id], track.times_s), np.nan
        )
        for track in judged
    }
    accompanied = {track.track_id: np.zeros(len(track), bool) for track in judged}
    found: list[Interaction] = []
    for first, second in itertools.combinations(judged, 2):
        _, a, b = np.intersect1d(
            first.frame_indices, second.frame_indices, assume_unique=True, return_indices=True
        )
        if len(a) == 0:
            continue
        gaps, floor_gaps = distances(first, second, a, b)
        own, other = courses[first.track_id][a], courses[second.track_id][b]
        near = (gaps <= GAP) & (floor_gaps <= FLOOR_GAP) & np.isfinite(own) & np.isfinite(other)
        accompanied[first.track_id][a] |= near
        accompanied[second.track_id][b] |= near
        both = (own + other) / 2
        for rows in _stretches(first.times_s[a], np.where(near, both, np.nan)):
            inside = slice(rows[0], rows[-1] + 1)
            found.append(
                Interaction(
                    (first.track_id, second.track_id),
                    float(first.times_s[a][rows[0]]),
                    float(first.times_s[a][rows[-1]]),
                    _sustained(both[rows], _step_s(first, second)),
                    (float(own[rows].max()), float(other[rows].max())),
                    float(np.median(gaps[rows])),
                    float(near[inside].mean()),
                )
            )
    for track in judged:
        course = np.where(accompanied[track.track_id], np.nan, courses[track.track_id])
        for rows in _stretches(track.times_s, course):
            held = _sustained(course[rows], _step_s(track))
            peak = float(course[rows].max())
            begin, end = float(track.times_s[rows[0]]), float(track.times_s[rows[-1]])
            found.append(Interaction((track.track_id,), begin, end, held, (peak,), 0.0, 1.0))
    return [item for item in found if item.probability > 0]


def course_of(label: str, segments: Sequence[ActivityScore], times_s: Float) -> Float:
    """Probability of a class at each of [N] times, NaN where no segment of the person covers it.

    Each segment takes the mean over the segments whose middle lies within half its length of its own: where segments
    overlap, one of them does not speak alone. A time takes the segment with the nearest middle.
    """
    begins = np.array([s.start_s for s in segments])
    ends = np.array([s.end_s for s in segments])
    middles = (begins + ends) / 2
    values = np.array([s.probability(label) for s in segments])
    neighbours = np.abs(middles[:, None] - middles) <= (ends - begins)[:, None] / 2 + 1e-6  # (S, S)
    smooth = (neighbours * values).sum(axis=1) / neighbours.sum(axis=1)
    result = np.empty(len(times_s))
    for block in _blocks(len(times_s)):
        times = times_s[block, None]
        covering = (times >= begins - 1e-6) & (times <= ends + 1e-6)  # (N, S)
        away = np.where(covering, np.abs(times - middles), np.inf)
        result[block] = np.where(covering.any(axis=1), smooth[away.argmin(axis=1)], np.nan)
    return result


def distances(
    first: Track, second: Track, a: npt.NDArray[np.intp], b: npt.NDArray[np.intp]
) -> tuple[Float, Float]:
    """How far apart two people are at frames `a` of one track and `b` of the other: [M] and [M], in body sizes.

    The first is between their nearest joints, or between the boxes where one has no joint; the second between the
    lower edges of the boxes, which tells who stands behind the other from who stands beside. The size is the mean of
    the boxes' longer sides.
    """
    boxes, others = first.boxes[a].astype(np.float64), second.boxes[b].astype(np.float64)
    size = np.maximum((_longer_sides(boxes) + _longer_sides(others)) / 2, 1.0)
    nearest = np.empty(len(a))
    for block in _blocks(len(a)):
        joints, other_joints = (
            first.keypoints[a[block]].astype(np.float64),
            second.keypoints[b[block]].astype(np.float64),
        )
        apart = np.linalg.norm(joints[:, :, None, :2] - other_joints[:, None, :, :2], axis=3)  # (M, 17, 17)
        seen = (joints[:, :, None, 2] > 0) & (other_joints[:, None, :, 2] > 0)
        nearest[block] = np.where(seen, apart, np.inf).min(axis=(1, 2), initial=np.inf)
    between = np.maximum(np.maximum(boxes[:, :2] - others[:, 2:], others[:, :2] - boxes[:, 2:]), 0.0)
    gaps = np.where(np.isfinite(nearest), nearest, np.hypot(between[:, 0], between[:, 1]))
    return gaps / size, np.abs(boxes[:, 3] - others[:, 3]) / size


def _blocks(count: int) -> Iterator[slice]:
    """The rows of a long track, so many at once that what is computed for each pair of joints stays small."""
    for start in range(0, count, _ROWS_AT_ONCE):
        yield slice(start, start + _ROWS_AT_ONCE)


def _longer_sides(boxes: Float) -> Float:
    return np.asarray(np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]))


def _step_s(*tracks: Track) -> float:
    """The usual time between two frames of people."""
    steps = np.concatenate([np.diff(track.times_s) for track in tracks])
    return float(np.median(steps)) if len(steps) else 0.0


def _stretches(times_s: Float, probabilities: Float) -> list[npt.NDArray[np.intp]]:
    """Rows of the frames that are more probable than not (NaN never is), parted where a pause is too long."""
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(probabilities >= _PROBABLE)
    breaks = np.flatnonzero(np.diff(times_s[rows]) > PAUSE_S) + 1
    return [part for part in np.split(rows, breaks) if len(part)]


def _sustained(probabilities: Float, step_s: float) -> float:
    """The greatest probability that these frames reach for `SUSTAINED_S` in total; 0 where they are too few."""
    needed = max(1, int(np.ceil(SUSTAINED_S / step_s - 1e-6))) if step_s > 0 else 1
    if step_s <= 0 or len(probabilities) < needed:
        return 0.0
    return float(min(1.0, np.sort(probabilities)[-needed]))
