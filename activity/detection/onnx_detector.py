"""What all detectors of one ONNX file say of themselves, whatever the layout of the network's answer."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from activity.detection.inputs import InputSize, fixed_size, size_for
from activity.errors import ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.structures import Detections


class OnnxDetector(ABC):
    """A detector of one ONNX file; the classes of each layout fill in how pictures go in and answers are read.

    They set `_labels`, `_thresholds` [classes] and `_input_size` when they are made.

    Args:
        model: The opened file.
        iou_threshold: Of two boxes of one class that overlap more, the weaker is dropped.

    Raises:
        ConfigurationError: If the threshold is outside [0, 1].
    """

    _labels: tuple[str, ...]
    _thresholds: npt.NDArray[np.float32]
    _input_size: InputSize

    def __init__(self, model: OnnxModel, *, iou_threshold: float) -> None:
        if not 0 <= iou_threshold <= 1:
            raise ConfigurationError(f"iou_threshold: expected a value in [0, 1], got {iou_threshold}")
        self._model, self._iou_threshold = model, iou_threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that the checkpoint can find, in the order of its outputs."""
        return self._labels

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the checkpoint, for reports."""
        return self._model.sha256

    @property
    def score_thresholds(self) -> dict[str, float]:
        """The least score of a detection of each class."""
        return dict(zip(self._labels, self._thresholds.tolist(), strict=True))

    @property
    def input_is_fixed(self) -> bool:
        """Whether the file takes pictures of one size only."""
        return fixed_size(self._model) is not None

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the input for an image of `height` rows and `width` columns."""
        return size_for(self._input_size, height, width)

    @abstractmethod
    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the objects of [H, W, 3] uint8 RGB, boxes in its pixels, best score first."""
