"""A look at a whole frame at other sizes too, for objects that are too large or too small at one size.

A one-stage detector answers best for objects about as large as those that it learned from. What fills half of the
frame is found where the frame is smaller, what is a few pixels wide where it is larger: the image pyramid of the
classic detectors (Adelson et al. 1984). Weapons are looked for at two smaller sizes (58 % of the first look's cost),
people at a smaller and a larger one. The larger one sees parts of large people as people, so only the small people
that it finds count, as Singh and Davis ("An Analysis of Scale Invariance in Object Detection", 2018) limit each size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.detection.boxes import suppress_duplicates
from activity.detection.detector import CheckpointDetector, ObjectDetector
from activity.errors import ConfigurationError
from activity.structures import Detections

SMALLER_SIZES: Final = (0.65, 0.4)
"""Sides of the smaller frames over that of the first, for weapons."""
PEOPLE_SIZES: Final = (0.65, 1.5)
"""The same for people: a smaller frame, and a larger one."""
TALLEST_IN_LARGER_PX: Final = 160
"""People who are taller in the larger frame, in pixels of the network's input, are left to the other sizes."""


class ScalePyramid:
    """Adds to a detector's objects of one class those that it finds in smaller or larger copies of the frame.

    Args:
        others: The same network with other inputs, such as those of `smaller_sides`.
        label: The class that is looked for; of others, what the first look found stays.
        iou_threshold: Boxes of the class that overlap by more are one object, the surest is kept.

    Raises:
        ConfigurationError: If a detector does not know the class, or the threshold is outside [0, 1].
    """

    def __init__(self, others: Sequence[ObjectDetector], *, label: str, iou_threshold: float = 0.55) -> None:
        if any(label not in detector.labels for detector in others):
            raise ConfigurationError(
                f"label: expected a class that every detector of the pyramid knows, got {label!r}"
            )
        if not 0 <= iou_threshold <= 1:
            raise ConfigurationError(f"iou_threshold: expected a value in [0, 1], got {iou_threshold}")
        self._others = tuple(others)
        self._label = label
        self._iou_threshold = iou_threshold

    def complete(self, image: npt.NDArray[np.uint8], found: Detections) -> Detections:
        """What was found, with the objects of the class that the other sizes add.

        Args:
            image: [H, W, 3] uint8, RGB.
            found: What the detector found in the frame at its first size, boxes in pixels of `image`.

        Returns:
            The other classes as they were, then the class without duplicates, best score first.
        """
        parts = [
            found.of(self._label),
            *(detector.detect(image).of(self._label) for detector in self._others),
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
    return _sides(detector, SMALLER_SIZES)


class _Wrapped:
    """A detector that answers for another one, whose classes and thresholds it has."""

    def __init__(self, detector: CheckpointDetector) -> None:
        self._detector = detector

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it can find."""
        return self._detector.labels

    @property
    def score_thresholds(self) -> Mapping[str, float]:
        """The least score of a detection of each class."""
        return self._detector.score_thresholds


class SmallObjects(_Wrapped):
    """Passes on the small objects that a detector finds.

    Args:
        detector: Finds objects of all sizes.
        tallest_px: Objects that are taller in the network's input, in its pixels, are dropped.
    """

    def __init__(self, detector: CheckpointDetector, *, tallest_px: float) -> None:
        super().__init__(detector)
        self._tallest_px = tallest_px

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the small objects of [H, W, 3] uint8 RGB, boxes in its pixels, best score first."""
        found = self._detector.detect(image)
        height, width = image.shape[:2]
        rows, columns = self._detector.input_size(height, width)
        heights_px = (found.boxes[:, 3] - found.boxes[:, 1]) * min(rows / height, columns / width)
        kept = np.flatnonzero(heights_px <= self._tallest_px)
        return Detections(found.boxes[kept], found.scores[kept], tuple(found.labels[row] for row in kept))


class SeveralSizesDetector(_Wrapped):
    """A detector that looks for objects of one class in other copies of the frame too, each time.

    Args:
        detector: Looks at the frame at its first size; this one is seen as it from outside.
        pyramid: Looks at the other sizes.
    """

    def __init__(self, detector: CheckpointDetector, pyramid: ScalePyramid) -> None:
        super().__init__(detector)
        self._pyramid = pyramid

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the file, for reports."""
        return self._detector.sha256

    @property
    def input_is_fixed(self) -> bool:
        """False: a file of fixed size has no other sizes to look at."""
        return self._detector.input_is_fixed

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the first look's input for an image of `height` rows and `width` columns."""
        return self._detector.input_size(height, width)

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the objects of [H, W, 3] uint8 RGB, boxes in its pixels."""
        return self._pyramid.complete(image, self._detector.detect(image))


def with_people_of_all_sizes(
    detector: CheckpointDetector, open_at: Callable[[int], CheckpointDetector], *, label: str
) -> CheckpointDetector:
    """The detector, made to look for people at `PEOPLE_SIZES` too.

    Args:
        detector: Looks at whole frames.
        open_at: Opens the same file with another input: pixels along the longer side of a picture of 16:9.
        label: What the detector calls people.

    Returns:
        `detector` itself where it knows no people, or its file fixes the size of its input.
    """
    if detector.input_is_fixed or label not in detector.labels:
        return detector
    smaller, larger = (open_at(side) for side in _sides(detector, PEOPLE_SIZES))
    pyramid = ScalePyramid([smaller, SmallObjects(larger, tallest_px=TALLEST_IN_LARGER_PX)], label=label)
    return SeveralSizesDetector(detector, pyramid)


def _sides(detector: CheckpointDetector, sizes: Sequence[float]) -> list[int]:
    long_side = max(detector.input_size(9 * 32, 16 * 32))
    return [max(1, round(long_side * size / 32)) * 32 for size in sizes]
