"""An animated fire that stands on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.lighting import Lamp
from activity.datasets.rendered.textures import NOISE_SIZE, cloudy_noise
from activity.datasets.rendered.vectors import Vector

Float = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Fire:
    """Flames on a spot of the floor.

    Attributes:
        position: [3] foot of the flames in metres.
        width: Metres across.
        height: Metres up.
        phase: Where in its flicker it starts, in seconds.
        start_s: When it breaks out; it grows for two seconds.
    """

    position: Vector
    width: float
    height: float
    phase: float = 0.0
    start_s: float = -10.0

    def size_at(self, time_s: float) -> float:
        """Share in [0, 1] of its full size."""
        return float(np.clip((time_s - self.start_s) / 2.0, 0.0, 1.0))

    def lamp(self, time_s: float) -> Lamp:
        """The light that it throws at a time."""
        t = time_s + self.phase
        flicker = 1 + 0.18 * np.sin(13.1 * t) + 0.12 * np.sin(23.7 * t + 1)
        strength = 0.55 * self.size_at(time_s) * flicker
        return Lamp(
            self.position + np.array([0, 0, 0.5 * self.height]), strength * np.array([1.0, 0.45, 0.12]), 1.2
        )

    def flames(self, camera: Camera, time_s: float) -> tuple[int, int, Float, Float, float] | None:
        """Draw the flames as the camera sees them.

        Returns:
            x and y of the upper left pixel, linear RGB [h, w, 3], opacity [h, w], depth in metres; `None` where
            nothing is in view.
        """
        size = self.size_at(time_s)
        ends = np.stack([self.position, self.position + np.array([0, 0, self.height * size])])
        local = camera.to_camera(ends)
        if size <= 0.05 or local[:, 2].min() < 0.3:
            return None
        (foot_x, foot_y), (_, top_y) = camera.project_camera(local)
        half = 0.5 * self.width * (0.5 + 0.5 * size) * camera.focal_px / local[0, 2]
        x0, x1 = int(np.floor(foot_x - half)), int(np.ceil(foot_x + half)) + 1
        y0, y1 = int(np.floor(top_y)), int(np.ceil(foot_y + 0.12 * half)) + 1
        h, w = y1 - y0, x1 - x0
        if h < 3 or w < 3 or x1 <= 0 or y1 <= 0 or x0 >= camera.width or y0 >= camera.height:
            return None
        u = np.linspace(-1, 1, w, dtype=np.float32)[None, :].repeat(h, 0)
        v = np.linspace(1, 0, h, dtype=np.float32)[:, None].repeat(w, 1)
        t = time_s + self.phase
        aspect = self.height / self.width
        coarse = self._noise(u * 30, v * 42 * aspect + t * 95, 1)
        fine = self._noise(u * 75 + 40, v * 95 * aspect + t * 170, 2)
        sway = (0.12 * coarse + 0.1 * np.float32(np.sin(2.3 * t))) * v
        tongues = 0.75 + 0.25 * np.cos((u + sway) * 5.5 + 0.6 * np.float32(np.sin(1.7 * t)))
        body = tongues * np.sqrt(np.maximum(1 - (u + sway) ** 2, 0)) - v * 0.95 + 0.1
        heat = np.clip(1.5 * body + (0.22 * coarse + 0.16 * fine) * (0.3 + v), 0, 1)
        heat *= np.clip(v * 9 + 0.4, 0, 1) * np.clip((1 - v) * 6, 0, 1)
        colour = np.stack([4.0 * heat**0.7, 2.6 * heat**1.8, 1.6 * heat**4.5], axis=2).astype(np.float32)
        opacity = np.clip(heat * 2.6 - 0.15, 0, 1).astype(np.float32)
        return x0, y0, colour, opacity, float(local[0, 2])

    @staticmethod
    def _noise(x: Float, y: Float, variant: int) -> Float:
        at_x, at_y = np.mod(x, NOISE_SIZE).astype(np.float32), np.mod(y, NOISE_SIZE).astype(np.float32)
        found = cv2.remap(cloudy_noise(variant), at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return np.asarray(found, np.float32)
