"""YOLO networks of other makers, run by ONNX Runtime: the layout of the output is recognised, not asked for.

What the exporting libraries write, for C classes and an input with M cells at strides 8, 16 and 32:

    layout      output          a row                                              input
    YOLOX       [1, M, 5 + C]   offsets, objectness, classes: see `YoloxDetector`  BGR, 0-255
    YOLOV5      [1, 3 M, 5 + C] centre, width, height in pixels, objectness, classes   RGB, 0-1
    YOLOV8      [1, 4 + C, M]   a column: centre, width, height in pixels, classes     RGB, 0-1 (v8, 11, v5u, v9)
    END_TO_END  [1, K, 6]       corners in pixels, score, class                        RGB, 0-1 (v10, or NMS inside)

Sources: the export documentation of ultralytics and of YOLOv5 (docs.ultralytics.com/modes/export).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from activity.detection.boxes import PADDING_GRAY, kept_detections
from activity.detection.inputs import (
    InputSize,
    choose_input_size,
    input_name,
    open_model,
)
from activity.detection.onnx_detector import OnnxDetector
from activity.detection.thresholds import class_thresholds
from activity.errors import CheckpointError, StructureError
from activity.networks.onnx import OnnxModel
from activity.structures import Detections

Float = npt.NDArray[np.float32]
_STRIDES = (8, 16, 32)
USUAL_SCORE: Final = 0.25
"""The least score that these libraries' own predictors ask for."""


class Layout(Enum):
    """How a detector's output is laid out."""

    YOLOX = "yolox"
    YOLOV5 = "yolov5"
    YOLOV8 = "yolov8"
    END_TO_END = "end to end"


def recognize_layout(
    shape: tuple[int, ...], *, height: int, width: int, classes: int | None
) -> Layout | None:
    """Tell the layout from an output's shape.

    Args:
        shape: Of the output.
        height: Input rows.
        width: Input columns.
        classes: How many classes the file states, if it does.

    Returns:
        `None` for a shape that no known exporter writes at this input size.

    >>> recognize_layout((1, 84, 8400), height=640, width=640, classes=80)
    <Layout.YOLOV8: 'yolov8'>
    """
    if len(shape) != 3 or shape[0] != 1:
        return None
    cells = sum((height // stride) * (width // stride) for stride in _STRIDES)
    rows, columns = shape[1:]
    if rows in (cells, 3 * cells) and columns > 5 and classes in (None, columns - 5):
        return Layout.YOLOX if rows == cells else Layout.YOLOV5
    if columns == cells and rows > 4 and classes in (None, rows - 4):
        return Layout.YOLOV8
    return Layout.END_TO_END if columns == 6 else None


class _Fitted(NamedTuple):
    image: npt.NDArray[np.uint8]
    scale: float
    left: int
    top: int


def fit_centred(image: npt.NDArray[np.uint8], *, height: int, width: int) -> _Fitted:
    """Resize an image to fit, aspect kept, with gray on both sides, to the pixel as these libraries do it."""
    rows, columns = image.shape[:2]
    scale = min(height / rows, width / columns)
    new_rows, new_columns = max(1, round(rows * scale)), max(1, round(columns * scale))
    if (new_rows, new_columns) != (rows, columns):
        image = np.asarray(
            cv2.resize(image, (new_columns, new_rows), interpolation=cv2.INTER_LINEAR), np.uint8
        )
    left, top = round((width - new_columns) / 2 - 0.1), round((height - new_rows) / 2 - 0.1)
    fitted = np.full((height, width, 3), PADDING_GRAY, np.uint8)
    fitted[top : top + new_rows, left : left + new_columns] = image
    return _Fitted(fitted, scale, left, top)


class YoloDetector(OnnxDetector):
    """Finds objects with an ONNX export of YOLOv5, v8, v9, v10 or 11.

    Args:
        checkpoint: The ``.onnx`` file, opened or not, with one input [1, 3, H, W].
        input_size: For a file that takes any: rows and columns, or the input pixels along the image's longer side;
            multiples of 32. `None` takes 640x640, or what the file states or fixes.
        score_threshold: The least score: one number for all classes, or one for each class that shall have another
            than `USUAL_SCORE`.
        iou_threshold: Of two boxes of one class that overlap more, the weaker is dropped.
        labels: Class names for a file that states none.
        threads: Threads that one frame may use.

    Raises:
        CheckpointError: If the file is missing, damaged, or of an unknown layout.
        ConfigurationError: If a size or a threshold is out of bounds.
    """

    def __init__(
        self,
        checkpoint: Path | str | OnnxModel,
        *,
        input_size: InputSize | None = None,
        score_threshold: float | Mapping[str, float] | None = None,
        iou_threshold: float = 0.55,
        labels: tuple[str, ...] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(open_model(checkpoint, threads=threads), iou_threshold=iou_threshold)
        stated = read_names(self._model.metadata.get("names"))
        self._input_size = choose_input_size(self._model, input_size, stated=_stated_size(self._model))
        self._labels = labels or stated or ()
        height, width = self.input_size(1080, 1920)
        shape = self._run(np.zeros((height, width, 3), np.uint8)).shape
        classes = len(self._labels) or None
        layout = recognize_layout(shape, height=height, width=width, classes=classes)
        if layout is None or layout is Layout.YOLOX:
            raise CheckpointError(
                f"{self._model.path}: expected the output of YOLOv5, v8, 10 or 11 with {classes or 'some'} classes at "
                f"{height}x{width}, got shape {list(shape)}; "
                + ("open it with YoloxDetector" if layout else "export it again, or name its own classes")
            )
        if not self._labels:
            raise CheckpointError(f"{self._model.path}: states no class names; pass `labels`")
        self._layout = layout
        usual = dict.fromkeys(self._labels, USUAL_SCORE)
        self._thresholds = class_thresholds(self._labels, score_threshold, stated=usual)

    @property
    def layout(self) -> Layout:
        """How its output is laid out."""
        return self._layout

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Find the objects of one image.

        Args:
            image: [H, W, 3] uint8, RGB.

        Returns:
            Boxes in pixels of `image`, cut at its border, best score first.

        Raises:
            StructureError: If `image` is not a colour image of at least one pixel.
            CheckpointError: If the network gives NaN.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3] with at least one pixel, "
                f"got {image.dtype} {list(image.shape)}"
            )
        height, width = self.input_size(*image.shape[:2])
        fitted = fit_centred(image, height=height, width=width)
        output = self._run(fitted.image)
        if not np.isfinite(output).all():
            raise CheckpointError(
                f"{self._model.path}: the network gave NaN or infinity; its weights are damaged"
            )
        boxes, scores, classes = read_output(output[0], self._layout)
        shift = np.array([fitted.left, fitted.top] * 2, np.float32)
        return kept_detections(
            (boxes - shift) / np.float32(fitted.scale),
            scores,
            classes,
            thresholds=self._thresholds,
            iou_threshold=self._iou_threshold,
            labels=self._labels,
            height=image.shape[0],
            width=image.shape[1],
        )

    def _run(self, image: npt.NDArray[np.uint8]) -> Float:
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        return np.asarray(self._model.run({input_name(self._model): pixels})[self._model.output_names[0]])


def read_output(output: Float, layout: Layout) -> tuple[Float, Float, npt.NDArray[np.int64]]:
    """Boxes, scores and classes of every row of an output.

    Args:
        output: Without the batch axis.
        layout: Its layout; not that of YOLOX.

    Returns:
        Boxes [N, 4] as corners in input pixels, scores [N] and classes [N] of each box's best class.
    """
    if layout is Layout.END_TO_END:
        return output[:, :4], output[:, 4], output[:, 5].round().astype(np.int64)
    rows = output.T if layout is Layout.YOLOV8 else output
    halves = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - halves, rows[:, :2] + halves], 1)
    scores = rows[:, 4:] if layout is Layout.YOLOV8 else rows[:, 5:] * rows[:, 4:5]
    classes = scores.argmax(1)
    return boxes, scores[np.arange(len(rows)), classes], classes


def read_names(text: str | None) -> tuple[str, ...] | None:
    """Class names as exporters write them: ``{0: 'person', 1: 'car'}`` or a list; `None` where there are none."""
    try:
        names = ast.literal_eval(text or "")
    except (ValueError, SyntaxError):
        return None
    if isinstance(names, Mapping):
        names = [names.get(index) for index in range(len(names))]
    if not isinstance(names, (list, tuple)) or not names or not all(isinstance(n, str) and n for n in names):
        return None
    return tuple(names)


def _stated_size(model: OnnxModel) -> tuple[int, int]:
    try:
        height, width = json.loads(model.metadata.get("imgsz", "[640, 640]"))
        return int(height), int(width)
    except (ValueError, TypeError):
        return 640, 640
