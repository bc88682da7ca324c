"""Coordinates that know neither where in the picture a person stands nor how large the picture is."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

TORSO_PER_BODY: Final = 0.3
"""Length of the torso (mid-shoulder to mid-hip) over the extent of all joints of a person who stands upright."""

_SHOULDERS: Final = (5, 6)
_HIPS: Final = (11, 12)


def body_centres(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """The middle of the hips in each frame, or of the box around the joints where a hip is missing.

    Args:
        positions: [F, 17, 2].
        present: [F, 17] bool.

    Returns:
        [F, 2]; NaN for a frame without any joint.
    """
    hips = np.asarray(positions[:, _HIPS].mean(axis=1), dtype=np.float64)
    low, high = _extent(positions, present)
    left, right = _HIPS
    both = present[:, left] & present[:, right]
    return np.where(both[:, None], hips, (low + high) / 2)


def body_sizes(positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The size of the person in each frame, in torso lengths' unit.

    The longer of the torso and `TORSO_PER_BODY` times the longer side of the box around the joints: a torso seen
    from above is short, and a box around someone who crouches or is cut off by the picture's edge is small.

    Args:
        positions: [F, 17, 2].
        present: [F, 17] bool.

    Returns:
        [F]; NaN for a frame without any joint.
    """
    low, high = _extent(positions, present)
    box: npt.NDArray[np.float64] = (high - low).max(axis=1) * TORSO_PER_BODY
    torso: npt.NDArray[np.float64] = np.linalg.norm(
        positions[:, _SHOULDERS].mean(axis=1) - positions[:, _HIPS].mean(axis=1), axis=1
    )
    whole = np.asarray(present[:, _SHOULDERS + _HIPS].all(axis=1))
    return np.where(whole, np.maximum(torso, box), box)


def normalize_body(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64] | None:
    """Move a segment's median body centre to the origin and divide by its median body size.

    One origin and one scale serve the whole segment, so that the person's own motion stays in it. Medians over
    frames keep a few wrong joints from moving everything.

    Args:
        positions: [F, 17, 2] in pixels.
        present: [F, 17] bool.

    Returns:
        [F, 17, 2] in body sizes (about one torso length), 0, 0 where a joint is missing; `None` where the
        segment has no size: no joint, or all joints at one point.
    """
    some = present.any(axis=1)
    if not some.any():
        return None
    centre = np.median(body_centres(positions[some], present[some]), axis=0)
    size = float(np.median(body_sizes(positions[some], present[some])))
    if size <= 0:
        return None
    return np.where(present[:, :, None], (positions - centre) / size, 0.0)


def _extent(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    low = np.where(present[:, :, None], positions, np.inf).min(axis=1)
    high = np.where(present[:, :, None], positions, -np.inf).max(axis=1)
    empty = ~present.any(axis=1)
    low[empty] = high[empty] = np.nan
    return low, high
