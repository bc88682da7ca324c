"""The COCO-17 skeleton and the five body parts of BPTubeFormer.

Sources: Lin et al., "Microsoft COCO" (2014), for the joints and the sigmas of OKS
(cocodataset.org/#keypoints-eval); Joseph et al., "Body-part Tubelet Transformer" (AVSS 2024), for the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)

COCO_KEYPOINT_NAMES: Final = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
KEYPOINT_COUNT: Final = len(COCO_KEYPOINT_NAMES)


def _constant(values: npt.ArrayLike, dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    array: npt.NDArray[Scalar] = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


_SIGMAS: Final = {
    "nose": 0.026,
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
COCO_SIGMAS: Final[npt.NDArray[np.float64]] = _constant(
    [_SIGMAS[name.split("_")[-1]] for name in COCO_KEYPOINT_NAMES], np.float64
)
"""Per-keypoint standard deviation of human annotators over object scale, [17]."""

COCO_FLIP: Final[npt.NDArray[np.int64]] = _constant(
    [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15], np.int64
)
"""Index of each joint's mirror image, [17]: `keypoints[:, COCO_FLIP]` swaps left and right."""

COCO_LIMBS: Final[tuple[tuple[int, int], ...]] = (
    (15, 13),
    (13, 11),
    (16, 14),
    (14, 12),
    (11, 12),
    (5, 11),
    (6, 12),
    (5, 6),
    (5, 7),
    (6, 8),
    (7, 9),
    (8, 10),
    (1, 2),
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)
"""Pairs of joints that a drawing connects, 0-based."""


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A group of joints that one part encoder of BPTubeFormer sees.

    Attributes:
        name: The part's name in reports and plots.
        joints: 0-based COCO joints, in the order in which they fill the part's grid.
        rows: Height of the part's own grid, before padding to 3x3.
        columns: Width of the part's own grid, before padding to 3x3.
    """

    name: str
    joints: tuple[int, ...]
    rows: int
    columns: int


BODY_PARTS: Final = (
    BodyPart("torso", (0, 1, 2, 3, 4, 5, 6, 11, 12), 3, 3),
    BodyPart("elbows", (7, 8), 1, 2),
    BodyPart("wrists", (9, 10), 1, 2),
    BodyPart("knees", (13, 14), 1, 2),
    BodyPart("ankles", (15, 16), 1, 2),
)
"""The five parts, in the order of the model's tokens; together they hold each joint once."""
