"""Choose how sure the detector must be, class by class, on pictures of the training side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from activity.detection import YoloxDetector
from activity.errors import DatasetError
from activity.evaluation.detection import LOWEST_SCORE, TrueObjects, detect_bgr, measure_rates
from activity.structures import Detections
from activity.training.detector.samples import LABELS, DetectorSample

LOG = logging.getLogger(__name__)

_CANDIDATES: Final = tuple(round(0.15 + 0.025 * step, 3) for step in range(23))  # 0.15 ... 0.7


def calibrate_thresholds(
    checkpoint: Path, samples: Sequence[DetectorSample], *, count: int, seed: int, threads: int = 1
) -> dict[str, float]:
    """The score threshold of each class at which F1 is best.

    Args:
        checkpoint: The exported detector.
        samples: Pictures that were trained on: held-out ones stay untouched.
        count: How many of them to look at, drawn at random.
        seed: Of the draw.
        threads: Threads that one picture may use.

    Raises:
        CheckpointError: If the detector cannot be used.
        DatasetError: If a picture cannot be read, or the samples hold no object of a class.
    """
    random = np.random.default_rng(seed)
    chosen = [samples[i] for i in random.permutation(len(samples))[:count]]
    detector = YoloxDetector(checkpoint, score_threshold=LOWEST_SCORE, threads=threads)
    truths, found = [], []
    for sample in chosen:
        image = cv2.imread(str(sample.path), cv2.IMREAD_COLOR)
        if image is None:
            raise DatasetError(f"{sample.path}: cannot be read as an image")
        truths.append(true_objects(sample, height=image.shape[0], width=image.shape[1]))
        found.append(detect_bgr(detector, image))
    return {label: _best_threshold(label, truths, found) for label in LABELS}


def true_objects(sample: DetectorSample, *, height: int, width: int) -> TrueObjects:
    """A sample's labels in pixels of its image."""
    size = np.array([width, height, width, height], np.float32)
    return TrueObjects(sample.boxes * size, tuple(LABELS[c] for c in sample.classes), sample.ignored * size)


def _best_threshold(label: str, truths: Sequence[TrueObjects], found: Sequence[Detections]) -> float:
    f1 = {
        threshold: measure_rates(truths, found, label=label, score_threshold=threshold).f1
        for threshold in _CANDIDATES
    }
    best = max(f1, key=lambda threshold: f1[threshold])
    LOG.info("%s: threshold %.3f, F1 %.3f", label, best, f1[best])
    return best
