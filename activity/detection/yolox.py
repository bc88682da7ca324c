"""A YOLOX network, run by ONNX Runtime: one pass a frame finds people and weapons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.detection.boxes import decode_cells, kept_detections, letterbox
from activity.detection.inputs import (
    InputSize,
    choose_input_size,
    input_name,
    open_model,
)
from activity.detection.onnx_detector import OnnxDetector
from activity.detection.thresholds import class_thresholds
from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel
from activity.structures import Detections

STRIDES: Final = (8, 16, 32)
USUAL_SCORE: Final = 0.3
"""The least score that the demonstration of YOLOX asks for."""

_COCO_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,"
    "tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,"
    "keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,"
    "hair drier,toothbrush"
)
COCO_LABELS: Final = tuple(_COCO_NAMES.split(","))
"""The 80 classes of COCO 2017 in the order of the published YOLOX weights."""


class YoloxDetector(OnnxDetector):
    """Finds objects with a YOLOX checkpoint.

    Args:
        checkpoint: An ``.onnx`` file, opened or not, whose input is [1, 3, H, W], BGR in 0-255, and whose output is
            [1, cells, 5 + classes]: box offsets, objectness and class probabilities.
        input_size: Either (rows, columns), or the input pixels along the image's longer side; multiples
            of 32. `None` takes what the checkpoint states. A file of fixed size admits only that size.
        score_threshold: Detections below it are dropped: one number for all classes, or one for each class that
            shall have another than the checkpoint states; `USUAL_SCORE` where that states none.
        iou_threshold: Of two boxes of one class that overlap more, the weaker is dropped.
        labels: Class names for a file that states none, such as `COCO_LABELS`.
        threads: Threads that one frame may use.

    Raises:
        CheckpointError: If the file is missing, damaged, or no YOLOX network with these classes.
        ConfigurationError: If a size or a threshold is out of bounds or missing.
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
        self._labels = stated_labels(self._model) if labels is None else labels
        long_side = _metadata(self._model, "input_long_side")
        self._input_size = choose_input_size(
            self._model, input_size, stated=long_side if isinstance(long_side, int) else None
        )
        self._thresholds = class_thresholds(
            self._labels,
            score_threshold,
            stated=_metadata(self._model, "score_thresholds") or dict.fromkeys(self._labels, USUAL_SCORE),
        )

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Find the objects of one image.

        Args:
            image: [H, W, 3] uint8, RGB.

        Returns:
            Boxes in pixels of `image`, cut at its border, best score first.

        Raises:
            StructureError: If `image` is not a colour image of at least one pixel.
            CheckpointError: If the network's output is not that of a YOLOX with these classes.
        """
        rows, columns = (
            image.shape[:2] if image.ndim == 3 and image.size else (1, 1)
        )  # letterbox says what is wrong
        height, width = self.input_size(rows, columns)
        fitted = letterbox(image, height=height, width=width)
        network_input = np.ascontiguousarray(fitted.image[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32)
        outputs = self._model.run({input_name(self._model): network_input})
        cells = self._check_cells(outputs[self._model.output_names[0]], height=height, width=width)
        probabilities = cells[:, 4:5] * cells[:, 5:]
        classes = probabilities.argmax(1)
        scores = probabilities[np.arange(len(cells)), classes]
        boxes = decode_cells(cells, height=height, width=width, strides=STRIDES)
        return kept_detections(
            fitted.to_image(boxes),
            scores,
            classes,
            thresholds=self._thresholds,
            iou_threshold=self._iou_threshold,
            labels=self._labels,
            height=rows,
            width=columns,
        )

    def _check_cells(
        self, output: npt.NDArray[np.float32], *, height: int, width: int
    ) -> npt.NDArray[np.float32]:
        count = sum((height // stride) * (width // stride) for stride in STRIDES)
        expected = (1, count, 5 + len(self._labels))
        if output.shape != expected:
            raise CheckpointError(
                f"{self._model.path}: {len(self._labels)} classes at {height}x{width} give an output of shape "
                f"{list(expected)}, the network gave {list(output.shape)}; use its own class names"
            )
        if not np.isfinite(output).all():
            raise CheckpointError(
                f"{self._model.path}: the network gave NaN or infinity; its weights are damaged"
            )
        cells: npt.NDArray[np.float32] = output[0]
        return cells


def stated_labels(model: OnnxModel) -> tuple[str, ...]:
    """The class names that a YOLOX file of ours states.

    Raises:
        CheckpointError: If it states none.
    """
    stated = _metadata(model, "labels")
    if not (
        isinstance(stated, list) and stated and all(isinstance(label, str) and label for label in stated)
    ):
        raise CheckpointError(
            f"{model.path}: expected class names under the metadata key 'labels', got {stated!r}; "
            "name its classes (`labels`), or export the checkpoint with `activity train detector`"
        )
    return tuple(stated)


def _metadata(model: OnnxModel, key: str) -> object:
    text = model.metadata.get(key)
    try:
        return None if text is None else json.loads(text)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{model.path}: metadata {key!r} is no JSON: {text!r}") from error
