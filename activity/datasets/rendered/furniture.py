"""Furniture that may hide people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from activity.datasets.rendered.solids import Pattern, Solids, Surface
from activity.datasets.rendered.vectors import Matrix, Vector, rotation_z
from activity.datasets.rendered.wardrobe import linear

_MATERIALS: Final = (
    (150, 110, 72), (96, 66, 44), (196, 170, 130), (60, 62, 66), (150, 152, 156), (220, 218, 212), (40, 40, 44),
    (120, 40, 36), (44, 70, 110), (60, 90, 66),
)  # fmt: skip
_UP: Final = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a piece stands and what it is made of."""

    solids: Solids
    rng: np.random.Generator
    foot: Vector
    frame: Matrix
    looks: Surface
    dark: Surface

    def box(
        self, place: tuple[float, float, float], halves: tuple[float, float, float], surface: Surface
    ) -> None:
        self.solids.add_box(self.foot + self.frame @ np.array(place), self.frame, halves, surface)

    def colour(self) -> Surface:
        return Surface(linear(self.rng.uniform(20, 230, 3)))

    def table_on_legs(self, half_width: float, half_depth: float, top: float) -> None:
        self.box((0, 0, top), (half_width, half_depth, 0.02), self.looks)
        for x in (-1, 1):
            for y in (-1, 1):
                place = (x * (half_width - 0.03), y * (half_depth - 0.03), top / 2)
                self.box(place, (0.02, 0.02, top / 2), self.dark)


def _table(spot: _Spot) -> None:
    spot.table_on_legs(spot.rng.uniform(0.4, 0.8), spot.rng.uniform(0.3, 0.5), 0.74)
    if spot.rng.uniform() < 0.5:
        spot.box((0.1, 0, 0.84), (0.12, 0.09, 0.08), spot.colour())


def _chair(spot: _Spot) -> None:
    spot.table_on_legs(0.21, 0.21, 0.45)
    spot.box((-0.19, 0, 0.7), (0.018, 0.21, 0.22), spot.looks)


def _counter(spot: _Spot) -> None:
    width = spot.rng.uniform(0.7, 1.6)
    spot.box((0, 0, 0.52), (width, 0.28, 0.52), spot.looks)
    spot.box((0, 0, 1.06), (width + 0.05, 0.33, 0.02), spot.dark)


def _shelf(spot: _Spot) -> None:
    tall = spot.rng.uniform(0.7, 1.0)
    spot.box((0, 0, tall), (0.5, 0.2, tall), spot.looks)
    for level in range(3):
        for slot in range(4):
            place = (-0.37 + 0.25 * slot, 0.17, (level + 0.5) * 2 * tall / 3)
            spot.box(place, (0.1, 0.05, tall / 5), spot.colour())


def _pillar(spot: _Spot) -> None:
    spot.box((0, 0, 1.6), (0.18, 0.18, 1.6), spot.looks)


def _sofa(spot: _Spot) -> None:
    soft = spot.colour()
    spot.box((0, 0, 0.22), (0.42, spot.rng.uniform(0.5, 1.0), 0.22), soft)
    spot.box((-0.36, 0, 0.55), (0.1, 0.8, 0.33), soft)


def _bin(spot: _Spot) -> None:
    spot.solids.add_cone(
        spot.foot + _UP * 0.2, spot.foot + _UP * 0.55, 0.17, 0.2, spot.dark, forward=spot.frame[:, 0]
    )


def _plant(spot: _Spot) -> None:
    rng, forward = spot.rng, spot.frame[:, 0]
    spot.solids.add_cone(
        spot.foot + _UP * 0.12, spot.foot + _UP * 0.28, 0.13, 0.17, spot.dark, forward=forward
    )
    green = linear(np.array([50, 90, 40]) * rng.uniform(0.6, 1.3))
    leaf = Surface(green, pattern=Pattern.NOISE, wrinkles=1.0)
    for _ in range(7):
        tip = spot.foot + _UP * rng.uniform(0.7, 1.3) + np.array([*rng.normal(0, 0.2, 2), 0.0])
        spot.solids.add_cone(
            spot.foot + _UP * 0.4, tip, 0.05, 0.03, leaf, forward=forward, widths=(0.5, 1.6, 1.0)
        )


def _crate(spot: _Spot) -> None:
    side = spot.rng.uniform(0.15, 0.4)
    spot.box((0, 0, side), (side, side * spot.rng.uniform(0.7, 1.3), side), spot.looks)


def _car(spot: _Spot) -> None:
    spot.box((0, 0, 0.62), (2.1, 0.85, 0.3), spot.looks)
    spot.box((-0.25, 0, 1.12), (1.1, 0.75, 0.26), Surface((0.02, 0.025, 0.03), gloss=0.5))
    spot.box((-0.25, 0, 1.4), (1.0, 0.72, 0.04), spot.looks)
    for x in (-1.3, 1.3):
        for y in (-0.8, 0.8):
            hub = spot.foot + spot.frame @ np.array([x, y, 0.33])
            axle = spot.frame[:, 1] * 0.1
            spot.solids.add_cone(
                hub - axle, hub + axle, 0.33, 0.33, Surface((0.015, 0.015, 0.015)), forward=_UP,
                widths=(1.0, 1.0, 0.4),
            )  # fmt: skip


_BUILDERS: Final[dict[str, tuple[Callable[[_Spot], None], float]]] = {
    "table": (_table, 0.18),
    "chair": (_chair, 0.18),
    "counter": (_counter, 0.12),
    "shelf": (_shelf, 0.10),
    "pillar": (_pillar, 0.08),
    "sofa": (_sofa, 0.10),
    "bin": (_bin, 0.08),
    "plant": (_plant, 0.08),
    "crate": (_crate, 0.08),
    "car": (_car, 0.0),
}
"""How each kind is built, and its share among random pieces."""


def add_furniture(
    solids: Solids,
    rng: np.random.Generator,
    place: Vector,
    *,
    kind: str | None = None,
    heading: float | None = None,
    colour: tuple[int, int, int] | None = None,
) -> None:
    """Put a piece of furniture on the floor.

    Args:
        solids: Receives the piece.
        rng: Draws size and whatever is not given.
        place: [2] x and y in metres.
        kind: One of table, chair, counter, shelf, pillar, sofa, bin, plant, crate, car; random (but no car) if not given.
        heading: Direction of its front in radians; random if not given.
        colour: sRGB of its material; random if not given.
    """
    kinds = list(_BUILDERS)
    chosen = kind or kinds[int(rng.choice(len(kinds), p=[share for _, share in _BUILDERS.values()]))]
    turn = float(rng.uniform(0, np.pi)) if heading is None else heading
    material = np.array(colour or _MATERIALS[int(rng.integers(len(_MATERIALS)))]) * rng.uniform(0.8, 1.1)
    looks = Surface(linear(material), pattern=Pattern.WOOD, gloss=float(rng.uniform(0, 0.2)))
    foot = np.array([place[0], place[1], 0.0])
    _BUILDERS[chosen][0](_Spot(solids, rng, foot, rotation_z(turn), looks, Surface(linear(material * 0.5))))
