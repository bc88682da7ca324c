"""Our own top-down pose network: one person's crop in, 17 heat maps out."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps, to_frame
from activity.structures import COCO_FLIP, KEYPOINT_COUNT

KIND: Final = "topdown-heatmaps"
"""What the metadata of such a checkpoint says."""
CROPS_PER_CALL: Final = 16
"""People that one call of the network sees: more gain no speed and only cost memory in a crowd."""


class HeatmapCrops:
    """The joints of people in crops, by the network that `activity train pose` wrote.

    A joint's confidence is the height of its heat map.

    Args:
        model: The network.
        flip_test: Also look at the mirror image of each person and average both maps: more exact at twice the cost.

    Attributes:
        sha256: Digest of the file.
        people_per_call: People that one call of the network sees.

    Raises:
        CheckpointError: If the file is no heat-map network of 17 COCO joints.
    """

    def __init__(self, model: OnnxModel, *, flip_test: bool = False) -> None:
        self._model, self._flip_test = model, flip_test
        self._input, self._size, self._stride, self._padding = _read_layout(model)
        self.sha256 = model.sha256
        self.people_per_call = CROPS_PER_CALL

    def find_joints(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Joints of the people in [P, 4] boxes of [H, W, 3] uint8 RGB: [P, 17, 3], x and y in its pixels, confidence.

        Raises:
            CheckpointError: If the network fails or answers with another shape than its file says.
        """
        matrices = np.stack([crop_matrix(box, size=self._size, padding=self._padding) for box in boxes])
        crops = np.stack([cut_crop(image, matrix, size=self._size) for matrix in matrices])
        heatmaps = self._heatmaps(crops)
        if self._flip_test:
            mirrored = self._heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
            heatmaps = np.asarray((heatmaps + mirrored[:, COCO_FLIP, :, ::-1]) / 2, np.float32)
        return to_frame(decode_heatmaps(heatmaps), matrices, stride=self._stride)

    def _heatmaps(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        outputs = self._model.run({self._input: crops})
        heatmaps = np.asarray(outputs[self._model.output_names[0]], np.float32)
        height, width = self._size
        wanted = (len(crops), KEYPOINT_COUNT, height // self._stride, width // self._stride)
        if heatmaps.shape != wanted:
            raise CheckpointError(
                f"{self._model.path}: expected heat maps {list(wanted)}, the network gave {list(heatmaps.shape)}; "
                "export it again with `activity train pose`"
            )
        if not np.isfinite(heatmaps).all():
            raise CheckpointError(
                f"{self._model.path}: the network's heat maps hold NaN or infinity; its weights are damaged, "
                "fetch or train the checkpoint again"
            )
        return heatmaps


def _read_layout(model: OnnxModel) -> tuple[str, tuple[int, int], int, float]:
    """Name of the input, size of the crops, stride and padding, from the file."""
    kind = model.metadata.get("kind")
    if kind != KIND:
        raise CheckpointError(
            f"{model.path}: expected a checkpoint of kind {KIND!r}, got {kind!r}; name the pose network that "
            "`activity train pose` exported, not a detector or a recogniser"
        )
    try:
        stride, padding = int(model.metadata["stride"]), float(model.metadata["padding"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{model.path}: metadata `stride` and `padding` are missing or no numbers ({error}); export it again"
        ) from error
    shapes = list(model.input_shapes.items())
    name, shape = shapes[0] if len(shapes) == 1 else ("", ())
    if len(shape) != 4 or shape[0] is not None or shape[1] is None or shape[2] is None or shape[3] != 3:
        raise CheckpointError(
            f"{model.path}: expected one input [people, height, width, 3], got {dict(shapes)}; export it again"
        )
    if stride < 1 or padding < 1 or shape[1] % stride or shape[2] % stride:
        raise CheckpointError(
            f"{model.path}: stride {stride} and padding {padding} do not fit crops of {shape[1]}x{shape[2]}; "
            "export it again"
        )
    return name, (shape[1], shape[2]), stride, padding
