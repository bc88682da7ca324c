"""Whether a posture looks like that of an armed person: a support vector machine on keypoints, without scikit-learn.

The seed (Moura et al., "Detection of weapon possession and fire in Public Safety surveillance cameras", 2022) wished for
it. It is weak evidence: `quality` says how weak, and what quotes the probability quotes that too.

A person's 17 joints are seen from the middle of the shoulders, in lengths of the trunk; with z that vector, each number
less its mean over its spread, and s_i, a_i the support vectors and their weights,

    f(z) = sum_i a_i exp(-gamma |z - s_i|^2) + b,    probability = sigmoid(slope (f(z) + f(mirrored z)) / 2 + offset)

The mirror image counts as much as the person, for a weapon is held in either hand. The sigmoid is Platt's ("Probabilistic
outputs for support vector machines", 1999), fitted as if half of all people were armed: it says how a posture compares, not
how many people carry arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from activity.errors import CheckpointError, StructureError
from activity.structures import COCO_FLIP, COCO_KEYPOINT_NAMES, KEYPOINT_COUNT

Float = npt.NDArray[np.float64]

POSTURE_FEATURES: Final = tuple(f"{name}.{axis}" for name in COCO_KEYPOINT_NAMES for axis in ("x", "y"))
"""Names of the 34 numbers, in order."""

LEAST_ARM_JOINTS: Final = 3
"""Of shoulders, elbows and wrists, so many must be seen: without them there is no posture to judge."""

_SHOULDERS, _HIPS, _ARMS = [5, 6], [11, 12], [5, 6, 7, 8, 9, 10]
_SHOULDERS_DOWN: Final = 0.22
"""Where the shoulders of a box are that has none: so far from its upper edge, as a share of its height."""

_TRUNK_OF_BOX: Final = 0.29
"""Trunk over the box's longer side where shoulders or hips were not seen (Winter's segment lengths)."""

_LEAST_TRUNK_OF_BOX: Final = 0.12
_TRUNK_OF_SHOULDERS: Final = 0.6
"""A trunk is seen short from above and when it bends; it is no shorter than these shares of box and shoulders."""

_FARTHEST: Final = 4.0
"""Trunk lengths: what is said to be farther from the shoulders is a joint of somebody else."""

_AT_ONCE: Final = 256
"""People compared with the support vectors at once."""


def posture_features(keypoints: npt.ArrayLike, boxes: npt.ArrayLike) -> tuple[Float, npt.NDArray[np.bool_]]:
    """People in numbers: where each joint is from the middle of the shoulders, in lengths of the trunk.

    Args:
        keypoints: [P, 17, 3]: x px, y px, confidence; a joint of confidence 0 or with a coordinate that is not finite
            is missing. How confident a joint is tells a picture from another rather than a posture, and is not used.
        boxes: [P, 4], x0, y0, x1, y1 in pixels: scale and place of people whose shoulders or hips are missing.

    Returns:
        [P, 34], in the order of `POSTURE_FEATURES`, zeros for a missing joint; and [P], whether enough of the arms was
        seen to judge.

    Raises:
        StructureError: If a shape does not fit, or a box is not finite.
    """
    joints = np.array(keypoints, np.float64)
    frames = np.asarray(boxes, np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (KEYPOINT_COUNT, 3):
        raise StructureError(f"keypoints: expected shape [any, 17, 3], got {list(joints.shape)}")
    if frames.shape != (len(joints), 4) or not np.isfinite(frames).all():
        raise StructureError(
            f"boxes: expected {len(joints)} finite boxes of 4 pixels, got shape {list(frames.shape)}"
        )
    seen = np.isfinite(joints).all(axis=2) & (joints[..., 2] > 0)
    places = np.where(seen[..., None], joints[..., :2], 0.0)
    longer = np.maximum(frames[:, 2] - frames[:, 0], frames[:, 3] - frames[:, 1])
    top = np.stack(
        [
            (frames[:, 0] + frames[:, 2]) / 2,
            frames[:, 1] + _SHOULDERS_DOWN * (frames[:, 3] - frames[:, 1]),
        ],
        axis=1,
    )
    shoulders, has_shoulders = _middle(places, seen, _SHOULDERS)
    hips, has_hips = _middle(places, seen, _HIPS)
    origin = np.where(has_shoulders[:, None], shoulders, top)
    across = np.linalg.norm(places[:, _SHOULDERS[0]] - places[:, _SHOULDERS[1]], axis=1)
    across = np.where(seen[:, _SHOULDERS].all(axis=1), across, 0.0)
    trunk = np.maximum(np.linalg.norm(shoulders - hips, axis=1), _TRUNK_OF_SHOULDERS * across)
    trunk = np.where(has_shoulders & has_hips, trunk, _TRUNK_OF_BOX * longer)
    scale = np.maximum(np.maximum(trunk, _LEAST_TRUNK_OF_BOX * longer), 1.0)
    offsets = np.clip((places - origin[:, None]) / scale[:, None, None], -_FARTHEST, _FARTHEST)
    features: Float = np.where(seen[..., None], offsets, 0.0).reshape(len(joints), 2 * KEYPOINT_COUNT)
    return features, np.asarray(seen[:, _ARMS].sum(axis=1) >= LEAST_ARM_JOINTS)


def mirrored(features: Float) -> Float:
    """[P, 34] of the mirror images of the people of [P, 34]."""
    joints = features.reshape(len(features), KEYPOINT_COUNT, 2)[:, COCO_FLIP] * np.array([-1.0, 1.0])
    result: Float = joints.reshape(features.shape)
    return result


def _middle(
    places: Float, seen: npt.NDArray[np.bool_], pair: list[int]
) -> tuple[Float, npt.NDArray[np.bool_]]:
    """[P, 2], the mean of those of a pair of joints that were seen, and [P], whether any was."""
    count = seen[:, pair].sum(axis=1)
    return places[:, pair].sum(axis=1) / np.maximum(count, 1)[:, None], count > 0


@dataclass(frozen=True, slots=True, eq=False)
class ArmedPosture:
    """A trained machine.

    Attributes:
        mean: [34].
        spread: [34], above 0.
        support_vectors: [S, 34], standardised.
        weights: [S].
        bias: b.
        gamma: Above 0.
        slope: Of the calibration.
        offset: Of the calibration.
        quality: How good it is, as measured when it was trained: at least `balanced_accuracy` in [0, 1].
        training: Where it comes from: data, commit, seed, settings.
        sha256: Digest of its file, for reports; empty before there is one.

    Raises:
        CheckpointError: If shapes do not fit each other, a number is not finite or out of bounds.
    """

    mean: Float
    spread: Float
    support_vectors: Float
    weights: Float
    bias: float
    gamma: float
    slope: float
    offset: float
    quality: Mapping[str, Any]
    training: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def __post_init__(self) -> None:
        width = len(POSTURE_FEATURES)
        for name, shape in (
            ("mean", (width,)),
            ("spread", (width,)),
            ("support_vectors", (len(self.weights), width)),
            ("weights", (len(self.weights),)),
        ):
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape != shape or not len(value) or not np.isfinite(value).all():
                raise CheckpointError(
                    f"{name}: expected {list(shape)} finite numbers, got {list(value.shape)}; take an intact copy or "
                    "train it again with `activity train holder`"
                )
        for name in ("bias", "gamma", "slope", "offset"):
            if not np.isfinite(getattr(self, name)):
                raise CheckpointError(f"{name}: expected a finite number, got {getattr(self, name)}")
        if not (np.asarray(self.spread) > 0).all() or self.gamma <= 0:
            raise CheckpointError(f"spread and gamma: expected more than 0, got gamma {self.gamma}")
        right = self.quality.get("balanced_accuracy")
        if not isinstance(right, float) or not 0 <= right <= 1:
            raise CheckpointError(f"quality: expected a balanced_accuracy in [0, 1], got {right!r}")

    @property
    def balanced_accuracy(self) -> float:
        """How often it is right about armed and unarmed people, each counted half, on pictures that it never saw."""
        return float(self.quality["balanced_accuracy"])

    def decide(self, features: Float) -> Float:
        """[P] signed distances f of [P, 34] features as they stand, without their mirror images."""
        rows = (np.asarray(features, np.float64) - self.mean) / self.spread
        lengths = (self.support_vectors**2).sum(axis=1)
        answers = np.zeros(len(rows))
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            squares = (part**2).sum(axis=1)[:, None] + lengths - 2 * part @ self.support_vectors.T
            answers[start : start + _AT_ONCE] = np.exp(-self.gamma * np.maximum(squares, 0)) @ self.weights
        return answers + self.bias

    def decide_both(self, features: Float) -> Float:
        """[P] means of f over each person and the mirror image."""
        return (self.decide(features) + self.decide(mirrored(features))) / 2

    def judge(self, keypoints: npt.ArrayLike, boxes: npt.ArrayLike) -> Float:
        """[P] probabilities that people of such postures are armed; NaN where too little of the arms was seen.

        Args:
            keypoints: As for `posture_features`.
            boxes: As for `posture_features`.

        Raises:
            StructureError: As `posture_features`.
        """
        features, judged = posture_features(keypoints, boxes)
        result: Float = np.where(judged, expit(self.slope * self.decide_both(features) + self.offset), np.nan)
        return result
