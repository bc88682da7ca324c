"""Solids that a body and its surroundings are built of, as arrays ready to be ray-traced.

A round cone is the convex hull of two spheres; seen through a linear map it becomes a flattened limb, a trunk with an
oval section, or an ellipsoid. A box is a unit cube seen through a linear map.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.vectors import Matrix, Vector, cross, length_of, unit


class Pattern(IntEnum):
    """How a surface is coloured beyond its base colour."""

    PLAIN = 0
    STRIPES = 1
    CHECKS = 2
    FRONT = 3
    WOOD = 4
    FACE = 5
    NOISE = 6
    UPRIGHT_STRIPES = 7
    MOUTH = 8


@dataclass(frozen=True, slots=True)
class Surface:
    """How a solid looks.

    Attributes:
        colour: Linear RGB in [0, 1].
        second: Linear RGB of the pattern, or of the part past `split`.
        pattern: Where the second colour goes.
        split: Share of the axis from which the second colour takes over (a sleeve's end); 2 is never.
        scale: Size of the pattern in metres.
        wrinkles: Strength of folds and cloth noise in [0, 1].
        gloss: Strength of highlights in [0, 1].
    """

    colour: tuple[float, float, float]
    second: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pattern: Pattern = Pattern.PLAIN
    split: float = 2.0
    scale: float = 0.05
    wrinkles: float = 0.0
    gloss: float = 0.0


@dataclass(slots=True)
class Solids:
    """N solids, in the world frame while they are built.

    Attributes:
        origin: Each [3], where the local frame starts (centre of the first sphere, centre of the box).
        to_local: Each [3, 3], world to local; the local z axis runs along the cone, in units where spheres are round.
        length: Each, distance of the two spheres in local units; 0 is an ellipsoid.
        radii: Each [2], local radii of the two spheres; both 0 marks a box of half-size 1.
        surface: Each solid's looks.
    """

    origin: list[Vector] = field(default_factory=list)
    to_local: list[Matrix] = field(default_factory=list)
    length: list[float] = field(default_factory=list)
    radii: list[tuple[float, float]] = field(default_factory=list)
    surface: list[Surface] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.origin)

    def add_cone(
        self,
        start: Vector,
        end: Vector,
        start_radius: float,
        end_radius: float,
        surface: Surface,
        *,
        forward: Vector,
        widths: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> int:
        """Add the hull of two spheres, stretched by `widths` along its own forward, left and long axes.

        Args:
            start: [3] centre of the first sphere, metres.
            end: [3] centre of the second sphere, metres.
            start_radius: Radius of the first sphere in metres, before stretching.
            end_radius: Radius of the second sphere in metres, before stretching.
            surface: Looks.
            forward: [3] direction that the solid's front faces.
            widths: Factors along forward, left and long axis.

        Returns:
            The solid's index.
        """
        axis = end - start
        length = length_of(axis)
        along = axis / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
        left = cross(along, forward)
        norm = length_of(left)
        left = left / norm if norm > 1e-4 else unit(cross(along, np.array([0.31, 0.2, 0.93])))
        frame = np.stack([cross(left, along), left, along])
        local_length = length / widths[2]
        # One sphere inside the other leaves no cone: keep the larger only.
        if local_length <= abs(start_radius - end_radius) * 1.001:
            if end_radius > start_radius:
                start, start_radius = end, end_radius
            local_length, end_radius = 0.0, start_radius
        self._append(
            start, frame / np.array(widths)[:, None], local_length, (start_radius, end_radius), surface
        )
        return len(self) - 1

    def add_ellipsoid(
        self, centre: Vector, frame: Matrix, axes: tuple[float, float, float], surface: Surface
    ) -> int:
        """Add an ellipsoid; `frame` has its forward, left and up axes as columns, `axes` half lengths in metres."""
        self._append(centre, frame.T / np.array(axes)[:, None], 0.0, (1.0, 1.0), surface)
        return len(self) - 1

    def add_box(
        self, centre: Vector, frame: Matrix, halves: tuple[float, float, float], surface: Surface
    ) -> int:
        """Add a box; `frame` has its axes as columns, `halves` half lengths in metres."""
        self._append(centre, frame.T / np.array(halves)[:, None], 0.0, (0.0, 0.0), surface)
        return len(self) - 1

    def extend(self, other: Solids) -> None:
        """Add all solids of another collection."""
        for name in ("origin", "to_local", "length", "radii", "surface"):
            getattr(self, name).extend(getattr(other, name))

    def _append(
        self, origin: Vector, to_local: Matrix, length: float, radii: tuple[float, float], surface: Surface
    ) -> None:
        self.origin.append(np.asarray(origin, dtype=np.float64))
        self.to_local.append(to_local)
        self.length.append(length)
        self.radii.append(radii)
        self.surface.append(surface)


@dataclass(frozen=True, slots=True)
class Looks:
    """The surfaces of N solids as arrays, for shading many pixels at once."""

    colour: npt.NDArray[np.float32]
    second: npt.NDArray[np.float32]
    pattern: npt.NDArray[np.int64]
    split: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    wrinkles: npt.NDArray[np.float32]
    gloss: npt.NDArray[np.float32]

    @classmethod
    def of(cls, surfaces: list[Surface]) -> Looks:
        """Stack surfaces."""
        return cls(
            np.array([s.colour for s in surfaces], np.float32).reshape(-1, 3),
            np.array([s.second for s in surfaces], np.float32).reshape(-1, 3),
            np.array([int(s.pattern) for s in surfaces], np.int64),
            np.array([s.split for s in surfaces], np.float32),
            np.array([s.scale for s in surfaces], np.float32),
            np.array([s.wrinkles for s in surfaces], np.float32),
            np.array([s.gloss for s in surfaces], np.float32),
        )
