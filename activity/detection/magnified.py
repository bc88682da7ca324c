"""A second, magnified look at people: a pistol of a few pixels is lost when a whole frame is scaled to the network's input.

The same network looks at a square around each person, in which the person is about as large as people are in pictures of
weapons. Small people gain most; one who already fills the input gains nothing and is not looked at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.detection.detector import ObjectDetector
from activity.structures import Detections, box_iou

MARGIN: Final = 1.4
"""Side of the square over the greater side of the person's box: outstretched arms lie inside."""

_SAME_IOU: Final = 0.3
"""Boxes of one class that overlap more are one object."""


class MagnifyingGlass:
    """Looks for objects around people, some people a look, those first who waited longest.

    Args:
        detector: Looks at the squares; its input should be square.
        label: The class that is looked for.
        input_px: Side of the detector's input.
        frame_input_px: Input pixels along the longer side when whole frames are looked at.
        most_people: How many squares one look may cost.
        least_gain: People who would be magnified by less, against the whole frame, are passed over.
    """

    def __init__(
        self,
        detector: ObjectDetector,
        *,
        label: str,
        input_px: int,
        frame_input_px: int,
        most_people: int = 4,
        least_gain: float = 1.25,
    ) -> None:
        self._detector = detector
        self._label = label
        self._input_px = input_px
        self._frame_input_px = frame_input_px
        self._most_people = most_people
        self._least_gain = least_gain

    def look(
        self, image: npt.NDArray[np.uint8], people: npt.NDArray[np.float32], *, turn: int = 0
    ) -> Detections:
        """Objects of the class around people, boxes in the image's own pixels.

        Args:
            image: [H, W, 3] uint8 RGB.
            people: [P, 4] boxes in pixels.
            turn: Number of the look: where there are more people than a look may cost, each look takes the next ones.
        """
        squares = [square for box in people if (square := self._square(image, box)) is not None]
        if len(squares) > self._most_people:
            start = turn * self._most_people % len(squares)
            squares = (squares + squares)[start : start + self._most_people]
        found = [self._look_at(image, square) for square in squares]
        return merge_detections(found)

    def _square(
        self, image: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]
    ) -> tuple[int, int, int, int] | None:
        """The square around a person, cut at the picture's edge; `None` where a second look gains nothing."""
        height, width = image.shape[:2]
        side = MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
        if (
            side < 16
            or (self._input_px / side) / (self._frame_input_px / max(height, width)) < self._least_gain
        ):
            return None
        x, y = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
        x0, y0 = max(0, round(x - side / 2)), max(0, round(y - side / 2))
        x1, y1 = min(width, round(x + side / 2)), min(height, round(y + side / 2))
        return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 8 else None

    def _look_at(self, image: npt.NDArray[np.uint8], square: tuple[int, int, int, int]) -> Detections:
        x0, y0, x1, y1 = square
        found = self._detector.detect(np.ascontiguousarray(image[y0:y1, x0:x1])).of(self._label)
        shift = np.array([x0, y0, x0, y0], np.float32)
        return Detections(found.boxes + shift, found.scores, found.labels)


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
