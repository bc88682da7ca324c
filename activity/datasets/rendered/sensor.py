"""What the camera's electronics do to the light: exposure, blur, noise, sharpening, compression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
_CURVE_POINTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Sensor:
    """A camera's faults.

    Attributes:
        gain: Factor on the light.
        balance: Factors on red, green and blue.
        gamma: Exponent of the tone curve, about 1 / 2.2.
        contrast: Factor about middle grey.
        saturation: 0 is grey, 1 leaves the colours.
        infrared: Night mode: grey, lit from the camera.
        vignette: Share of light lost in the corners.
        blur_px: Standard deviation of the lens's blur, in pixels.
        motion_px: Length of a horizontal smear, in pixels.
        noise: Standard deviation of the noise in grey levels of 255.
        sharpen: Strength of the edge enhancement that leaves halos.
        downscale: Factor by which the picture was once smaller.
        jpeg_quality: 0 to 100; 100 leaves it uncompressed.
    """

    gain: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1 / 2.2
    contrast: float = 1.0
    saturation: float = 1.0
    infrared: bool = False
    vignette: float = 0.1
    blur_px: float = 0.5
    motion_px: float = 0.0
    noise: float = 2.0
    sharpen: float = 0.0
    downscale: float = 1.0
    jpeg_quality: int = 85

    @classmethod
    def random(cls, rng: np.random.Generator) -> Sensor:
        """Draw a camera between good and poor, some in low light, some in infrared."""
        poor = rng.uniform() ** 1.5
        sensor = cls(
            gain=float(np.exp(rng.normal(0, 0.3))),
            balance=tuple(np.exp(rng.normal(0, 0.08, 3))),
            gamma=float(rng.uniform(0.36, 0.56)),
            contrast=float(rng.uniform(0.7, 1.25)),
            saturation=float(rng.uniform(0.3, 1.2)),
            vignette=float(rng.uniform(0, 0.35)),
            blur_px=float(rng.uniform(0.2, 0.5 + 1.0 * poor)),
            motion_px=float(rng.uniform(1, 5)) if rng.uniform() < 0.08 else 0.0,
            noise=float(rng.uniform(0.5, 3 + 9 * poor)),
            sharpen=float(rng.uniform(0, 1.2)) if rng.uniform() < 0.4 else 0.0,
            downscale=float(rng.uniform(1.2, 2.0)) if rng.uniform() < 0.2 * poor + 0.05 else 1.0,
            jpeg_quality=int(rng.uniform(95 - 70 * poor, 98)),
        )
        kind = rng.uniform()
        if kind < 0.14:
            return replace(sensor, infrared=True, saturation=0.0, vignette=float(rng.uniform(0.2, 0.6)))
        if kind < 0.22:
            return replace(sensor, saturation=0.0)
        if kind < 0.34:
            return replace(sensor, gain=sensor.gain * 0.35, noise=sensor.noise + 4)
        return sensor

    def expose(self, light: Float, rng: np.random.Generator) -> Image:
        """Turn linear light [H, W, 3] into a picture [H, W, 3] uint8 RGB."""
        height, width = light.shape[:2]
        image = self._through_lens(light)
        image = self._tone_curve()[
            (np.sqrt(np.clip(image, 0, 4)) * ((_CURVE_POINTS - 1) / 2)).astype(np.int32)
        ]
        if self.sharpen > 0:
            image += np.float32(self.sharpen) * (image - cv2.GaussianBlur(image, (0, 0), 1.2))
        if self.downscale > 1:
            small = (max(int(width / self.downscale), 8), max(int(height / self.downscale), 8))
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        if self.noise > 0:
            image = self._with_noise(image, rng)
        if self.downscale > 1:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        picture = np.clip(image, 0, 255).astype(np.uint8)
        return self._compressed(picture) if self.jpeg_quality < 100 else picture

    def _tone_curve(self) -> Float:
        """Grey levels [4096] at equal steps of the square root of the light, from 0 to 4."""
        light = np.linspace(0, 2, _CURVE_POINTS) ** 2
        rolled_off = light / (1 + 0.18 * light)
        return np.asarray((rolled_off**self.gamma * 255 - 118) * self.contrast + 118, np.float32)

    def _through_lens(self, light: Float) -> Float:
        height, width = light.shape[:2]
        image = light * (np.array(self.balance, np.float32) * np.float32(self.gain))
        if self.vignette > 0:
            y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
            x = np.linspace(-1, 1, width, dtype=np.float32)[None] ** 2
            image *= (1 - np.float32(self.vignette) * (x + y) / 2)[..., None]
        if self.saturation != 1:
            grey = image @ np.array([0.3, 0.59, 0.11], np.float32)
            if self.infrared:
                grey = grey * 0.6 + 0.1 * np.sqrt(grey)  # dyes reflect infrared: clothes lose contrast
            image = grey[..., None] + np.float32(self.saturation) * (image - grey[..., None])
        if self.blur_px > 0.15:
            image = cv2.GaussianBlur(image, (0, 0), self.blur_px)
        if self.motion_px > 1:
            image = cv2.blur(image, (int(self.motion_px) | 1, 1))
        return np.asarray(image, np.float32)

    def _compressed(self, picture: Image) -> Image:
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
        return np.ascontiguousarray(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])

    def _with_noise(self, image: Float, rng: np.random.Generator) -> Float:
        shape = (*image.shape[:2], 1 if self.saturation == 0 else 3)
        grain = rng.standard_normal(shape, dtype=np.float32) * np.float32(self.noise)
        # Shadows are noisier than highlights once the gain is up.
        return np.asarray(image + grain * (1.25 - np.clip(image, 0, 255) / 400), np.float32)
