"""The people seen in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.structures._validation import check_boxes, check_unit_interval, frozen_array
from activity.structures.geometry import boxes_around_keypoints
from activity.structures.skeleton import KEYPOINT_COUNT


@dataclass(frozen=True, slots=True, eq=False)
class Poses:
    """P people in one frame, each with 17 COCO keypoints.

    Attributes:
        keypoints: [P, 17, 3] float32: x px, y px, confidence in [0, 1]. Confidence 0 means that the
            joint was not found, and its x and y mean nothing.
        boxes: [P, 4] float32: x0, y0, x1, y1 in pixels, the person's box.
        scores: [P] float32 in [0, 1], how sure the estimator is of the person.

    Raises:
        StructureError: On a wrong shape, NaN, or a confidence outside [0, 1].
    """

    keypoints: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(
            self,
            "keypoints",
            frozen_array("keypoints", self.keypoints, (None, KEYPOINT_COUNT, 3), np.float32),
        )
        people = len(self.keypoints)
        set_field(self, "boxes", frozen_array("boxes", self.boxes, (people, 4), np.float32))
        set_field(self, "scores", frozen_array("scores", self.scores, (people,), np.float32))
        check_unit_interval("keypoints[..., 2]", self.keypoints[..., 2])
        check_unit_interval("scores", self.scores)
        check_boxes("boxes", self.boxes)

    @classmethod
    def from_keypoints(cls, keypoints: npt.ArrayLike, scores: npt.ArrayLike) -> Poses:
        """Make poses whose boxes are the smallest around their joints.

        Args:
            keypoints: [P, 17, 3], x px, y px, confidence in [0, 1].
            scores: [P] in [0, 1].
        """
        array = np.asarray(keypoints, dtype=np.float32)
        return cls(array, boxes_around_keypoints(array), np.asarray(scores, dtype=np.float32))

    @classmethod
    def empty(cls) -> Poses:
        """No people."""
        return cls(
            np.zeros((0, KEYPOINT_COUNT, 3), np.float32),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
        )

    def __len__(self) -> int:
        return len(self.keypoints)
