"""The people at a moment, from their tracks: also those whom the frame itself missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.structures import KEYPOINT_COUNT, Poses, Track


@dataclass(frozen=True, slots=True, eq=False)
class PeopleAt:
    """The people at one moment.

    Attributes:
        people: P poses.
        track_ids: [P].
        gaps_s: [P], time to the nearest frame in which each was really seen.
    """

    people: Poses
    track_ids: npt.NDArray[np.int64]
    gaps_s: npt.NDArray[np.float64]


def people_at(tracks: Sequence[Track], *, time_s: float, max_gap_s: float = 0.5) -> PeopleAt:
    """Everybody whose track covers a time, on a straight line between two frames no further apart than `max_gap_s`.

    A joint that either of the two frames lacks is missing. Just before the first and after the last frame of a track,
    up to a quarter of `max_gap_s`, the person stands where the track begins or ends.
    """
    rows: list[tuple[Track, int, int, float, float]] = []
    for track in tracks:
        times = track.times_s
        after = int(np.searchsorted(times, time_s))
        before = max(after - 1, 0)
        after = min(after, len(times) - 1)
        gap = float(min(abs(times[before] - time_s), abs(times[after] - time_s)))
        outside = time_s < times[0] or time_s > times[-1]
        if (outside and gap > max_gap_s / 4) or (
            not outside and times[after] - times[before] > max_gap_s and gap > 1e-6
        ):
            continue
        span = float(times[after] - times[before])
        rows.append(
            (
                track,
                before,
                after,
                min(max((time_s - float(times[before])) / span, 0.0), 1.0) if span > 0 else 0.0,
                gap,
            )
        )
    keypoints = np.zeros((len(rows), KEYPOINT_COUNT, 3), np.float32)
    boxes = np.zeros((len(rows), 4), np.float32)
    scores = np.zeros(len(rows), np.float32)
    for i, (track, before, after, share, _) in enumerate(rows):
        first, second = track.keypoints[before], track.keypoints[after]
        keypoints[i] = (1 - share) * first + share * second
        both = (first[:, 2] > 0) & (second[:, 2] > 0)
        either = first if share < 0.5 else second
        keypoints[i] = np.where(both[:, None], keypoints[i], 0.0)
        if share in (0.0, 1.0):
            keypoints[i] = either
        keypoints[i, :, 2] = np.clip(keypoints[i, :, 2], 0, 1)
        boxes[i] = (1 - share) * track.boxes[before] + share * track.boxes[after]
        scores[i] = min(float(track.scores[before]), float(track.scores[after]))
    return PeopleAt(
        Poses(keypoints, boxes, scores),
        np.array([row[0].track_id for row in rows], np.int64),
        np.array([row[4] for row in rows], np.float64),
    )
