"""Procedural textures: tileable noise, floors and walls, in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
FloorKind = Literal["tiles", "planks", "carpet", "concrete", "asphalt", "grass", "paving"]
FLOOR_KINDS: Final[tuple[FloorKind, ...]] = (
    "tiles",
    "planks",
    "carpet",
    "concrete",
    "asphalt",
    "grass",
    "paving",
)
NOISE_SIZE: Final = 256
FLOOR_PIXELS_PER_M: Final = 64
_VARIANTS: Final = 6


def tileable_noise(
    rng: np.random.Generator, size: int, *, octaves: tuple[int, ...], stretch: int = 1
) -> Float:
    """Smooth noise that repeats seamlessly, [size, size], mean 0, standard deviation 1.

    Args:
        rng: Source of randomness.
        size: Side in pixels.
        octaves: Numbers of cells along the side, coarse to fine; each finer one is weaker.
        stretch: Factor by which cells are longer along x than along y.
    """
    total = np.zeros((size, size), np.float32)
    for cells in octaves:
        across = max(cells // stretch, 1)
        grid = rng.normal(size=(cells, across)).astype(np.float32)
        grid = np.pad(grid, 2, mode="wrap")
        scale_y, scale_x = size // cells, size // across
        large = cv2.resize(grid, None, fx=scale_x, fy=scale_y, interpolation=cv2.INTER_CUBIC)
        total += large[2 * scale_y : 2 * scale_y + size, 2 * scale_x : 2 * scale_x + size] / np.sqrt(cells)
    total -= total.mean()
    return (total / max(float(total.std()), 1e-6)).astype(np.float32)


@lru_cache(maxsize=_VARIANTS)
def cloth_folds(variant: int) -> Float:
    """Folds and weave of cloth, [256, 256], rows along the limb, mean 0, standard deviation 1."""
    rng = np.random.default_rng(7000 + variant)
    folds = tileable_noise(rng, NOISE_SIZE, octaves=(8, 16), stretch=2)
    weave = tileable_noise(rng, NOISE_SIZE, octaves=(64, 128))
    ridged = 1.0 - np.abs(folds) * 1.4
    mixed = ridged - ridged.mean() + 0.35 * weave
    return np.asarray(mixed / mixed.std(), np.float32)


@lru_cache(maxsize=2 * _VARIANTS)
def cloudy_noise(variant: int) -> Float:
    """Noise of all sizes, [256, 256], mean 0, standard deviation 1."""
    return tileable_noise(np.random.default_rng(8000 + variant), NOISE_SIZE, octaves=(4, 8, 16, 32, 64, 128))


@lru_cache(maxsize=len(FLOOR_KINDS) * _VARIANTS)
def _floor_relief(kind: FloorKind, variant: int) -> Float:
    """[512, 512, 2]: brightness about 1, and the mask of joints between tiles or planks."""
    rng = np.random.default_rng(9000 + 100 * FLOOR_KINDS.index(kind) + variant)
    size = 512
    noise = cv2.resize(cloudy_noise(variant), (size, size), interpolation=cv2.INTER_LINEAR)
    joints = np.zeros((size, size), np.float32)
    value = np.ones((size, size), np.float32)
    match kind:
        case "tiles" | "paving":
            cell = int(rng.choice([16, 32, 64]))
            count = size // cell
            tone = rng.normal(1, 0.05 if kind == "tiles" else 0.12, (count, count)).astype(np.float32)
            if rng.uniform() < 0.3:
                tone *= np.where(np.indices((count, count)).sum(axis=0) % 2 == 0, 1.0, rng.uniform(0.35, 0.8))
            value = np.kron(tone, np.ones((cell, cell), np.float32)) + 0.04 * noise
            joints[::cell] = joints[:, ::cell] = 1
        case "planks":
            cell = 16
            for row in range(0, size, cell):
                shift = int(rng.integers(size))
                tones = np.repeat(rng.normal(1, 0.13, 4), size // 4)
                value[row : row + cell] *= np.roll(tones, shift).astype(np.float32)
                joints[row : row + cell, [(shift + k * size // 4) % size for k in range(4)]] = 0.8
            joints[::cell] = 0.8
            value += 0.08 * tileable_noise(rng, size, octaves=(64, 128), stretch=16)
        case "carpet" | "grass":
            value += (0.12 if kind == "carpet" else 0.25) * rng.normal(size=(size, size)).astype(np.float32)
            value += 0.08 * noise
        case "concrete" | "asphalt":
            value += 0.1 * noise + (0.05 if kind == "concrete" else 0.14) * rng.normal(
                size=(size, size)
            ).astype(np.float32)
    return np.asarray(np.stack([np.maximum(value, 0.05), joints], axis=2), np.float32)


_FLOOR_COLOURS: Final[dict[FloorKind, tuple[tuple[int, int, int], ...]]] = {
    "tiles": ((200, 196, 186), (160, 158, 152), (120, 110, 100), (210, 200, 180), (90, 92, 96)),
    "planks": ((150, 110, 72), (110, 76, 50), (184, 150, 108), (90, 66, 50)),
    "carpet": ((90, 92, 100), (60, 70, 96), (120, 60, 56), (130, 124, 110), (70, 84, 74)),
    "concrete": ((150, 150, 146), (120, 120, 118), (176, 172, 166)),
    "asphalt": ((84, 84, 86), (104, 102, 100), (64, 66, 70)),
    "grass": ((84, 104, 56), (106, 112, 66), (120, 106, 74)),
    "paving": ((150, 140, 130), (170, 166, 160), (128, 116, 108)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Floor:
    """A tileable floor.

    Attributes:
        relief: [512, 512, 2]: brightness about 1 and the mask of joints; `FLOOR_PIXELS_PER_M` pixels are a metre.
        colour: [3] linear RGB.
        joint: Brightness of the joints.
    """

    relief: Float
    colour: Float
    joint: float

    @classmethod
    def random(cls, rng: np.random.Generator, kind: FloorKind | None = None) -> Floor:
        """Draw a floor, of a given kind or any."""
        chosen = kind or FLOOR_KINDS[int(rng.integers(len(FLOOR_KINDS)))]
        palette = _FLOOR_COLOURS[chosen]
        colour = np.array(palette[int(rng.integers(len(palette)))]) * rng.uniform(0.75, 1.15) + rng.normal(
            0, 8, 3
        )
        base = ((np.clip(colour, 8, 250) / 255) ** 2.2).astype(np.float32)
        return cls(_floor_relief(chosen, int(rng.integers(_VARIANTS))), base, float(rng.uniform(0.3, 1.3)))

    def colours(self, relief: Float) -> Float:
        """Linear RGB [N, 3] of samples [N, 2] of the relief."""
        tone = relief[:, 0] * (1 + relief[:, 1] * (self.joint - 1))
        return tone[:, None] * self.colour


def wall_texture(rng: np.random.Generator, *, length_m: float, height_m: float) -> Float:
    """A wall with what hangs and opens in it, [h, w, 3] linear RGB, first row at the top."""
    per_m = float(np.clip(900 / length_m, 6, 48))
    width, height = max(int(length_m * per_m), 8), max(int(height_m * per_m), 8)
    colour = np.array([(206, 202, 192), (170, 176, 178), (186, 164, 132), (150, 120, 100), (120, 132, 124), (226, 222, 214),
                       (96, 84, 76), (140, 150, 170)][int(rng.integers(8))])  # fmt: skip
    base = (np.clip(colour * rng.uniform(0.7, 1.1) + rng.normal(0, 8, 3), 8, 250) / 255) ** 2.2
    image = np.empty((height, width, 3), np.float32)
    image[:] = base
    if rng.uniform() < 0.2:
        _lay_bricks(image, rng, per_m)
    if rng.uniform() < 0.3:
        image[int(height * 0.62) :] *= rng.uniform(0.4, 0.9, 3).astype(np.float32)
    noise = cloudy_noise(int(rng.integers(_VARIANTS)))
    tiles = (-(-height // NOISE_SIZE), -(-width // NOISE_SIZE))
    image *= 1 + rng.uniform(0.02, 0.08) * np.tile(noise, tiles)[:height, :width, None]
    for _ in range(int(rng.integers(1, 3 + int(length_m)))):
        _hang(image, rng, per_m)
    if rng.uniform() < 0.6:
        image[height - max(int(0.1 * per_m), 1) :] = rng.uniform(0.02, 0.6)
    return np.clip(image, 0.003, 1.5).astype(np.float32)


def _lay_bricks(image: Float, rng: np.random.Generator, per_m: float) -> None:
    row = max(int(0.085 * per_m * 2), 3)
    long = row * 3
    mortar = rng.uniform(0.5, 1.5)
    for i, y in enumerate(range(0, image.shape[0], row)):
        image[y] *= mortar
        image[y : y + row, (i % 2) * long // 2 :: long] *= mortar


def _muted(rng: np.random.Generator) -> tuple[float, float, float]:
    """A colour as paint and print have it, linear RGB: seldom pure."""
    hue, grey = rng.uniform(0, 1, 3), rng.uniform(0.1, 0.95)
    share = rng.uniform(0, 0.8) ** 1.5
    red, green, blue = (share * hue + (1 - share) * grey) ** 2.2
    return float(red), float(green), float(blue)


def _hang(image: Float, rng: np.random.Generator, per_m: float) -> None:
    """Draw a door, window, poster, sign or shelf on a wall."""
    height, width = image.shape[:2]
    colour = _muted(rng)
    x = int(rng.integers(-5, width))
    kind = rng.choice(["door", "window", "poster", "shelf", "pipe"], p=[0.2, 0.2, 0.35, 0.15, 0.1])
    w, h = int(per_m * rng.uniform(0.4, 1.6)), int(per_m * rng.uniform(0.4, 1.2))
    y = int(rng.uniform(0.1, 0.55) * height)
    match str(kind):
        case "door":
            w, y = int(per_m * 0.95), height - int(per_m * 2.1)
            cv2.rectangle(image, (x, y), (x + w, height), colour, -1)
            cv2.rectangle(image, (x, y), (x + w, height), (0.08, 0.08, 0.08), max(int(per_m * 0.05), 1))
        case "window":
            bright = float(rng.uniform(0.02, 1.4))
            cv2.rectangle(image, (x, y), (x + w, y + h), (bright, bright, bright * 1.1), -1)
            cv2.rectangle(image, (x, y), (x + w, y + h), (0.4, 0.4, 0.4), max(int(per_m * 0.06), 1))
            cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), (0.4, 0.4, 0.4), max(int(per_m * 0.04), 1))
        case "poster":
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
            for _ in range(int(rng.integers(2, 7))):
                spot = _muted(rng)
                px, py = int(x + rng.uniform(0, 1) * w), int(y + rng.uniform(0, 1) * h)
                if rng.uniform() < 0.5:
                    cv2.circle(image, (px, py), max(int(rng.uniform(0.05, 0.3) * h), 1), spot, -1)
                else:
                    cv2.rectangle(image, (px, py), (px + w // 3, py + max(h // 8, 1)), spot, -1)
        case "shelf":
            for level in range(3):
                top = y + level * int(per_m * 0.4)
                for k in range(x, x + w, max(int(per_m * 0.12), 2)):
                    tone = _muted(rng)
                    cv2.rectangle(
                        image,
                        (k, top - int(per_m * rng.uniform(0.1, 0.3))),
                        (k + int(per_m * 0.09), top),
                        tone,
                        -1,
                    )
                cv2.line(image, (x, top), (x + w, top), (0.1, 0.07, 0.05), max(int(per_m * 0.04), 1))
        case _:
            cv2.line(image, (x, 0), (x, height), colour, max(int(per_m * rng.uniform(0.03, 0.25)), 1))
