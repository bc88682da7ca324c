"""How well a fire classifier tells fire from none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.yolo_boxes import IMAGE_SUFFIXES
from activity.detection import FireClassifier
from activity.errors import DatasetError


@dataclass(frozen=True, slots=True)
class FireMetrics:
    """Figures of one classifier on one data set, at its own threshold.

    Attributes:
        balanced_accuracy: Mean of the recalls of fire and of no fire.
        precision: Share of the alarms that are fires; 0 where there is no alarm.
        recall: Share of the fires that raise an alarm.
        auc: Probability that a fire scores above a picture without, ties counting half.
        false_positive_rate: Share of the pictures without fire that raise an alarm.
        brier: Mean squared difference of probability and truth; 0.25 for a classifier that always says 0.5.
        threshold: The least probability that counted as fire.
        n: Pictures.
        fires: Those of them with fire.
    """

    balanced_accuracy: float
    precision: float
    recall: float
    auc: float
    false_positive_rate: float
    brier: float
    threshold: float
    n: int
    fires: int

    def as_json(self) -> dict[str, Any]:
        """The keys of `activity evaluate fire --json`."""
        return asdict(self)


def evaluate_fire(
    checkpoint: Path,
    data: Path,
    *,
    threshold: float | None = None,
    threads: int = 1,
    on_image: Callable[[int, int], None] | None = None,
) -> FireMetrics:
    """Run a classifier over two folders of pictures.

    Args:
        checkpoint: A file made by `activity train fire`.
        data: Folder with ``fire/`` and ``no_fire/``.
        threshold: As for `FireClassifier`.
        threads: Threads that one picture may use.
        on_image: Called after each picture with the number done and the number of all.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
        DatasetError: If a folder is missing or holds no pictures, or one cannot be read.
    """
    classifier = FireClassifier(checkpoint, threshold=threshold, threads=threads)
    files = [
        (path, burns) for name, burns in (("fire", True), ("no_fire", False)) for path in _files(data / name)
    ]
    probabilities = []
    for done, (path, _) in enumerate(files, start=1):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise DatasetError(f"{path}: cannot be read as an image")
        probabilities.append(classifier.classify(np.asarray(image, np.uint8)).probability)
        if on_image is not None:
            on_image(done, len(files))
    burns = np.array([burns for _, burns in files])
    return measure_fire(np.array(probabilities), burns, threshold=classifier.threshold)


def measure_fire(
    probabilities: npt.NDArray[np.float64], burns: npt.NDArray[np.bool_], *, threshold: float
) -> FireMetrics:
    """Compare probabilities with the truth.

    Args:
        probabilities: [N] in [0, 1].
        burns: [N].
        threshold: The least probability that counts as fire.

    Raises:
        DatasetError: If the lengths differ, or one of the classes is empty.
    """
    if len(probabilities) != len(burns) or burns.all() or not burns.any():
        raise DatasetError(
            f"expected one probability a picture, of pictures with and without fire, got {len(probabilities)} for "
            f"{len(burns)} pictures of which {int(burns.sum())} burn"
        )
    alarms = probabilities >= threshold
    recall, false_positive_rate = float(alarms[burns].mean()), float(alarms[~burns].mean())
    pairs = probabilities[burns][:, None] - probabilities[~burns][None, :]
    return FireMetrics(
        balanced_accuracy=(recall + 1 - false_positive_rate) / 2,
        precision=float(burns[alarms].mean()) if alarms.any() else 0.0,
        recall=recall,
        auc=float(((pairs > 0) + 0.5 * (pairs == 0)).mean()),
        false_positive_rate=false_positive_rate,
        brier=float(((probabilities - burns) ** 2).mean()),
        threshold=threshold,
        n=len(burns),
        fires=int(burns.sum()),
    )


def _files(folder: Path) -> list[Path]:
    files = (
        sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) if folder.is_dir() else []
    )
    if not files:
        raise DatasetError(f"{folder}: expected a folder of images ({', '.join(IMAGE_SUFFIXES)})")
    return files
