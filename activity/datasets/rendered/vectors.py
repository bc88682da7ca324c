"""Vectors and rotations in three dimensions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


def rotation_x(angle: float) -> Matrix:
    """Rotation about the x axis, 3x3, angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def rotation_y(angle: float) -> Matrix:
    """Rotation about the y axis, 3x3, angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def rotation_z(angle: float) -> Matrix:
    """Rotation about the z axis, 3x3, angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def unit(vector: Vector) -> Vector:
    """Vector of length one in the same direction."""
    return vector / max(length_of(vector), 1e-9)


def length_of(vector: Vector) -> float:
    """Length of a vector [3]; much quicker than numpy's norm on so few numbers."""
    return math.sqrt(float(vector @ vector))


def cross(a: Vector, b: Vector) -> Vector:
    """Cross product of two vectors [3]; much quicker than numpy's on so few numbers."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
