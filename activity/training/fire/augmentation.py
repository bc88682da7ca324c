"""Turn drawn pictures into training pictures: cropped, re-lit, dirtied, with what cameras and channels print on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.training.detector.augmentation import spoil
from activity.training.fire.flames import Sprite, draw_flames, draw_lamp, lay_over
from activity.training.fire.pictures import FirePicture

Image = npt.NDArray[np.uint8]
CELL: Final = 16
UNKNOWN: Final = -1.0
_LEAST_FLAMES: Final = 0.004  # of the picture: two cells


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPicture:
    """A picture as the network learns it.

    Attributes:
        image: [H, W, 3] uint8, RGB.
        burns: Whether flames are to be seen.
        cells: [H / 16, W / 16] float32: share of each cell inside flames, or `UNKNOWN` where nobody said.
        is_sure: Whether `cells` outlines flames exactly, rather than boxes around them.
    """

    image: Image
    burns: bool
    cells: npt.NDArray[np.float32]
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Sprites:
    """What can be laid over pictures.

    Attributes:
        flames: Cut from pictures of fires.
        lures: Flame-coloured, cut from pictures without fire.
    """

    flames: list[Sprite]
    lures: list[Sprite]


def make_training_picture(
    picture: FirePicture,
    *,
    sprites: Sprites,
    overlay: str | None,
    size: tuple[int, int],
    random: np.random.Generator,
) -> TrainingPicture:
    """Make one training picture.

    Args:
        picture: What was drawn.
        sprites: What can be laid over it.
        overlay: ``flames``, ``lures`` or nothing.
        size: Rows and columns of the result, multiples of 16.
        random: Where all chance comes from.
    """
    image = picture.image
    flames = _mask_of(picture)
    burns, is_sure = picture.burns, False
    if overlay == "flames":
        drawn = not sprites.flames or random.random() < 0.3
        sprite = draw_flames(random) if drawn else sprites.flames[random.integers(len(sprites.flames))]
        pasted, shown = lay_over(image, sprite, random, share=(0.15, 0.9))
        if shown.mean() >= _LEAST_FLAMES:
            image, flames, burns, is_sure = pasted, shown.astype(np.float32), True, True
    elif overlay == "lures":
        for _ in range(int(random.integers(1, 4))):
            drawn = not sprites.lures or random.random() < 0.4
            sprite = draw_lamp(random) if drawn else sprites.lures[random.integers(len(sprites.lures))]
            image, _ = lay_over(image, sprite, random, share=(0.05, 0.7))
    image, flames = _crop(image, flames, random, tightest=0.6 if flames is not None else 0.85)
    image = cv2.resize(
        image, size[::-1], interpolation=cv2.INTER_AREA if size[1] < image.shape[1] else cv2.INTER_LINEAR
    )
    image = _relight(np.asarray(image, np.uint8), random)
    image = _print_on(image, random)
    if random.random() < 0.5:
        image = spoil(image, random=random)
    cells = np.full((size[0] // CELL, size[1] // CELL), UNKNOWN, np.float32)
    if flames is not None:
        shares = cv2.resize(flames, (size[1] // CELL, size[0] // CELL), interpolation=cv2.INTER_AREA)
        cells = np.clip(shares, 0, 1).astype(np.float32)
    if random.random() < 0.5:
        image, cells = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(cells[:, ::-1])
    return TrainingPicture(image, burns, cells, is_sure)


def _mask_of(picture: FirePicture) -> npt.NDArray[np.float32] | None:
    if picture.boxes is None:
        return None
    height, width = picture.image.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for x0, y0, x1, y1 in picture.boxes * [width, height, width, height]:
        mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = 1
    return mask


def _crop(
    image: Image, flames: npt.NDArray[np.float32] | None, random: np.random.Generator, *, tightest: float
) -> tuple[Image, npt.NDArray[np.float32] | None]:
    """Cut a random part that keeps most of the flames, or pad with bars as letterboxed recordings have them."""
    height, width = image.shape[:2]
    if random.random() < 0.12:
        across, down = (round(random.uniform(0, 0.2) * length) for length in (width, height))
        image = np.asarray(
            cv2.copyMakeBorder(image, down, down, across, across, cv2.BORDER_CONSTANT), np.uint8
        )
        if flames is not None:
            flames = cv2.copyMakeBorder(flames, down, down, across, across, cv2.BORDER_CONSTANT)
        return image, flames
    for _ in range(6):
        h, w = (round(random.uniform(tightest, 1) * length) for length in (height, width))
        y, x = random.integers(height - h + 1), random.integers(width - w + 1)
        window = (slice(y, y + h), slice(x, x + w))
        if flames is None:
            return image[window], None
        if flames[window].sum() >= 0.6 * flames.sum():
            return image[window], flames[window]
    return image, flames


def _relight(image: Image, random: np.random.Generator) -> Image:
    if random.random() < 0.1:
        return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    if random.random() < 0.7:
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        hue = (hue.astype(np.int16) + int(random.integers(-6, 7))) % 180
        saturation = np.clip(saturation * random.uniform(0.5, 1.35), 0, 255)
        merged = cv2.merge([hue.astype(np.uint8), saturation.astype(np.uint8), value])
        image = np.asarray(cv2.cvtColor(merged, cv2.COLOR_HSV2RGB), np.uint8)
    gamma, gain = float(np.exp(random.normal(0, 0.3))), random.uniform(0.75, 1.25)
    if random.random() < 0.15:  # night
        gamma, gain = gamma * random.uniform(1.2, 2.2), gain * random.uniform(0.5, 0.9)
    balance = random.uniform(0.88, 1.12, 3) if random.random() < 0.6 else np.ones(3)
    table = np.clip(255 * gain * (np.arange(256)[:, None] / 255) ** gamma * balance, 0, 255)
    return np.asarray(cv2.LUT(image, table.astype(np.uint8)[None]), np.uint8)


def _print_on(image: Image, random: np.random.Generator) -> Image:
    """Print a time or a channel's name: both kinds of picture carry them, so neither may tell."""
    if random.random() > 0.3:
        return image
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    for _ in range(int(random.integers(1, 3))):
        text = "".join(random.choice(list("0123456789:- CAMERFIGH"), int(random.integers(3, 16))))
        colour = [int(value) for value in random.choice([[255, 255, 255], [230, 30, 20], [250, 210, 20]])]
        at = (int(random.integers(-10, width)), int(random.integers(8, height)))
        scale = float(random.uniform(0.3, 0.9))
        if random.random() < 0.4:
            block = [int(value) for value in random.integers(0, 256, 3)]
            cv2.rectangle(image, at, (at[0] + round(100 * scale), at[1] - round(30 * scale)), block, -1)
        cv2.putText(
            image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1 + int(scale > 0.6), cv2.LINE_AA
        )
    return image
