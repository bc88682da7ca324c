"""Hand-made numbers that say how a person moved: what the model of whole clips and the linear floor read."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from activity.structures import Tubelet
from activity.structures.layouts import COCO_LAYOUT

Float = npt.NDArray[np.float64]
_GROUPS: Final = ((0, 1, 2, 3, 4), (5, 6, 11, 12), (7, 8), (9, 10), (13, 14), (15, 16))
"""Head, trunk, elbows, wrists, knees, ankles."""
_SHOULDERS, _HIPS = list(COCO_LAYOUT.shoulders), list(COCO_LAYOUT.hips)
MOTION_FEATURES: Final = 47


def motion_features(tubelet: Tubelet) -> Float:
    """Speeds, accelerations, posture and extent of one segment or whole track, in body sizes and frames.

    The body size is about one torso length, the unit of ``body`` normalisation; a frame is that of the tubelet.

    Of each group of joints the mean, 75 % and 95 % quantile of the speed relative to the body's centre; median and
    90 % quantile of the acceleration of trunk, arms and legs; mean, 90 % quantile and standard deviation of the
    centre's speed, and how far it came; lean of the trunk (mean, most, deviation); for each wrist its height over the
    shoulder (mean, most, deviation) and its distance from it (mean, deviation); the aspect of the body's box
    (median, least, deviation); the stride (mean, most); the share of joints seen.

    Returns:
        [47], finite; 0 where nothing could be measured.
    """
    flat = tubelet.grids.transpose(2, 0, 3, 4, 1).reshape(tubelet.frames, -1, 2)
    joints = flat[:, COCO_LAYOUT.joint_cells()].astype(np.float64)  # (T, 17, 2)
    seen = np.asarray((joints != 0).any(axis=2))
    low = np.where(seen[..., None], joints, np.inf).min(axis=1)
    high = np.where(seen[..., None], joints, -np.inf).max(axis=1)
    some = np.asarray(seen.any(axis=1))
    if some.sum() < 3:
        return np.zeros(MOTION_FEATURES)
    joints, seen, low, high = joints[some], seen[some], low[some], high[some]
    whole = np.asarray(seen[:, _SHOULDERS + _HIPS].all(axis=1))
    centre = np.where(
        np.asarray(seen[:, _HIPS].all(axis=1))[:, None], joints[:, _HIPS].mean(axis=1), (low + high) / 2
    )

    steps = np.diff(joints, axis=0)
    both = seen[1:] & seen[:-1]
    drift = np.diff(centre, axis=0)
    relative = np.linalg.norm(steps - drift[:, None], axis=2)
    features: list[float] = []
    for group in _GROUPS:
        features += _statistics(relative[:, group][both[:, group]], "mean", 75, 95)
    jerks = np.linalg.norm(np.diff(steps, axis=0), axis=2)
    thrice = both[1:] & both[:-1]
    for group in (_GROUPS[1], _GROUPS[2] + _GROUPS[3], _GROUPS[4] + _GROUPS[5]):
        features += _statistics(jerks[:, group][thrice[:, group]], 50, 90)
    features += _statistics(np.linalg.norm(drift, axis=1), "mean", 90, "std")
    features.append(float(np.linalg.norm(centre[-1] - centre[0])))
    trunk = (joints[:, _HIPS].mean(axis=1) - joints[:, _SHOULDERS].mean(axis=1))[whole]
    features += _statistics(np.abs(np.arctan2(trunk[:, 0], trunk[:, 1])), "mean", 100, "std")
    for shoulder, wrist in zip(_SHOULDERS, _GROUPS[3], strict=True):
        arm = (joints[:, shoulder] - joints[:, wrist])[seen[:, shoulder] & seen[:, wrist]]
        features += _statistics(arm[:, 1], "mean", 100, "std")
        features += _statistics(np.linalg.norm(arm, axis=1), "mean", "std")
    sides = high - low
    features += _statistics(sides[:, 1] / np.maximum(sides[:, 0], 1e-3), 50, 0, "std")
    left, right = _GROUPS[5]
    stride = np.abs(joints[:, left, 0] - joints[:, right, 0])[seen[:, left] & seen[:, right]]
    features += _statistics(stride, "mean", 100)
    features.append(float(seen.mean()))
    result: Float = np.clip(np.array(features), -50, 50)
    return result


def _statistics(values: Float, *wanted: str | int) -> list[float]:
    """Mean, standard deviation and percentiles; zeros where there are no values."""
    if not values.size:
        return [0.0] * len(wanted)
    return [_statistic(values, what) for what in wanted]


def _statistic(values: Float, what: str | int) -> float:
    if isinstance(what, int):
        return float(np.percentile(values, what))
    return float(values.mean() if what == "mean" else values.std())
