"""Open a detector by what its file holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from activity.detection.darknet import DarknetDetector, read_label_file
from activity.detection.detector import CheckpointDetector
from activity.detection.inputs import InputSize
from activity.detection.yolo import YoloDetector, read_names
from activity.detection.yolox import YoloxDetector, stated_labels
from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel


def open_detector(
    checkpoint: Path | str,
    *,
    input_size: InputSize | None = None,
    score_threshold: float | Mapping[str, float] | None = None,
    iou_threshold: float | None = None,
    labels: tuple[str, ...] | None = None,
    threads: int = 1,
) -> CheckpointDetector:
    """Open a detector of any kind that this package knows.

    Args:
        checkpoint: Ours or another YOLOX (``.onnx``); YOLOv5, v8, v9, v10 or 11 (``.onnx``); or Darknet's ``.weights``
            beside a ``.cfg`` and a ``.names`` of the same name.
        input_size: As for `YoloxDetector` and `YoloDetector`; a file of fixed size, as Darknet's always are, admits no
            other.
        score_threshold: The least score: one number, or one for each class that shall have another than the file states
            or its kind's usual one. Classes that the file does not have are passed over.
        iou_threshold: Overlap of duplicates; `None` takes the kind's usual one.
        labels: Class names in the order of the outputs, for a file that states none or other ones. Several classes may
            have one name, such as ``weapon`` for pistols and for knives.
        threads: Threads that one frame may use.

    Raises:
        CheckpointError: If the file is missing, damaged, or of no known kind.
        ConfigurationError: If a size or a threshold is out of bounds, or the file takes no such size.
    """
    path = Path(checkpoint)
    if path.suffix == ".weights":
        known = labels or read_label_file(path.with_suffix(".names"))
        darknet = DarknetDetector(
            path.with_suffix(".cfg"),
            path,
            labels=known,
            score_threshold=_of_known(score_threshold, known),
            iou_threshold=0.4 if iou_threshold is None else iou_threshold,
        )
        fixed = darknet.input_size(1, 1)
        if input_size not in (None, fixed, max(fixed)):
            raise ConfigurationError(
                f"input_size: {path.with_suffix('.cfg')} asks for {fixed[0]}x{fixed[1]}, got {input_size}; ask for "
                "none, or change width and height in the configuration"
            )
        return darknet
    overlap = 0.55 if iou_threshold is None else iou_threshold
    model = OnnxModel(path, threads=threads)
    if "names" in model.metadata:  # ultralytics and YOLOv5 write it, YOLOX does not
        known = labels or read_names(model.metadata["names"]) or ()
        if not known:
            raise CheckpointError(
                f"{path}: expected class names under 'names', got {model.metadata['names']!r}"
            )
        return YoloDetector(
            model,
            input_size=input_size,
            score_threshold=_of_known(score_threshold, known),
            iou_threshold=overlap,
            labels=known,
        )
    known = labels or stated_labels(model)
    return YoloxDetector(
        model,
        input_size=input_size,
        score_threshold=_of_known(score_threshold, known),
        iou_threshold=overlap,
        labels=known,
    )


def _of_known(
    thresholds: float | Mapping[str, float] | None, labels: tuple[str, ...]
) -> float | Mapping[str, float] | None:
    if not isinstance(thresholds, Mapping):
        return thresholds
    return {label: score for label, score in thresholds.items() if label in labels}
