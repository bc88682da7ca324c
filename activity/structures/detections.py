"""Objects seen in one frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_boxes, check_unit_interval, frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """D objects in one frame.

    Attributes:
        boxes: [D, 4] float32: x0, y0, x1, y1 in pixels.
        scores: [D] float32 in [0, 1].
        labels: D class names, such as ``person`` or ``weapon``.

    Raises:
        StructureError: On a wrong shape, NaN, or a score outside [0, 1].
    """

    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.labels, str):
            raise StructureError(
                f"labels: expected names, one for each detection, got the text {self.labels!r}"
            )
        count = len(self.labels)
        set_field = object.__setattr__
        set_field(self, "labels", tuple(self.labels))
        set_field(self, "boxes", frozen_array("boxes", self.boxes, (count, 4), np.float32))
        set_field(self, "scores", frozen_array("scores", self.scores, (count,), np.float32))
        check_unit_interval("scores", self.scores)
        check_boxes("boxes", self.boxes)
        if any(not label for label in self.labels):
            raise StructureError("labels: expected a name for every detection")

    @classmethod
    def empty(cls) -> Detections:
        """Nothing seen."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), ())

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, labels: str | Iterable[str]) -> Detections:
        """The detections whose class is one of `labels`, in the same order."""
        wanted = {labels} if isinstance(labels, str) else set(labels)
        keep = [i for i, label in enumerate(self.labels) if label in wanted]
        return Detections(self.boxes[keep], self.scores[keep], tuple(self.labels[i] for i in keep))
