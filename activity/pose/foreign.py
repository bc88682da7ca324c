"""Pose networks of other projects as ONNX files: top-down heat maps or SimCC (RTMPose), and YOLO-pose.

Sources of the layouts: Jiang et al., "RTMPose" (2023) and Li et al., "SimCC" (ECCV 2022) as MMPose exports them;
Maji et al., "YOLO-Pose" (CVPR 2022) as Ultralytics exports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.networks.onnx import OnnxModel
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps, to_frame
from activity.pose.topdown import TopDownEstimator
from activity.structures import COCO_FLIP, KEYPOINT_COUNT, Detections, Poses, box_iou

IMAGENET_MEAN: Final = np.array([123.675, 116.28, 103.53], np.float32)
IMAGENET_STD: Final = np.array([58.395, 57.12, 57.375], np.float32)
CROP_PADDING: Final = 1.25
"""Side of the region that a top-down network sees, over the side of the person's box, as MMPose trains them."""
CROPS_PER_CALL: Final = 16
YOLO_SIDE_PX: Final = 640
"""Input of a YOLO-pose network whose file admits any size."""
_YOLO_CHANNELS: Final = 4 + 1 + 3 * KEYPOINT_COUNT
_YOLO_FILL: Final = (114, 114, 114)


class ForeignTopDownEstimator:
    """A top-down network of another project: crops [B, 3, H, W] in, heat maps or SimCC out.

    Two outputs [B, 17, W r] and [B, 17, H r] are SimCC's, r bins a pixel; one output [B, 17, h, w] is heat maps.
    Crops are RGB with ImageNet's mean and standard deviation. Confidence, boxes and scores are as `TopDownEstimator`
    makes them; a SimCC joint's confidence is the lower of its two peaks.

    Args:
        model: The network.
        keypoint_threshold: Least confidence of a joint, in [0, 1).
        flip_test: Also look at the mirror image of each person and average both: more exact at twice the cost.

    Attributes:
        sha256: Digest of the file.

    Raises:
        CheckpointError: If the network has another layout.
        ConfigurationError: If the threshold is out of bounds.
    """

    def __init__(self, model: OnnxModel, *, keypoint_threshold: float = 0.1, flip_test: bool = False) -> None:
        _check_threshold(keypoint_threshold)
        self._model, self._threshold, self._flip_test = model, keypoint_threshold, flip_test
        self._input, shape = _image_input(model)
        if shape[2] is None or shape[3] is None:
            raise CheckpointError(
                f"{model.path}: expected crops of a fixed height and width, got {list(shape)}; export it for one size"
            )
        self._size = (shape[2], shape[3])
        self._batch = shape[0]
        if len(model.output_names) not in (1, 2):
            raise CheckpointError(
                f"{model.path}: expected heat maps or SimCC's two outputs, got {len(model.output_names)} outputs "
                f"({', '.join(model.output_names)})"
            )
        self.sha256 = model.sha256

    @property
    def uses_person_boxes(self) -> bool:
        """True: without a detector's people there is nothing to look at."""
        return True

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:
        """Return one pose for each detection labelled ``person``, in the detector's order.

        Args:
            image: [H, W, 3] uint8, RGB.
            people: The detections of this picture; other labels are passed over.

        Raises:
            StructureError: If `image` has another shape or type.
            CheckpointError: If the network fails or answers in another layout.
        """
        _check_image(image)
        persons = people.of("person")
        if not len(persons):
            return Poses.empty()
        step = self._batch or CROPS_PER_CALL
        found = np.concatenate(
            [
                self._joints(image, persons.boxes[start : start + step])
                for start in range(0, len(persons), step)
            ]
        )
        confidence = _kept(found, image, self._threshold)
        mean = confidence.sum(axis=1) / np.maximum((confidence > 0).sum(axis=1), 1)
        return Poses(
            _inside(found, confidence, image), persons.boxes, (persons.scores * mean).astype(np.float32)
        )

    def _joints(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        matrices = np.stack([crop_matrix(box, size=self._size, padding=CROP_PADDING) for box in boxes])
        crops = np.stack([cut_crop(image, matrix, size=self._size) for matrix in matrices])
        maps = self._answers(crops)
        if self._flip_test:
            mirrored = self._answers(crops[:, :, ::-1])
            # Down a crop nothing is mirrored: SimCC's second histogram only swaps left and right joints.
            swapped = [
                array[:, COCO_FLIP] if axis else array[:, COCO_FLIP, ..., ::-1]
                for axis, array in enumerate(mirrored)
            ]
            maps = [(array + other) / 2 for array, other in zip(maps, swapped, strict=True)]
        if len(maps) == 2:
            return to_frame(self._decode_simcc(*maps), matrices, stride=1)
        stride = self._size[0] // maps[0].shape[2]
        return to_frame(decode_heatmaps(np.clip(maps[0], 0, 1)), matrices, stride=stride)

    def _answers(self, crops: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """The network's heat maps, or SimCC's two histograms, of crops [B, h, w, 3]; of a known layout."""
        batch = np.ascontiguousarray(
            ((crops - IMAGENET_MEAN) / IMAGENET_STD).transpose(0, 3, 1, 2), np.float32
        )
        padded = batch
        if self._batch is not None and len(batch) < self._batch:  # a file for a fixed number of people
            padded = np.concatenate(
                [batch, np.zeros((self._batch - len(batch), *batch.shape[1:]), np.float32)]
            )
        outputs = self._model.run({self._input: padded})
        maps = [np.asarray(outputs[name], np.float32)[: len(batch)] for name in self._model.output_names]
        if not all(np.isfinite(array).all() for array in maps):
            raise CheckpointError(f"{self._model.path}: the network's answer holds NaN or infinity")
        if not (self._is_simcc(*maps) if len(maps) == 2 else self._is_heatmaps(*maps)):
            raise self._unexpected(maps)
        return maps

    def _is_heatmaps(self, maps: npt.NDArray[np.float32]) -> bool:
        height, width = self._size
        if maps.ndim != 4 or maps.shape[1] != KEYPOINT_COUNT or 0 in maps.shape or height % maps.shape[2]:
            return False
        return maps.shape[3] * (height // maps.shape[2]) == width

    def _is_simcc(self, across: npt.NDArray[np.float32], down: npt.NDArray[np.float32]) -> bool:
        height, width = self._size
        if not (across.ndim == down.ndim == 3 and across.shape[1] == down.shape[1] == KEYPOINT_COUNT):
            return False
        return across.shape[2] % width == 0 and across.shape[2] * height == down.shape[2] * width

    def _decode_simcc(
        self, across: npt.NDArray[np.float32], down: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """[B, 17, 3] x and y in crop pixels and confidence, from one histogram for each axis."""
        bins = across.shape[2] // self._size[1]
        x, y = across.argmax(axis=2) / bins, down.argmax(axis=2) / bins
        confidence = np.clip(np.minimum(across.max(axis=2), down.max(axis=2)), 0, 1)
        return np.stack([x, y, confidence], axis=2).astype(np.float32)

    def _unexpected(self, maps: list[npt.NDArray[np.float32]]) -> CheckpointError:
        height, width = self._size
        return CheckpointError(
            f"{self._model.path}: for crops of {height}x{width} expected heat maps [people, 17, height / s, width / s] or "
            f"SimCC [people, 17, {width} r] and [people, 17, {height} r], the network gave "
            f"{[list(array.shape) for array in maps]}"
        )


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
        _check_threshold(keypoint_threshold)
        _check_threshold(person_threshold)
        if not 0 < overlap <= 1:
            raise ConfigurationError(f"overlap: expected 0 < value <= 1, got {overlap}")
        self._model, self._threshold = model, keypoint_threshold
        self._least, self._overlap = person_threshold, overlap
        self._input, shape = _image_input(model)
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
        _check_image(image)
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
        found = joints.astype(np.float32)
        confidence = _kept(found, image, self._threshold)
        scores = np.clip(rows[kept, 4], 0, 1).astype(np.float32)
        return Poses(_inside(found, confidence, image), boxes[kept].astype(np.float32), scores)

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


def load_topdown(
    checkpoint: Path, *, keypoint_threshold: float, threads: int, flip_test: bool = False
) -> TopDownEstimator | ForeignTopDownEstimator:
    """Load a top-down network: ours, which says so in its file, or one of another project.

    Raises:
        CheckpointError: If the file is missing, damaged or of no known layout.
    """
    model = OnnxModel(checkpoint, threads=threads)
    if "kind" in model.metadata:
        return TopDownEstimator(
            checkpoint, keypoint_threshold=keypoint_threshold, threads=threads, flip_test=flip_test
        )
    return ForeignTopDownEstimator(model, keypoint_threshold=keypoint_threshold, flip_test=flip_test)


def _image_input(model: OnnxModel) -> tuple[str, tuple[Any, ...]]:
    shapes = list(model.input_shapes.items())
    name, shape = shapes[0] if len(shapes) == 1 else ("", ())
    if len(shape) != 4 or shape[1] != 3:
        raise CheckpointError(
            f"{model.path}: expected one input [any, 3, height, width], got {dict(shapes)}; it is no pose network "
            "of a known layout (docs/poses.md)"
        )
    return name, shape


def _check_threshold(value: float) -> None:
    if not 0 <= value < 1:
        raise ConfigurationError(f"threshold: expected 0 <= value < 1, got {value}")


def _check_image(image: npt.NDArray[np.uint8]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise StructureError(
            f"image: expected [H, W, 3] uint8 of at least one pixel, got {list(image.shape)} {image.dtype}"
        )


def _kept(
    found: npt.NDArray[np.float32], image: npt.NDArray[np.uint8], threshold: float
) -> npt.NDArray[np.float32]:
    """[P, 17] confidence, 0 for joints below the threshold or beyond the edge of the frame."""
    x, y, confidence = found[..., 0], found[..., 1], np.clip(found[..., 2], 0, 1)
    height, width = image.shape[:2]
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    return np.where(outside | (confidence < threshold), 0, confidence).astype(np.float32)


def _inside(
    found: npt.NDArray[np.float32], confidence: npt.NDArray[np.float32], image: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    height, width = image.shape[:2]
    x, y = np.clip(found[..., 0], 0, width - 1), np.clip(found[..., 1], 0, height - 1)
    return np.stack([x, y, confidence], axis=2)
