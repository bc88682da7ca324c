"""A second, magnified look at hands: a pistol of a few pixels is lost when a whole frame is scaled to the network's input.

The same network looks at a square around each hand in which its person is about as large as people are in pictures of
weapons. What is held is in a hand, so nothing else need be magnified; and what is in the middle of a square is found
better than what is at its edge. Small people gain most; one who is as large in the whole frame is not looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.detection.detector import ObjectDetector
from activity.errors import StructureError
from activity.structures import Detections, Hands, box_iou

MARGIN: Final = 1.25
"""Side of the square over the greater side of the person's box."""

_ONE_SQUARE: Final = 0.35
"""Two hands nearer to each other than this share of the person's size share a square around their middle."""

_SAME_IOU: Final = 0.3
"""Boxes of one class that overlap more are one object."""


class MagnifyingGlass:
    """Looks for objects in hands, in some squares a look and in the next ones at the next look.

    Args:
        detector: Looks at the squares; its input should be square.
        label: The class that is looked for.
        input_px: Side of the detector's input.
        frame_input_px: Input pixels along the longer side when whole frames are looked at.
        most_squares: How many squares one look may cost.
        least_gain: People who would be magnified by less, against the whole frame, are passed over.

    Attributes:
        input_px: As given.
        frame_input_px: As given.
    """

    def __init__(
        self,
        detector: ObjectDetector,
        *,
        label: str,
        input_px: int,
        frame_input_px: int,
        most_squares: int = 6,
        least_gain: float = 1.25,
    ) -> None:
        self._detector = detector
        self._label = label
        self.input_px = input_px
        self.frame_input_px = frame_input_px
        self._most_squares = most_squares
        self._least_gain = least_gain

    def look(
        self, image: npt.NDArray[np.uint8], people: npt.NDArray[np.float32], hands: Hands, *, turn: int = 0
    ) -> Detections:
        """Objects of the class around hands, boxes in the image's own pixels.

        Args:
            image: [H, W, 3] uint8 RGB.
            people: [P, 4] boxes in pixels.
            hands: Of the same people. Of a person without any, the middle of the box is looked at.
            turn: Number of the look: where there are more squares than a look may cost, each look takes the next ones.

        Raises:
            StructureError: If there are other hands than people.
        """
        if len(hands) != len(people):
            raise StructureError(f"hands: expected those of {len(people)} people, got {len(hands)}")
        squares = [
            square
            for row, box in enumerate(people)
            for centre in _centres(box, hands, row)
            if (square := self._square(image, box, centre)) is not None
        ]
        if len(squares) > self._most_squares:
            start = turn * self._most_squares % len(squares)
            squares = (squares + squares)[start : start + self._most_squares]
        return merge_detections([self._look_at(image, square) for square in squares])

    def _square(
        self, image: npt.NDArray[np.uint8], box: npt.NDArray[np.float32], centre: tuple[float, float]
    ) -> tuple[int, int, int, int] | None:
        """The square around a hand, cut at the picture's edge; `None` where a second look gains nothing."""
        height, width = image.shape[:2]
        side = MARGIN * _size(box)
        gain = (self.input_px / max(side, 1.0)) / (self.frame_input_px / max(height, width))
        if side < 16 or gain < self._least_gain:
            return None
        x, y = centre
        x0, y0 = max(0, round(x - side / 2)), max(0, round(y - side / 2))
        x1, y1 = min(width, round(x + side / 2)), min(height, round(y + side / 2))
        return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 8 else None

    def _look_at(self, image: npt.NDArray[np.uint8], square: tuple[int, int, int, int]) -> Detections:
        x0, y0, x1, y1 = square
        found = self._detector.detect(np.ascontiguousarray(image[y0:y1, x0:x1])).of(self._label)
        shift = np.array([x0, y0, x0, y0], np.float32)
        return Detections(found.boxes + shift, found.scores, found.labels)


def _size(box: npt.NDArray[np.float32]) -> float:
    return float(max(box[2] - box[0], box[3] - box[1]))


def _centres(box: npt.NDArray[np.float32], hands: Hands, row: int) -> list[tuple[float, float]]:
    points = hands.points[row][hands.found[row]].astype(np.float64)
    if len(points) == 0:
        points = np.array([[box[0] + box[2], box[1] + box[3]]], np.float64) / 2
    elif len(points) == 2 and np.linalg.norm(points[0] - points[1]) < _ONE_SQUARE * _size(box):
        points = points.mean(axis=0, keepdims=True)
    return [(float(x), float(y)) for x, y in points]


def merge_detections(parts: Sequence[Detections]) -> Detections:
    """All detections, of those of one class that overlap the surest only; best score first."""
    boxes = np.concatenate([part.boxes for part in parts] or [np.zeros((0, 4), np.float32)])
    scores = np.concatenate([part.scores for part in parts] or [np.zeros(0, np.float32)])
    labels = [label for part in parts for label in part.labels]
    kept: list[int] = []
    overlap = box_iou(boxes, boxes)
    for i in np.argsort(-scores, kind="stable").tolist():
        if all(labels[i] != labels[k] or overlap[i, k] <= _SAME_IOU for k in kept):
            kept.append(i)
    return Detections(boxes[kept], scores[kept], tuple(labels[i] for i in kept))
