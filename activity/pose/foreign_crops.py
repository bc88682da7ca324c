"""Top-down pose networks of other projects as ONNX files: heat maps, or SimCC (RTMPose).

Sources of the layouts: Jiang et al., "RTMPose" (2023) and Li et al., "SimCC" (ECCV 2022) as MMPose exports them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps, to_frame
from activity.pose.joints import image_input
from activity.structures import COCO_FLIP, KEYPOINT_COUNT

IMAGENET_MEAN: Final = np.array([123.675, 116.28, 103.53], np.float32)
IMAGENET_STD: Final = np.array([58.395, 57.12, 57.375], np.float32)
CROP_PADDING: Final = 1.25
"""Side of the region that a top-down network sees, over the side of the person's box, as MMPose trains them."""
CROPS_PER_CALL: Final = 16


class ForeignCrops:
    """The joints of people in crops [B, 3, H, W], by a network of another project: heat maps or SimCC come out.

    Two outputs [B, 17, W r] and [B, 17, H r] are SimCC's, r bins a pixel; one output [B, 17, h, w] is heat maps.
    Crops are RGB with ImageNet's mean and standard deviation. A SimCC joint's confidence is the lower of its two peaks.

    Args:
        model: The network.
        flip_test: Also look at the mirror image of each person and average both: more exact at twice the cost.

    Attributes:
        sha256: Digest of the file.
        people_per_call: People that one call of the network sees.

    Raises:
        CheckpointError: If the network has another layout.
    """

    def __init__(self, model: OnnxModel, *, flip_test: bool = False) -> None:
        self._model, self._flip_test = model, flip_test
        self._input, shape = image_input(model)
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
        self.people_per_call = self._batch or CROPS_PER_CALL

    def find_joints(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Joints of the people in [P, 4] boxes of [H, W, 3] uint8 RGB: [P, 17, 3], x and y in its pixels, confidence.

        Raises:
            CheckpointError: If the network fails or answers in another layout.
        """
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
            maps = [
                np.asarray((array + other) / 2, np.float32)
                for array, other in zip(maps, swapped, strict=True)
            ]
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
        return bool(maps.shape[3] * (height // maps.shape[2]) == width)

    def _is_simcc(self, across: npt.NDArray[np.float32], down: npt.NDArray[np.float32]) -> bool:
        height, width = self._size
        if not (across.ndim == down.ndim == 3 and across.shape[1] == down.shape[1] == KEYPOINT_COUNT):
            return False
        return bool(across.shape[2] % width == 0 and across.shape[2] * height == down.shape[2] * width)

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
