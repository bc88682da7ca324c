"""Open a detector by what its file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from activity.detection.darknet import DarknetDetector
from activity.detection.detector import ObjectDetector
from activity.detection.yolo import YoloDetector, read_names
from activity.detection.yolox import YoloxDetector
from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel


def load_detector(
    checkpoint: Path | str,
    *,
    input_size: tuple[int, int] | int | None = None,
    score_threshold: float | Mapping[str, float] | None = None,
    iou_threshold: float | None = None,
    labels: tuple[str, ...] | None = None,
    threads: int = 1,
) -> ObjectDetector:
    """Open a detector of any kind that this package knows.

    Args:
        checkpoint: Ours or another YOLOX (``.onnx``); YOLOv5, v8, v9, v10 or 11 (``.onnx``); or Darknet's ``.weights``
            beside a ``.cfg`` and a ``.names`` of the same name.
        input_size: As for `YoloxDetector` and `YoloDetector`; Darknet's configuration fixes it.
        score_threshold: The least score; `None` takes what the file states or its kind's usual one.
        iou_threshold: Overlap of duplicates; `None` takes the kind's usual one.
        labels: Class names for a file that states none.
        threads: Threads that one frame may use.

    Raises:
        CheckpointError: If the file is missing, damaged, or of no known kind.
        ConfigurationError: If a size or a threshold is out of bounds.
    """
    path = Path(checkpoint)
    if path.suffix == ".weights":
        return DarknetDetector(
            path.with_suffix(".cfg"),
            path,
            labels=labels or path.with_suffix(".names"),
            score_threshold=score_threshold,
            iou_threshold=0.4 if iou_threshold is None else iou_threshold,
        )
    overlap = 0.55 if iou_threshold is None else iou_threshold
    metadata = OnnxModel(path).metadata
    if "names" in metadata and read_names(metadata["names"]) is None:
        raise CheckpointError(f"{path}: expected class names under 'names', got {metadata['names']!r}")
    if "names" in metadata:  # ultralytics and YOLOv5 write it, YOLOX does not
        return YoloDetector(
            path,
            input_size=(input_size, input_size) if isinstance(input_size, int) else input_size,
            score_threshold=score_threshold,
            iou_threshold=overlap,
            labels=labels,
            threads=threads,
        )
    return YoloxDetector(
        path,
        input_size=input_size,
        score_threshold=score_threshold,
        iou_threshold=overlap,
        labels=labels,
        threads=threads,
    )
