"""Where people are: floor, walls and ceiling."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.textures import FLOOR_PIXELS_PER_M, Floor, wall_texture
from activity.datasets.rendered.vectors import Vector

Float = npt.NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Room:
    """A box of textured planes, seen from inside.

    Attributes:
        low: [3] lower corner in metres; z is 0.
        high: [3] upper corner.
        floor: The floor's covering.
        wall_seeds: What the walls at low x, high x, low y and high y are drawn from, once they are seen.
        ceiling: [3] linear RGB.
    """

    low: Vector
    high: Vector
    floor: Floor
    wall_seeds: tuple[int, int, int, int]
    ceiling: Vector
    _walls: dict[int, Float] = field(default_factory=dict, repr=False)

    @classmethod
    def random(cls, rng: np.random.Generator, *, low: Vector, high: Vector, outdoors: bool) -> Room:
        """Draw floor and walls for a box of given corners."""
        a, b, c, d = rng.integers(2**62, size=4).tolist()
        ceiling = rng.uniform(0.5, 1.4, 3) if outdoors else rng.uniform(0.15, 0.8) * np.ones(3)
        return cls(low, high, Floor.random(rng), (a, b, c, d), ceiling)

    def wall(self, index: int) -> Float:
        """Texture of a wall: 0 at low x, 1 at high x, 2 at low y, 3 at high y."""
        if index not in self._walls:
            size = self.high - self.low
            rng = np.random.default_rng(self.wall_seeds[index])
            self._walls[index] = wall_texture(
                rng, length_m=float(size[1 - index // 2]), height_m=float(size[2])
            )
        return self._walls[index]

    def render(self, camera: Camera, rays: Float, lighting: Lighting) -> tuple[Float, npt.NDArray[np.bool_]]:
        """Picture of the empty room, [H, W, 3] linear RGB, and where the floor is, [H, W]."""
        height, width = rays.shape[1:]
        flat = np.ones((3, height * width), np.float32)
        flat[:2] = rays.reshape(2, -1)
        world = camera.rotation.T.astype(np.float32) @ flat  # (3, HW)
        world[np.abs(world) < 1e-6] = 1e-6
        eye = camera.position.astype(np.float32)
        planes = np.empty(
            (6, height * width), np.float32
        )  # distance to low x, high x, low y, high y, floor, ceiling
        for axis in range(3):
            planes[2 * axis] = (np.float32(self.low[axis]) - eye[axis]) / world[axis]
            planes[2 * axis + 1] = (np.float32(self.high[axis]) - eye[axis]) / world[axis]
        planes[planes <= 0] = 1e4
        depth = planes.min(axis=0)
        image = np.empty((height * width, 3), np.float32)
        floor = planes[4] == depth
        for index in range(6):
            here = np.flatnonzero(planes[index] == depth)
            if len(here) == 0:
                continue
            axis = index // 2
            points = eye[:, None] + depth[here] * world[:, here]  # (3, N)
            normal = np.zeros(3)
            normal[axis] = 1 - 2 * (index % 2)
            light = lighting.irradiance(
                flat[:, here] * depth[here], (camera.rotation @ normal).astype(np.float32)[:, None], camera
            )
            image[here] = self._colour(index, points) * light.T
        return image.reshape(height, width, 3), floor.reshape(height, width)

    def _colour(self, index: int, points: Float) -> Float:
        """Linear RGB [N, 3] of world points [3, N] on one of the six planes."""
        if index == 5:
            return np.broadcast_to(self.ceiling.astype(np.float32), (points.shape[1], 3))
        if index == 4:
            return self.floor.colours(_sample(self.floor.relief, points[:2] * FLOOR_PIXELS_PER_M))
        texture = self.wall(index)
        other = 1 - index // 2
        across = (points[other] - self.low[other]) / (self.high[other] - self.low[other])
        down = 1 - points[2] / self.high[2]
        return _sample(texture, np.stack([across * (texture.shape[1] - 1), down * (texture.shape[0] - 1)]))


def _sample(texture: Float, at: npt.NDArray[np.floating]) -> Float:
    """Bilinear samples [N, C] of a repeating texture at [2, N] x, y in texture pixels."""
    # remap takes at most 32,767 rows and columns; fold the list into a rectangle.
    columns = 1024
    count = at.shape[1]
    padded = np.zeros((2, -(-count // columns) * columns), np.float32)
    np.mod(at[0], texture.shape[1], out=padded[0, :count], casting="same_kind")
    np.mod(at[1], texture.shape[0], out=padded[1, :count], casting="same_kind")
    x, y = padded.reshape(2, -1, columns)
    found = cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32).reshape(-1, texture.shape[2])[:count]
