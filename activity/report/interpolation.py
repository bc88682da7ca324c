"""Where a person is between the frames that were analysed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.structures import Track


@dataclass(frozen=True, slots=True, eq=False)
class PersonPose:
    """One person at one time.

    Attributes:
        track_id: The person.
        keypoints: [17, 3] float32: x px, y px, confidence; confidence 0 is a missing joint.
        box: [4] float32: x0, y0, x1, y1 in pixels.
    """

    track_id: int
    keypoints: npt.NDArray[np.float32]
    box: npt.NDArray[np.float32]


def pose_at(track: Track, *, time_s: float, frame_index: int, max_gap_s: float) -> PersonPose | None:
    """The person's pose in a frame: as analysed, or on the straight line between two analysed frames.

    A joint that either neighbour lacks is missing between them; the confidence is the lower of the two.

    Args:
        track: The person.
        time_s: Presentation time of the frame, in seconds.
        frame_index: Index of the frame in the decoded stream.
        max_gap_s: Longest gap that is bridged.

    Returns:
        `None` before the track, after it, and inside a longer gap.
    """
    if not track.start_s <= time_s <= track.end_s:
        exact = np.flatnonzero(track.frame_indices == frame_index)
        return _sample(track, int(exact[0])) if len(exact) else None
    at = int(np.searchsorted(track.frame_indices, frame_index))
    if at < len(track) and track.frame_indices[at] == frame_index:
        return _sample(track, at)
    after = int(np.searchsorted(track.times_s, time_s, side="left"))
    if track.times_s[after] == time_s:
        return _sample(track, after)
    before = after - 1
    gap_s = float(track.times_s[after] - track.times_s[before])
    if gap_s > max_gap_s:
        return None
    share = np.float32((time_s - track.times_s[before]) / gap_s)
    first, second = track.keypoints[before], track.keypoints[after]
    keypoints = first + (second - first) * share
    confidence = np.minimum(first[:, 2], second[:, 2])
    keypoints[:, 2] = confidence
    keypoints[confidence == 0] = 0
    box = track.boxes[before] + (track.boxes[after] - track.boxes[before]) * share
    return PersonPose(track.track_id, keypoints, box)


def presence(track: Track, *, max_gap_s: float) -> list[tuple[float, float]]:
    """Times in which a person was seen without a gap longer than `max_gap_s`, as (start, end) in seconds."""
    breaks = np.flatnonzero(np.diff(track.times_s) > max_gap_s)
    starts = [0, *(breaks + 1).tolist()]
    ends = [*breaks.tolist(), len(track) - 1]
    return [
        (float(track.times_s[start]), float(track.times_s[end]))
        for start, end in zip(starts, ends, strict=True)
    ]


def _sample(track: Track, position: int) -> PersonPose:
    return PersonPose(track.track_id, track.keypoints[position], track.boxes[position])
