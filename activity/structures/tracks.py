"""One person through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_boxes, check_increasing, check_unit_interval, frozen_array
from activity.structures.skeleton import KEYPOINT_COUNT


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person, seen in N frames of one clip; frames in which the person was not found are absent.

    Attributes:
        track_id: Unique within the clip, from 1.
        frame_indices: [N] int64, strictly increasing indices of decoded frames.
        times_s: [N] float64, strictly increasing presentation times in seconds.
        keypoints: [N, 17, 3] float32: x px, y px, confidence in [0, 1]; confidence 0 is a missing joint.
        boxes: [N, 4] float32: x0, y0, x1, y1 in pixels.
        scores: [N] float32 in [0, 1].

    Raises:
        StructureError: On a wrong shape, NaN, times that do not increase, or no frame at all.
    """

    track_id: int
    frame_indices: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]
    keypoints: npt.NDArray[np.float32]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "frame_indices", frozen_array("frame_indices", self.frame_indices, (None,), np.int64))
        length = len(self.frame_indices)
        if self.track_id < 1:
            raise StructureError(f"track_id: expected 1 or more, got {self.track_id}")
        if length == 0:
            raise StructureError(f"track {self.track_id}: expected at least one frame")
        if self.frame_indices.min() < 0:
            raise StructureError(f"frame_indices: expected 0 or more, got {self.frame_indices.min()}")
        set_field(self, "times_s", frozen_array("times_s", self.times_s, (length,), np.float64))
        set_field(
            self,
            "keypoints",
            frozen_array("keypoints", self.keypoints, (length, KEYPOINT_COUNT, 3), np.float32),
        )
        set_field(self, "boxes", frozen_array("boxes", self.boxes, (length, 4), np.float32))
        set_field(self, "scores", frozen_array("scores", self.scores, (length,), np.float32))
        check_increasing("frame_indices", self.frame_indices)
        check_increasing("times_s", self.times_s)
        check_unit_interval("keypoints[..., 2]", self.keypoints[..., 2])
        check_unit_interval("scores", self.scores)
        check_boxes("boxes", self.boxes)

    def __len__(self) -> int:
        return len(self.frame_indices)

    @property
    def start_s(self) -> float:
        """Time of the first frame in which the person was seen."""
        return float(self.times_s[0])

    @property
    def end_s(self) -> float:
        """Time of the last frame in which the person was seen."""
        return float(self.times_s[-1])
