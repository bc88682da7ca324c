"""Coordinates that know neither where in the picture a person stands nor how large the picture is."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

TORSO_PER_BODY: Final = 0.3
"""Length of the torso (mid-shoulder to mid-hip) over the extent of all joints of a person who stands upright."""

_SHOULDERS: Final = (5, 6)
_HIPS: Final = (11, 12)


def body_centres_and_sizes(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where a person is and how large, in each frame.

    The centre is the middle of the hips, or of the box around the joints where a hip is missing. The size is the longer
    of the torso and `TORSO_PER_BODY` times the longer side of the box around the joints: a torso seen from above is
    short, and a box around someone who crouches or is cut off by the picture's edge is small.

    Args:
        positions: [..., F, 17, 2].
        present: [..., F, 17] bool.

    Returns:
        [..., F, 2] and [..., F], in the unit of `positions`; NaN for a frame without any joint.
    """
    low, high = _extent(positions, present)
    hips = (positions[..., _HIPS[0], :] + positions[..., _HIPS[1], :]) / 2
    shoulders = (positions[..., _SHOULDERS[0], :] + positions[..., _SHOULDERS[1], :]) / 2
    both_hips = present[..., _HIPS[0]] & present[..., _HIPS[1]]
    whole = both_hips & present[..., _SHOULDERS[0]] & present[..., _SHOULDERS[1]]
    box = (high - low).max(axis=-1) * TORSO_PER_BODY
    torso = np.sqrt(((shoulders - hips) ** 2).sum(axis=-1))
    centres = np.where(both_hips[..., None], hips, (low + high) / 2)
    return centres, np.where(whole, np.maximum(torso, box), box)


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
    centres, sizes = body_centres_and_sizes(positions[some], present[some])
    centre, size = np.median(centres, axis=0), float(np.median(sizes))
    if size <= 0:
        return None
    return np.where(present[:, :, None], (positions - centre) / size, 0.0)


def normalize_bodies(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What `normalize_body` makes of each of P people over the same frames, in one go.

    Args:
        positions: [P, F, 17, 2] in pixels.
        present: [P, F, 17] bool.

    Returns:
        [P, F, 17, 2] in body sizes, and [P] bool: false, with any numbers, for who has no size.
    """
    if not present.any(axis=2).all():  # an empty frame counts in no median
        bodies = [normalize_body(*person) for person in zip(positions, present, strict=True)]
        sized = np.array([body is not None for body in bodies])
        return np.stack([np.zeros_like(positions[0]) if body is None else body for body in bodies]), sized
    frame_centres, frame_sizes = body_centres_and_sizes(positions, present)
    centres, sizes = np.median(frame_centres, axis=1), np.median(frame_sizes, axis=1)  # (P, 2), (P,)
    scaled = (positions - centres[:, None, None]) / np.where(sizes > 0, sizes, 1)[:, None, None, None]
    return np.where(present[..., None], scaled, 0.0), sizes > 0


def _extent(
    positions: npt.NDArray[np.float64], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    joints = np.ascontiguousarray(
        np.moveaxis(positions, -2, 0)
    )  # (17, ..., F, 2): numpy folds the first axis fast
    there = np.ascontiguousarray(np.moveaxis(present, -1, 0))[..., None]
    low, high = np.where(there, joints, np.inf).min(axis=0), np.where(there, joints, -np.inf).max(axis=0)
    empty = ~present.any(axis=-1)
    low[empty] = high[empty] = np.nan
    return low, high
