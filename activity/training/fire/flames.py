"""Cut flames out of pictures, draw others, and lay them over pictures where nothing burns.

What is flame-coloured but burns nowhere (a sunset, a lamp, a shirt) is cut out and laid over pictures in the same way:
that something was pasted tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire

Image = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LEAST_AREA: Final = 0.004  # of the picture
_MOST_AREA: Final = 0.35
_LEAST_BRIGHT: Final = 0.5  # in linear light
_LEAST_CONTRAST: Final = 0.08
_GAMMA: Final = 2.2


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """Something to lay over a picture.

    Attributes:
        light: [h, w, 3] linear RGB; 1 is white, flames may be brighter.
        opacity: [h, w] in [0, 1].
    """

    light: Float
    opacity: Float


def flame_coloured(image: Image) -> Mask:
    """[H, W] where a picture's pixels have the colours of flames: red to yellow and bright, or white amid such.

    Args:
        image: [H, W, 3] uint8, RGB.
    """
    red, green, blue = (image[..., i].astype(np.int16) for i in range(3))
    warm = (red > 150) & (red >= green) & (green + 12 >= blue) & (red - blue > 55)
    white = image.min(2) > 215
    near = cv2.dilate(warm.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return np.asarray(warm | (white & near))


def cut_sprites(image: Image, *, boxes: npt.NDArray[np.float32] | None, most: int = 4) -> list[Sprite]:
    """Cut what is flame-coloured out of a picture.

    Args:
        image: [H, W, 3] uint8, RGB.
        boxes: [N, 4] shares of the picture to which the flames keep; `None` looks everywhere.
        most: Keep this many, the largest.
    """
    height, width = image.shape[:2]
    mask = flame_coloured(image)
    if boxes is not None:
        allowed = np.zeros_like(mask)
        for x0, y0, x1, y1 in boxes * [width, height, width, height]:
            allowed[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
        mask &= allowed
    joined = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, names, table, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    sprites: list[tuple[int, Sprite]] = []
    linear = (image.astype(np.float32) / 255) ** _GAMMA
    for name in range(1, len(table)):
        x, y, w, h, area = (int(value) for value in table[name])
        if not _LEAST_AREA <= area / (height * width) <= _MOST_AREA or min(w, h) < 8:
            continue
        left, top = max(0, x - 4), max(0, y - 4)
        window = (slice(top, min(height, y + h + 4)), slice(left, min(width, x + w + 4)))
        inside = names[window] == name
        brightness = linear[window].max(2)[inside]
        if brightness.mean() < _LEAST_BRIGHT or brightness.std() < _LEAST_CONTRAST:
            continue  # a wall that the fire lights
        opacity = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 1.5)
        sprites.append((area, Sprite(linear[window].astype(np.float32), opacity)))
    sprites.sort(key=lambda entry: -entry[0])
    return [sprite for _, sprite in sprites[:most]]


def draw_flames(random: np.random.Generator) -> Sprite:
    """Draw flames that nobody filmed."""
    camera = Camera.looking_at(
        np.array([0.0, 0.0, 0.5]), position=np.array([3.0, 0.0, 0.9]), focal_px=240, width=320, height=320
    )
    while True:
        fire = Fire(
            np.zeros(3), random.uniform(0.4, 1.4), random.uniform(0.5, 1.6), phase=random.uniform(0, 100)
        )
        drawn = fire.flames(camera, float(random.uniform(0, 60)))
        if drawn is not None:
            return Sprite((drawn[2] * random.uniform(0.5, 1.3)).astype(np.float32), drawn[3])


def draw_lamp(random: np.random.Generator) -> Sprite:
    """Draw a lamp with its glow: white, red, orange or yellow, round or long."""
    size = 96
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    stretch = float(np.exp(random.normal(0, 0.5)))
    radius = np.hypot(rows * stretch, columns / stretch)
    edge = (radius - random.uniform(0.1, 0.35)) * random.uniform(15, 60)
    core = 1 / (1 + np.exp(np.clip(edge, -30, 30)))
    glow = random.uniform(0.2, 0.9) * np.exp(-((radius / random.uniform(0.25, 0.5)) ** 2))
    fade = np.clip((1 - np.maximum(np.abs(rows), np.abs(columns))) * 6, 0, 1)
    tint = np.array([1.0, random.uniform(0.1, 0.95), random.uniform(0.0, 0.7)], np.float32)
    white = random.uniform(0, 1) * core[..., None]
    light = (tint * (1 - white) + white) * np.float32(random.uniform(0.6, 2.5))
    return Sprite(light.astype(np.float32), (np.maximum(core, glow) * fade).astype(np.float32))


def lay_over(
    image: Image, sprite: Sprite, random: np.random.Generator, *, share: tuple[float, float]
) -> tuple[Image, Mask]:
    """Lay a sprite over a picture at a random place.

    Args:
        image: [H, W, 3] uint8, RGB.
        sprite: What to lay over it.
        random: Where all chance comes from.
        share: Bounds of the sprite's longer side, in shorter sides of the picture.

    Returns:
        The picture, and [H, W] where the sprite shows.
    """
    height, width = image.shape[:2]
    longest = max(sprite.opacity.shape)
    scale = float(np.exp(random.uniform(*np.log(share)))) * min(height, width) / longest
    h, w = (max(3, round(length * scale)) for length in sprite.opacity.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    light, opacity = (
        cv2.resize(part, (w, h), interpolation=method) for part in (sprite.light, sprite.opacity)
    )
    if random.random() < 0.5:
        light, opacity = light[:, ::-1], opacity[:, ::-1]
    x, y = (
        round(random.uniform(-0.25 * w, width - 0.75 * w)),
        round(random.uniform(-0.25 * h, height - 0.75 * h)),
    )
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    shown = np.zeros((height, width), bool)
    if x1 <= x0 or y1 <= y0:
        return image, shown
    crop = (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
    linear = (image.astype(np.float32) / 255) ** _GAMMA
    window = linear[y0:y1, x0:x1]
    alpha = opacity[crop][..., None]
    if random.random() < 0.5:  # flames shine through rather than hide
        window[:] = window * (1 - 0.5 * alpha) + light[crop] * alpha
    else:
        window[:] = window * (1 - alpha) + light[crop] * alpha
    shown[y0:y1, x0:x1] = opacity[crop] > 0.35
    if random.random() < 0.5:  # its light falls on what is around
        coarse = cv2.resize(shown.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
        coarse = cv2.GaussianBlur(coarse, (0, 0), max(0.8 * max(h, w) * 32 / max(height, width), 0.5))
        glow = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        tint = light.reshape(-1, 3).mean(0) / max(float(light.mean()), 1e-6)
        linear *= 1 + float(random.uniform(0, 1.5)) * glow[..., None] * tint
    result = np.clip(linear, 0, 1) ** (1 / _GAMMA) * 255
    return np.asarray(result, np.uint8), shown
