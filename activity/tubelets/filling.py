"""What stands where a joint was not seen, and at which times poses are read off a track."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError


class ResampledPoses(NamedTuple):
    """Poses at equal intervals.

    Attributes:
        times_s: [F] float64, equally spaced.
        positions: [F, 17, 2] float64, pixels; 0, 0 where a joint is missing.
        present: [F, 17] bool, true where a joint was seen or could be filled.
        observed: [F, 17] bool, true where a joint was seen.
    """

    times_s: npt.NDArray[np.float64]
    positions: npt.NDArray[np.float64]
    present: npt.NDArray[np.bool_]
    observed: npt.NDArray[np.bool_]


def fill_empty_frames(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Fill frames in which every value is 0, as the paper's authors do.

    Such a frame becomes the mean of the frame before and the frame after (linear interpolation at its middle);
    each value stays 0 where either neighbour's value is 0. The first and the last frame have one neighbour only
    and stay as they are, and so do two empty frames in a row, as each is the other's neighbour.

    Args:
        values: [F, V], F frames of V coordinates (34: x and y interleaved).

    Returns:
        [F, V], a copy.

    Raises:
        StructureError: If `values` is not two-dimensional.

    >>> fill_empty_frames([[2.0, 0.0], [0.0, 0.0], [4.0, 6.0]]).tolist()
    [[2.0, 0.0], [3.0, 0.0], [4.0, 6.0]]
    """
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2:
        raise StructureError(f"values: expected shape [any, any], got {list(array.shape)}")
    if len(array) < 3:
        return array
    before, after = array[:-2], array[2:]
    filled = np.where((before == 0) | (after == 0), 0.0, (before + after) / 2)
    empty = ~array[1:-1].any(axis=1)
    result = array.copy()
    result[1:-1][empty] = filled[empty]
    return result


def resample(
    times_s: npt.NDArray[np.float64],
    positions: npt.NDArray[np.float64],
    seen: npt.NDArray[np.bool_],
    *,
    frame_rate_hz: float,
    max_gap_s: float,
) -> ResampledPoses:
    """Read poses off a track at equal intervals, from its first to its last time.

    Each joint is interpolated linearly between its two nearest sightings where these lie at most `max_gap_s`
    apart; before its first and after its last sighting it is held for at most `max_gap_s`. A sample counts as observed where a sighting lies within half a frame interval of the track
    or of the samples, whichever is longer.

    Args:
        times_s: [N], strictly increasing, at irregular intervals if need be.
        positions: [N, 17, 2], pixels; what stands where a joint was not seen has no influence.
        seen: [N, 17] bool.
        frame_rate_hz: Samples a second of the result.
        max_gap_s: See above.
    """
    step_s = 1 / frame_rate_hz
    # a sample that rounding puts a hair behind the last frame still belongs to the track
    count = int(np.floor((times_s[-1] - times_s[0]) / step_s + 1e-6)) + 1
    samples_s = times_s[0] + step_s * np.arange(count)
    native_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    reach_s = max(step_s, native_s) / 2 + 1e-9
    left, right = _sightings_around(times_s, samples_s, seen)  # (count, 17), rows of the track
    left_s, right_s = times_s[left], times_s[right]
    since_s = np.abs(samples_s[:, None] - left_s)
    until_s = np.abs(right_s - samples_s[:, None])
    nearest_s = np.minimum(since_s, until_s)
    inside = nearest_s <= 1e-9
    inside |= (left_s < samples_s[:, None]) & (samples_s[:, None] < right_s)
    bridged = (since_s + until_s <= max_gap_s + 1e-9) | (nearest_s <= 1e-9)
    present = np.where(inside, bridged, nearest_s <= max_gap_s + 1e-9) & seen.any(axis=0)
    observed = (nearest_s <= reach_s) & present
    between_s = right_s - left_s
    share = np.clip((samples_s[:, None] - left_s) / np.where(between_s > 0, between_s, 1), 0, 1)
    share[between_s == 0] = 0
    joint = np.arange(seen.shape[1])
    before, after = positions[left, joint], positions[right, joint]  # (count, 17, 2)
    result = np.where(present[:, :, None], before + share[:, :, None] * (after - before), 0.0)
    return ResampledPoses(samples_s, result, present, observed)


def _sightings_around(
    times_s: npt.NDArray[np.float64], samples_s: npt.NDArray[np.float64], seen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the sightings before (or at) and after each sample, [samples, 17] each.

    Before a joint's first sighting both are that one, after its last both are the last; 0 for a joint never seen.
    """
    length = len(times_s)
    rows = np.arange(length)[:, None]
    none = np.full((1, seen.shape[1]), length)
    last = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)
    following = np.concatenate(
        [np.minimum.accumulate(np.where(seen, rows, length)[::-1], axis=0)[::-1], none]
    )
    frame = np.searchsorted(times_s, samples_s + 1e-9, side="right") - 1
    left, right = last[frame], following[frame + 1]
    never = (left < 0) & (right == length)
    left, right = np.where(left < 0, right, left), np.where(right == length, left, right)
    return np.where(never, 0, left), np.where(never, 0, right)
