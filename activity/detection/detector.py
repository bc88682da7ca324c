"""What the pipeline asks of anything that finds objects in a frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from activity.structures import Detections


@runtime_checkable
class ObjectDetector(Protocol):
    """Finds objects of a fixed set of classes in one frame at a time."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes that it can find, such as ``person`` and ``weapon``."""
        ...

    @property
    def score_thresholds(self) -> Mapping[str, float]:
        """The least score of a detection of each class."""
        ...

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Return the objects of one RGB image, [H, W, 3], with boxes in its own pixels."""
        ...
