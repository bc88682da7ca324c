"""How well a detector finds boxes: average precision as COCO counts it, and rates at the operating thresholds.

Sources: cocodataset.org/#detection-eval; the counting is pycocotools'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.yolo_boxes import BoxLabels, read_yolo_boxes
from activity.detection import CheckpointDetector, ObjectDetector, open_detector
from activity.detection.pyramid import ScalePyramid, smaller_sides, with_people_of_all_sizes
from activity.errors import DatasetError
from activity.evaluation.average_precision import average_precision
from activity.structures import Detections, box_iou

PERSON: Final = "person"
WEAPON: Final = "weapon"
DATASET_LABELS: Final = (PERSON, WEAPON)
"""Classes 0 and 1 of the data sets that `evaluate_detector` reads."""
LOWEST_SCORE: Final = 0.01
"""Average precision looks at every detection down to this score."""
SEED_SCORE: Final = 0.25
"""At which Darknet prints precision, recall, F1 and average IoU."""
_MATCH_IOU: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class TrueObjects:
    """What is really in one image.

    Attributes:
        boxes: [N, 4] float32, x0, y0, x1, y1 in pixels.
        labels: N class names.
        ignored: [M, 4] float32: regions in which a detection counts neither way.
    """

    boxes: npt.NDArray[np.float32]
    labels: tuple[str, ...]
    ignored: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts at the operating threshold, at an overlap of 0.5 or more.

    Attributes:
        precision: Share of the detections that are right; 0 where there is none.
        recall: Share of the objects that were found.
        f1: Harmonic mean of the two.
        mean_iou: Mean overlap of the right detections with their objects; 0 where there is none.
    """

    precision: float
    recall: float
    f1: float
    mean_iou: float


@dataclass(frozen=True, slots=True)
class DetectionMetrics:
    """Figures of one detector on one data set. Classes without any object are left out.

    Attributes:
        map50: Mean over the classes of the average precision at overlap 0.5.
        map50_95: Likewise, also averaged over the overlaps 0.5, 0.55 ... 0.95.
        ap50: Average precision at overlap 0.5 by class.
        ap50_95: Average precision over all overlaps by class.
        rates: Of all classes together.
        rates_by_class: By class.
        seed_rates: Of all classes together at a score of 0.25, as Darknet's `detector map` prints them: there a wrong
            detection counts as an overlap of 0.
        images: How many images were looked at.
        objects: True objects by class.
    """

    map50: float
    map50_95: float
    ap50: Mapping[str, float]
    ap50_95: Mapping[str, float]
    rates: Rates
    rates_by_class: Mapping[str, Rates]
    seed_rates: Rates
    images: int
    objects: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The keys of `activity evaluate detector --json`."""
        return {
            "map50": self.map50,
            "map50_95": self.map50_95,
            "ap50": dict(self.ap50),
            "ap50_95": dict(self.ap50_95),
            **_rates_as_json(self.rates),
            "at_score_0.25": _rates_as_json(self.seed_rates),
            "by_class": {label: _rates_as_json(rates) for label, rates in self.rates_by_class.items()},
            "images": self.images,
            "objects": dict(self.objects),
        }


def evaluate_detector(
    checkpoint: Path,
    data: Path,
    *,
    threads: int = 1,
    input_size: tuple[int, int] | int | None = None,
    pyramid: bool = True,
    on_image: Callable[[int, int], None] | None = None,
) -> DetectionMetrics:
    """Run a detector over a folder of labelled images, as a look for weapons runs it over a frame.

    Args:
        checkpoint: A detector of any kind that `open_detector` opens, with the class names person and weapon.
        data: Folder with ``images/`` and ``labels/`` in YOLO's layout, 0 person, 1 weapon.
        threads: Threads that one image may use.
        input_size: As for `open_detector`.
        pyramid: Whether to look for weapons in smaller copies of the image too, and for people in a smaller and a larger
            one, as an analysis does, where the file allows that.
        on_image: Called after each image with the number done and the number of all.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
        DatasetError: If the folder is laid out differently, or an image cannot be read.
    """
    stated = open_detector(checkpoint, threads=threads, input_size=input_size)

    def open_at(side: tuple[int, int] | int | None) -> CheckpointDetector:
        return open_detector(checkpoint, threads=threads, input_size=side, score_threshold=LOWEST_SCORE)

    detector = open_at(input_size)
    sides = smaller_sides(detector) if pyramid and WEAPON in detector.labels else ()
    smaller = ScalePyramid([open_at(side) for side in sides], label=WEAPON)
    if pyramid:
        detector = with_people_of_all_sizes(detector, open_at, label=PERSON)
    # What a detector cannot find is never found: its classes may be others than the data set's.
    thresholds = {label: stated.score_thresholds.get(label, 1.0) for label in DATASET_LABELS}
    entries = read_yolo_boxes(data, class_count=len(DATASET_LABELS))
    truths, found = [], []
    for index, entry in enumerate(entries, start=1):
        image = cv2.imread(str(entry.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"{entry.path}: cannot be read as an image")
        truths.append(_true_objects(entry, *image.shape[:2]))
        rgb = np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)
        found.append(smaller.complete(rgb, detector.detect(rgb)))
        if on_image is not None:
            on_image(index, len(entries))
    return measure_detections(truths, found, labels=DATASET_LABELS, score_thresholds=thresholds)


def read_true_objects(data: Path) -> dict[str, TrueObjects]:
    """Read the labels of a folder with ``images/`` and ``labels/`` in YOLO's layout, by file name.

    Raises:
        DatasetError: If the folder is laid out differently, or an image cannot be read.
    """
    truths = {}
    for entry in read_yolo_boxes(data, class_count=len(DATASET_LABELS)):
        image = cv2.imread(str(entry.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"{entry.path}: cannot be read as an image")
        truths[entry.path.name] = _true_objects(entry, *image.shape[:2])
    return truths


def _true_objects(entry: BoxLabels, height: int, width: int) -> TrueObjects:
    boxes = entry.boxes * np.array([width, height, width, height], np.float32)
    labels = tuple(DATASET_LABELS[c] for c in entry.classes)
    return TrueObjects(boxes, labels, np.zeros((0, 4), np.float32))


def detect_bgr(detector: ObjectDetector, image: npt.NDArray[np.generic]) -> Detections:
    """Detect on an image as OpenCV reads it: [H, W, 3] uint8, BGR."""
    return detector.detect(np.ascontiguousarray(image[..., ::-1], dtype=np.uint8))


def measure_detections(
    truths: Sequence[TrueObjects],
    found: Sequence[Detections],
    *,
    labels: Sequence[str],
    score_thresholds: Mapping[str, float],
) -> DetectionMetrics:
    """Compare detections with the truth.

    Args:
        truths: One entry an image.
        found: One entry an image; scores down to `LOWEST_SCORE` make the average precision exact.
        labels: The classes that count; other detections are not looked at.
        score_thresholds: The least score for the rates, by class.

    Raises:
        DatasetError: If the two differ in length, or no image holds an object of these classes.
    """
    if len(truths) != len(found):
        raise DatasetError(f"found: expected detections for {len(truths)} images, got {len(found)}")
    counts = {label: sum(truth.labels.count(label) for truth in truths) for label in labels}
    counted = [label for label in labels if counts[label]]
    if not counted:
        raise DatasetError(f"no image holds an object of the classes {list(labels)}")
    ap50, ap50_95 = {}, {}
    for label in counted:
        ap50[label], ap50_95[label] = average_precision(
            [_own_boxes(truth, label) for truth in truths],
            [truth.ignored for truth in truths],
            [detections.of(label) for detections in found],
        )
    matches = {label: _count_matches(truths, found, label, score_thresholds[label]) for label in counted}
    seed_matches = [_count_matches(truths, found, label, SEED_SCORE) for label in counted]
    return DetectionMetrics(
        map50=float(np.mean(list(ap50.values()))),
        map50_95=float(np.mean(list(ap50_95.values()))),
        ap50=ap50,
        ap50_95=ap50_95,
        rates=_rates(list(matches.values())),
        rates_by_class={label: _rates([match]) for label, match in matches.items()},
        seed_rates=_darknet_rates(seed_matches),
        images=len(truths),
        objects={label: counts[label] for label in counted},
    )


def measure_rates(
    truths: Sequence[TrueObjects], found: Sequence[Detections], *, label: str, score_threshold: float
) -> Rates:
    """Rates of one class at one threshold; much quicker than all of `measure_detections`.

    Raises:
        DatasetError: If the two differ in length, or no image holds an object of this class.
    """
    if len(truths) != len(found):
        raise DatasetError(f"found: expected detections for {len(truths)} images, got {len(found)}")
    match = _count_matches(truths, found, label, score_threshold)
    if not match.objects:
        raise DatasetError(f"no image holds an object of the class {label!r}")
    return _rates([match])


@dataclass(frozen=True, slots=True)
class _Matches:
    overlaps: tuple[float, ...]
    wrong: int
    objects: int


def _count_matches(
    truths: Sequence[TrueObjects], found: Sequence[Detections], label: str, threshold: float
) -> _Matches:
    """Match each detection, best score first, with the free object that it overlaps most."""
    overlaps: list[float] = []
    wrong = objects = 0
    for truth, detections in zip(truths, found, strict=True):
        own = _own_boxes(truth, label)
        objects += len(own)
        chosen = detections.of(label)
        order = [i for i in np.argsort(-chosen.scores, kind="stable") if chosen.scores[i] >= threshold]
        iou = box_iou(chosen.boxes, own)
        for index in order:
            best = int(iou[index].argmax()) if len(own) else -1
            if best >= 0 and iou[index, best] >= _MATCH_IOU:
                overlaps.append(float(iou[index, best]))
                iou[:, best] = 0
            elif not _lies_in(chosen.boxes[index], truth.ignored):
                wrong += 1
    return _Matches(tuple(overlaps), wrong, objects)


def _own_boxes(truth: TrueObjects, label: str) -> npt.NDArray[np.float32]:
    return truth.boxes[[name == label for name in truth.labels]] if len(truth.labels) else truth.boxes


def _lies_in(box: npt.NDArray[np.float32], regions: npt.NDArray[np.float32]) -> bool:
    """Whether half of a box or more lies in one of [M, 4] regions, as COCO treats crowds."""
    if not len(regions):
        return False
    low, high = np.maximum(box[:2], regions[:, :2]), np.minimum(box[2:], regions[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    return bool((shared >= _MATCH_IOU * max(float((box[2:] - box[:2]).prod()), 1e-6)).any())


def _rates(matches: Sequence[_Matches]) -> Rates:
    overlaps = [overlap for match in matches for overlap in match.overlaps]
    right, wrong = len(overlaps), sum(match.wrong for match in matches)
    objects = sum(match.objects for match in matches)
    precision = right / (right + wrong) if right + wrong else 0.0
    recall = right / objects
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return Rates(precision, recall, f1, float(np.mean(overlaps)) if overlaps else 0.0)


def _darknet_rates(matches: Sequence[_Matches]) -> Rates:
    rates = _rates(matches)
    return Rates(rates.precision, rates.recall, rates.f1, rates.mean_iou * rates.precision)


def _rates_as_json(rates: Rates) -> dict[str, float]:
    return {
        "precision": rates.precision,
        "recall": rates.recall,
        "f1": rates.f1,
        "mean_iou": rates.mean_iou,
    }
