"""A look at a whole frame at smaller sizes too, for objects that are too large at one size.

A one-stage detector answers best for objects about as large as those that it learned from. What fills half of the
frame is found where the frame is smaller, what is a few pixels wide where it is larger: the image pyramid of the
classic detectors (Adelson et al. 1984), at the cost of the smaller frames, 58 % of the first for the two sizes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.detection.boxes import suppress_duplicates
from activity.detection.detector import CheckpointDetector, ObjectDetector
from activity.errors import ConfigurationError
from activity.structures import Detections

SMALLER_SIZES: Final = (0.65, 0.4)
"""Sides of the smaller frames over that of the first."""


class ScalePyramid:
    """Adds to a detector's objects of one class those that it finds in smaller copies of the frame.

    Args:
        smaller: The same network with smaller inputs, of `smaller_sides`.
        label: The class that is looked for; of others, what the first look found stays.
        iou_threshold: Boxes of the class that overlap by more are one object, the surest is kept.

    Raises:
        ConfigurationError: If a detector does not know the class, or the threshold is outside [0, 1].
    """

    def __init__(self, smaller: Sequence[ObjectDetector], *, label: str, iou_threshold: float = 0.55) -> None:
        if any(label not in detector.labels for detector in smaller):
            raise ConfigurationError(
                f"label: expected a class that every detector of the pyramid knows, got {label!r}"
            )
        if not 0 <= iou_threshold <= 1:
            raise ConfigurationError(f"iou_threshold: expected a value in [0, 1], got {iou_threshold}")
        self._smaller = tuple(smaller)
        self._label = label
        self._iou_threshold = iou_threshold

    def complete(self, image: npt.NDArray[np.uint8], found: Detections) -> Detections:
        """What was found, with the objects of the class that the smaller frames add.

        Args:
            image: [H, W, 3] uint8, RGB.
            found: What the detector found in the frame at its first size, boxes in pixels of `image`.

        Returns:
            The other classes as they were, then the class without duplicates, best score first.
        """
        parts = [
            found.of(self._label),
            *(detector.detect(image).of(self._label) for detector in self._smaller),
        ]
        boxes = np.concatenate([part.boxes for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        kept = suppress_duplicates(
            boxes, scores, np.zeros(len(scores), np.int64), iou_threshold=self._iou_threshold
        )
        others = [row for row, label in enumerate(found.labels) if label != self._label]
        return Detections(
            np.concatenate([found.boxes[others], boxes[kept]]),
            np.concatenate([found.scores[others], scores[kept]]),
            (*(found.labels[row] for row in others), *[self._label] * len(kept)),
        )


def smaller_sides(detector: CheckpointDetector) -> list[int]:
    """The inputs of the pyramid's smaller looks: pixels along the longer side of a picture of 16:9.

    Args:
        detector: Looks at whole frames.

    Returns:
        Multiples of 32, one for each of `SMALLER_SIZES`; none where the file fixes the size of its input.
    """
    if detector.input_is_fixed:
        return []
    long_side = max(detector.input_size(9 * 32, 16 * 32))
    return [max(1, round(long_side * size / 32)) * 32 for size in SMALLER_SIZES]
