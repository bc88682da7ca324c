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
        """Return the objects of one RGB image, [H, W, 3], with boxes in its own pixels.

        Several threads may call this at once.
        """
        ...


@runtime_checkable
class CheckpointDetector(ObjectDetector, Protocol):
    """A detector that was opened from a file."""

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the file, for reports."""
        ...

    @property
    def input_is_fixed(self) -> bool:
        """Whether the file takes pictures of one size only; a larger or smaller one is scaled to it."""
        ...

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the network's input for an image of `height` rows and `width` columns."""
        ...
