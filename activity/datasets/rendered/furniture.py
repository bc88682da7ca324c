"""Furniture that may hide people."""

from __future__ import annotations

import numpy as np

from activity.datasets.rendered.kinematics import Vector, rotation_z
from activity.datasets.rendered.solids import Pattern, Solids, Surface
from activity.datasets.rendered.wardrobe import linear

_MATERIALS = (
    (150, 110, 72), (96, 66, 44), (196, 170, 130), (60, 62, 66), (150, 152, 156), (220, 218, 212), (40, 40, 44),
    (120, 40, 36), (44, 70, 110), (60, 90, 66),
)  # fmt: skip


def add_furniture(solids: Solids, rng: np.random.Generator, place: Vector, kind: str | None = None) -> None:
    """Put a random piece of furniture at [2] x, y in metres."""
    chosen = kind or str(
        rng.choice(
            ["table", "chair", "counter", "shelf", "pillar", "sofa", "bin", "plant", "crate"],
            p=[0.18, 0.18, 0.12, 0.1, 0.08, 0.1, 0.08, 0.08, 0.08],
        )
    )
    frame = rotation_z(rng.uniform(0, np.pi))
    colour = np.array(_MATERIALS[int(rng.integers(len(_MATERIALS)))]) * rng.uniform(0.8, 1.1)
    looks = Surface(linear(colour), pattern=Pattern.WOOD, gloss=float(rng.uniform(0, 0.2)))
    dark = Surface(linear(colour * 0.5))
    centre = np.array([place[0], place[1], 0.0])

    def box(x: float, y: float, z: float, halves: tuple[float, float, float], surface: Surface) -> None:
        solids.add_box(centre + frame @ np.array([x, y, z]), frame, halves, surface)

    up = np.array([0.0, 0.0, 1.0])
    match chosen:
        case "table" | "chair":
            small = chosen == "chair"
            w, d, top = (0.21, 0.21, 0.45) if small else (rng.uniform(0.4, 0.8), rng.uniform(0.3, 0.5), 0.74)
            box(0, 0, top, (w, d, 0.02), looks)
            for x in (-1, 1):
                for y in (-1, 1):
                    box(x * (w - 0.03), y * (d - 0.03), top / 2, (0.02, 0.02, top / 2), dark)
            if small:
                box(-w + 0.02, 0, 0.7, (0.018, d, 0.22), looks)
            elif rng.uniform() < 0.5:
                box(0.1, 0, top + 0.1, (0.12, 0.09, 0.08), Surface(linear(rng.uniform(20, 230, 3))))
        case "counter":
            w = rng.uniform(0.7, 1.6)
            box(0, 0, 0.52, (w, 0.28, 0.52), looks)
            box(0, 0, 1.06, (w + 0.05, 0.33, 0.02), dark)
        case "shelf":
            tall = rng.uniform(0.7, 1.0)
            box(0, 0, tall, (0.5, 0.2, tall), looks)
            for level in range(3):
                for slot in range(4):
                    z = (level + 0.5) * 2 * tall / 3
                    box(
                        -0.37 + 0.25 * slot,
                        0.17,
                        z,
                        (0.1, 0.05, tall / 5),
                        Surface(linear(rng.uniform(10, 240, 3))),
                    )
        case "pillar":
            box(0, 0, 1.6, (0.18, 0.18, 1.6), looks)
        case "sofa":
            soft = Surface(linear(rng.uniform(20, 190, 3)), wrinkles=0.5)
            box(0, 0, 0.22, (0.42, rng.uniform(0.5, 1.0), 0.22), soft)
            box(-0.36, 0, 0.55, (0.1, 0.8, 0.33), soft)
        case "bin":
            solids.add_cone(centre + up * 0.2, centre + up * 0.55, 0.17, 0.2, dark, forward=frame[:, 0])
        case "plant":
            solids.add_cone(centre + up * 0.12, centre + up * 0.28, 0.13, 0.17, dark, forward=frame[:, 0])
            leaf = Surface(
                linear(np.array([50, 90, 40]) * rng.uniform(0.6, 1.3)), pattern=Pattern.NOISE, wrinkles=1.0
            )
            for _ in range(7):
                tip = centre + up * rng.uniform(0.7, 1.3) + np.array([*rng.normal(0, 0.2, 2), 0.0])
                solids.add_cone(
                    centre + up * 0.4, tip, 0.05, 0.03, leaf, forward=frame[:, 0], widths=(0.5, 1.6, 1.0)
                )
        case _:
            side = rng.uniform(0.15, 0.4)
            box(0, 0, side, (side, side * rng.uniform(0.7, 1.3), side), looks)
