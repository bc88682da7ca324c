"""Turning stored pictures upright by a container's display matrix.

A display matrix holds a, b, u, c, d, v, x, y, w as 32-bit fixed-point numbers; a stored point (p, q) is
shown at (a p + c q + x, b p + d q + y). Source: ISO/IEC 14496-12, 8.3.2 (track header box).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to turn and mirror a picture by quarter turns.

    Attributes:
        transposed: Rows become columns, before the flips.
        flipped_x: Left and right are exchanged.
        flipped_y: Top and bottom are exchanged.
    """

    transposed: bool = False
    flipped_x: bool = False
    flipped_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes | None) -> Self:
        """Read a display matrix of nine native int32; other angles go to the nearest quarter turn."""
        if matrix is None or len(matrix) < 36:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def rotation_deg(self) -> int:
        """Clockwise rotation: 0, 90, 180 or 270, with a mirrored picture counted as mirrored left-right first."""
        # where the stored x axis points after turning (a mirrored picture's x axis points the other way)
        sign_x, sign_y = (-1 if self.flipped_x else 1), (-1 if self.flipped_y else 1)
        axis = (0, sign_y) if self.transposed else (sign_x, 0)
        determinant = sign_x * sign_y * (-1 if self.transposed else 1)
        if determinant < 0:
            axis = (-axis[0], -axis[1])
        return round(math.degrees(math.atan2(axis[1], axis[0]))) % 360

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as displayed of a picture stored as width x height."""
        return (height, width) if self.transposed else (width, height)

    def upright(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Turn a stored picture [H, W, 3] as it is to be displayed; contiguous in memory."""
        if self.transposed:
            image = image.swapaxes(0, 1)
        if self.flipped_x:
            image = image[:, ::-1]
        if self.flipped_y:
            image = image[::-1]
        return np.ascontiguousarray(image)
