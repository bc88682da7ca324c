"""Where people are: floor, walls, ceiling, and furniture that may hide them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.kinematics import Vector, rotation_z
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.solids import Pattern, Solids, Surface
from activity.datasets.rendered.textures import floor_texture, wall_texture
from activity.datasets.rendered.wardrobe import linear

Float = npt.NDArray[np.float32]
_FLOOR_PIXELS_PER_M = 64


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A box of textured planes, seen from inside.

    Attributes:
        low: [3] lower corner in metres; z is 0.
        high: [3] upper corner.
        floor: [512, 512, 3] linear RGB, tileable, 64 pixels a metre.
        walls: Four textures: at low x, high x, low y, high y.
        ceiling: [3] linear RGB.
    """

    low: Vector
    high: Vector
    floor: Float
    walls: tuple[Float, Float, Float, Float]
    ceiling: Vector

    @classmethod
    def random(cls, rng: np.random.Generator, *, low: Vector, high: Vector, outdoors: bool) -> Room:
        """Draw floor and walls for a box of given corners."""
        size = high - low
        walls = [
            wall_texture(rng, length_m=float(size[1 - axis]), height_m=float(size[2]))
            for axis in (0, 0, 1, 1)
        ]
        ceiling = rng.uniform(0.5, 1.4, 3) if outdoors else rng.uniform(0.15, 0.8) * np.ones(3)
        floor = floor_texture(rng)
        return cls(low, high, floor, (walls[0], walls[1], walls[2], walls[3]), ceiling)

    def render(self, camera: Camera, rays: Float, lighting: Lighting) -> tuple[Float, npt.NDArray[np.bool_]]:
        """Picture of the empty room, [H, W, 3] linear RGB, and where the floor is, [H, W]."""
        height, width = rays.shape[1:]
        directions = np.stack([rays[0], rays[1], np.ones_like(rays[0])], axis=2).reshape(-1, 3)
        world = directions @ camera.rotation.astype(np.float32)  # rows: world components
        start = camera.position.astype(np.float32)
        safe = np.where(np.abs(world) < 1e-6, np.float32(1e-6), world)
        bound = np.where(safe > 0, self.high.astype(np.float32), self.low.astype(np.float32))
        distances = (bound - start) / safe
        distances[distances <= 0] = np.inf
        axis = np.argmin(distances, axis=1)
        depth = np.take_along_axis(distances, axis[:, None], axis=1)[:, 0]
        depth = np.where(np.isfinite(depth), depth, 100).astype(np.float32)
        points = start + depth[:, None] * world
        normals = np.zeros_like(points)
        rows = np.arange(len(axis))
        normals[rows, axis] = -np.sign(safe[rows, axis])
        image = np.empty_like(points)
        positive = safe[rows, axis] > 0
        floor = (axis == 2) & ~positive
        image[(axis == 2) & positive] = self.ceiling
        if floor.any():
            image[floor] = _sample(self.floor, points[floor, :2] * _FLOOR_PIXELS_PER_M)
        for i, texture in enumerate(self.walls):
            side, upper = divmod(i, 2)
            here = (axis == side) & (positive == bool(upper))
            if not here.any():
                continue
            across = (points[here, 1 - side] - self.low[1 - side]) / (self.high - self.low)[1 - side]
            down = 1 - points[here, 2] / self.high[2]
            image[here] = _sample(
                texture, np.stack([across * (texture.shape[1] - 1), down * (texture.shape[0] - 1)], axis=1)
            )
        light = lighting.irradiance(
            directions * depth[:, None], normals @ camera.rotation.T.astype(np.float32), camera
        )
        return (image * light).reshape(height, width, 3), floor.reshape(height, width)


def _sample(texture: Float, at: npt.NDArray[np.floating]) -> Float:
    """Bilinear samples [N, 3] of a repeating texture at [N, 2] x, y in texture pixels."""
    size = np.array([texture.shape[1], texture.shape[0]], np.float32)
    wrapped = np.mod(at, size).astype(np.float32)
    # remap takes at most 32,767 rows and columns; fold the list into a rectangle.
    columns = 1024
    rows = -(-len(wrapped) // columns)
    padded = np.zeros((rows * columns, 2), np.float32)
    padded[: len(wrapped)] = wrapped
    grid = padded.reshape(rows, columns, 2)
    found = cv2.remap(texture, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32).reshape(-1, 3)[: len(wrapped)]


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
