"""YOLO-pose networks of other projects as ONNX files: people and joints in one pass.

Source of the layout: Maji et al., "YOLO-Pose" (CVPR 2022) as Ultralytics exports it.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.pose.joints import check_image, check_threshold, image_input, joints_in_frame
from activity.structures import KEYPOINT_COUNT, Detections, Poses, box_iou

YOLO_SIDE_PX: Final = 640
"""Input of a YOLO-pose network whose file admits any size."""
_YOLO_CHANNELS: Final = 4 + 1 + 3 * KEYPOINT_COUNT
_YOLO_FILL: Final = (114, 114, 114)


class YoloPoseEstimator:
    """A YOLO-pose network: finds people and their joints in one pass.

    Reads [1, 3, H, W] RGB in [0, 1], letterboxed; answers [1, 56, N]: box centre and size, score, then x, y and
    visibility of 17 joints, in input pixels, before suppression.

    Args:
        model: The network.
        keypoint_threshold: Least confidence of a joint, in [0, 1).
        person_threshold: Least score of a person, in [0, 1).
        overlap: People of larger box overlap are one, in (0, 1].

    Attributes:
        sha256: Digest of the file.

    Raises:
        CheckpointError: If the network has another layout.
        ConfigurationError: If a threshold is out of bounds.
    """

    def __init__(
        self,
        model: OnnxModel,
        *,
        keypoint_threshold: float = 0.1,
        person_threshold: float = 0.05,
        overlap: float = 0.65,
    ) -> None:
        check_threshold("keypoint_threshold", keypoint_threshold)
        check_threshold("person_threshold", person_threshold)
        if not 0 < overlap <= 1:
            raise ConfigurationError(f"overlap: expected 0 < value <= 1, got {overlap}")
        self._model, self._threshold = model, keypoint_threshold
        self._least, self._overlap = person_threshold, overlap
        self._input, shape = image_input(model)
        self._size = (shape[2] or YOLO_SIDE_PX, shape[3] or YOLO_SIDE_PX)
        self.sha256 = model.sha256

    @property
    def uses_person_boxes(self) -> bool:
        """False: this estimator finds people itself."""
        return False

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:  # noqa: ARG002
        """Return the people of `image` [H, W, 3] uint8 RGB, best first; `people` is not looked at.

        Raises:
            StructureError: If `image` has another shape or type.
            CheckpointError: If the network fails or answers in another layout.
        """
        check_image(image)
        batch, scale, left, top = self._letterbox(image)
        (answer,) = self._model.run({self._input: batch}).values()
        if answer.ndim != 3 or answer.shape[:2] != (1, _YOLO_CHANNELS):
            raise CheckpointError(
                f"{self._model.path}: expected one output [1, {_YOLO_CHANNELS}, any] of a YOLO-pose network for 17 "
                f"joints, got {list(answer.shape)}; export it without suppression"
            )
        rows = answer[0].T.astype(np.float64)
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 4] >= self._least)]
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        half = np.abs(rows[:, 2:4]) / 2
        offset = np.array([left, top])
        boxes = np.concatenate([rows[:, :2] - half - offset, rows[:, :2] + half - offset], axis=1) / scale
        kept = self._distinct(boxes)
        joints = rows[kept, 5:].reshape(-1, KEYPOINT_COUNT, 3)
        # input pixels count from the corner, ours from the centre of the first pixel
        joints[..., :2] = (joints[..., :2] - offset) / scale - 0.5
        height, width = image.shape[:2]
        keypoints = joints_in_frame(
            joints.astype(np.float32), height=height, width=width, threshold=self._threshold
        )
        scores = np.clip(rows[kept, 4], 0, 1).astype(np.float32)
        return Poses(keypoints, boxes[kept].astype(np.float32), scores)

    def _letterbox(self, image: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], float, int, int]:
        height, width = self._size
        scale = min(height / image.shape[0], width / image.shape[1])
        inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas = np.full((height, width, 3), _YOLO_FILL, np.uint8)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(
            image, inner, interpolation=interpolation
        )
        batch = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        return batch, scale, left, top

    def _distinct(self, boxes: npt.NDArray[np.float64]) -> list[int]:
        """Rows of [N, 4] boxes, best first, that no better one overlaps too much."""
        kept: list[int] = []
        for row in range(len(boxes)):
            if not kept or box_iou(boxes[row : row + 1], boxes[kept]).max() <= self._overlap:
                kept.append(row)
        return kept
