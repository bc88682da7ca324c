"""A video's facts, and one decoded frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a container says of its video stream, before anything is decoded.

    Attributes:
        path: The file.
        width: Pixels as displayed, that is after rotation.
        height: Pixels as displayed, that is after rotation.
        frame_rate_hz: Average frames a second; the true times stand on each `Frame`.
        frames: Number of frames that the container claims, or `None` where it does not say.
        duration_s: Length that the container claims, or `None` where it does not say.
        codec: Name of the codec, such as ``h264``.
        rotation_deg: Clockwise rotation applied for display: 0, 90, 180 or 270.
        sample_aspect_ratio: Width over height of one stored pixel; pictures are not stretched by it.
        scaled_from: Width and height as displayed before the reader scaled the pictures down, or
            `None` where it did not.
        comment: What the container says of itself under ``comment``, or `None`.
    """

    path: Path
    width: int
    height: int
    frame_rate_hz: float
    frames: int | None
    duration_s: float | None
    codec: str
    rotation_deg: int = 0
    sample_aspect_ratio: float = 1.0
    scaled_from: tuple[int, int] | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise StructureError(
                f"{self.path}: expected a size of at least 1x1, got {self.width}x{self.height}"
            )
        if not (math.isfinite(self.frame_rate_hz) and self.frame_rate_hz > 0):
            raise StructureError(f"{self.path}: expected a frame rate above 0, got {self.frame_rate_hz}")
        if self.rotation_deg not in (0, 90, 180, 270):
            raise StructureError(
                f"{self.path}: expected a rotation of 0, 90, 180 or 270, got {self.rotation_deg}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture.

    Attributes:
        index: Position in the decoded stream, from 0; skipped frames count.
        time_s: Presentation time in seconds from the first frame of the stream.
        image: [H, W, 3] uint8, RGB, upright as displayed.
    """

    index: int
    time_s: float
    image: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.index < 0:
            raise StructureError(f"index: expected 0 or more, got {self.index}")
        if not math.isfinite(self.time_s):
            raise StructureError(f"time_s: expected a finite time, got {self.time_s}")
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3], got {self.image.dtype} {list(self.image.shape)}"
            )
        if self.image.shape[0] < 1 or self.image.shape[1] < 1:
            raise StructureError(f"image: expected at least 1x1 pixel, got {list(self.image.shape)}")

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.image.shape[0])
