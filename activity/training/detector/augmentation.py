"""Training pictures for the detector: several images on one canvas, at random scales, in bad light.

Boxes are x0, y0, x1, y1 in pixels of the canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.detection.boxes import PADDING_GRAY
from activity.errors import DatasetError
from activity.training.detector.samples import DetectorSample

_LEAST_VISIBLE: Final = 0.4
_LEAST_IGNORED: Final = 0.05
_LEAST_SIDE_PX: Final = 6.0
_SCALES: Final = {1: (0.75, 2.0), 2: (0.9, 2.6), 4: (1.0, 3.2)}
"""Size of an image against that of its window, by the number of images on the canvas."""

Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]


class Canvas:
    """One training picture under construction.

    Attributes:
        image: [H, W, 3] uint8, BGR.
        boxes: Objects so far, [N, 4].
        classes: Their classes, [N].
        ignored: Regions that count as neither, [M, 4].
    """

    def __init__(self, height: int, width: int) -> None:
        self.image: Image = np.full((height, width, 3), PADDING_GRAY, np.uint8)
        self.boxes: Boxes = np.zeros((0, 4), np.float32)
        self.classes: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.ignored: Boxes = np.zeros((0, 4), np.float32)

    def place(
        self,
        image: Image,
        sample: DetectorSample,
        *,
        window: tuple[int, int, int, int],
        offset: tuple[float, float],
        mirrored: bool,
    ) -> None:
        """Put an image into a window of the canvas; what reaches beyond the window is cut off.

        Args:
            image: [h, w, 3], already of the wanted size.
            sample: Its labels.
            window: x0, y0, x1, y1 of the part of the canvas that it may fill.
            offset: Canvas position of the image's left top corner; may lie outside the window.
            mirrored: Whether to swap left and right.
        """
        height, width = image.shape[:2]
        left, top = round(offset[0]), round(offset[1])
        x0, y0 = max(window[0], left), max(window[1], top)
        x1, y1 = min(window[2], left + width), min(window[3], top + height)
        if x1 <= x0 or y1 <= y0:
            return
        pixels = image[:, ::-1] if mirrored else image
        self.image[y0:y1, x0:x1] = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
        size = np.array([width, height, width, height], np.float32)
        shift = np.array([left, top, left, top], np.float32)
        region = np.array([x0, y0, x1, y1], np.float32)

        def moved(shares: Boxes) -> tuple[Boxes, npt.NDArray[np.float32]]:
            boxes = shares[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0] if mirrored else shares
            whole = (boxes * size + shift).astype(np.float32)
            cut = np.concatenate(
                [np.maximum(whole[:, :2], region[:2]), np.minimum(whole[:, 2:], region[2:])], 1
            )
            kept = np.clip(cut[:, 2:] - cut[:, :2], 0, None).prod(1)
            return cut, kept / np.maximum((whole[:, 2:] - whole[:, :2]).prod(1), 1e-6)

        boxes, visible = moved(sample.boxes)
        ignored, ignored_visible = moved(sample.ignored)
        large = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf, where=np.ones((len(boxes), 2), bool))
        clear = (visible >= _LEAST_VISIBLE) & (large >= _LEAST_SIDE_PX)
        rest = boxes[~clear & (visible >= _LEAST_IGNORED)]
        self.boxes = np.concatenate([self.boxes, boxes[clear]])
        self.classes = np.concatenate([self.classes, sample.classes[clear]])
        self.ignored = np.concatenate([self.ignored, rest, ignored[ignored_visible >= _LEAST_IGNORED]])


def compose(
    samples: Sequence[DetectorSample], *, height: int, width: int, random: np.random.Generator
) -> Canvas:
    """Make one training picture.

    Args:
        samples: One floats on the canvas or is cut by it; two stand side by side; four form a mosaic around
            a random point.
        height: Canvas rows.
        width: Canvas columns.
        random: Where all chance comes from.
    """
    canvas = Canvas(height, width)
    x, y = (round(length * random.uniform(0.35, 0.65)) for length in (width, height))
    windows = {
        1: [(0, 0, width, height)],
        2: [(0, 0, x, height), (x, 0, width, height)],
        4: [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)],
    }[len(samples)]
    for sample, window in zip(samples, windows, strict=True):
        pixels = _read(sample)
        room = (window[2] - window[0], window[3] - window[1])
        fit = np.sqrt(room[0] * room[1] / (pixels.shape[0] * pixels.shape[1]))
        scale = float(fit * np.exp(random.uniform(*np.log(_SCALES[len(samples)]))))
        size = (max(8, round(pixels.shape[1] * scale)), max(8, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR)
        pixels = change_colours(pixels, is_gray=sample.is_gray, random=random)
        # Where the image is larger than its window a random part shows, where it is smaller it floats.
        offset = tuple(
            low + random.uniform(min(0, free), max(0, free))
            for low, free in ((window[0], room[0] - size[0]), (window[1], room[1] - size[1]))
        )
        canvas.place(
            pixels, sample, window=window, offset=(offset[0], offset[1]), mirrored=bool(random.random() < 0.5)
        )
    if random.random() < 0.4:
        canvas.image = spoil(canvas.image, random=random)
    return canvas


def change_colours(image: Image, *, is_gray: bool, random: np.random.Generator) -> Image:
    """Vary light and colour; gray pictures are tinted half of the time, colour ones lose it a third of the time."""
    if is_gray and random.random() < 0.4:
        image = cv2.medianBlur(image, 3)  # the collection was sprinkled with black and white pixels
    if is_gray and random.random() < 0.55:
        image = _tinted(image, random)
    elif not is_gray and random.random() < 0.35:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    gamma = float(np.exp(random.normal(0, 0.3)))
    gain, offset = random.uniform(0.75, 1.25), random.uniform(-20, 20)
    if random.random() < 0.15:  # night
        gamma, gain = gamma * random.uniform(1.2, 2.0), gain * random.uniform(0.4, 0.9)
    levels = np.arange(256) / 255
    table = np.clip(gain * 255 * levels**gamma + offset, 0, 255)[:, None]
    balance = random.uniform(0.9, 1.1, (1, 3)) if random.random() < 0.5 else np.ones((1, 3))
    table = np.clip(table * balance, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[:, None, :].transpose(1, 0, 2)), np.uint8)


def spoil(image: Image, *, random: np.random.Generator) -> Image:
    """Blur, pixelate, add noise, or compress, as cheap cameras and recorders do."""
    kind = random.integers(4)
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.5, 1.6))), np.uint8)
    if kind == 1:
        height, width = image.shape[:2]
        factor = float(random.uniform(0.4, 0.8))
        small = cv2.resize(
            image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA
        )
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    if kind == 2:
        noise = random.standard_normal((*image.shape[:2], 1), np.float32) * float(random.uniform(3, 14))
        return np.asarray(np.clip(image + noise, 0, 255), np.uint8)
    quality = int(random.integers(15, 60))
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _tinted(image: Image, random: np.random.Generator) -> Image:
    """Give a gray picture colours: one hue that drifts over the picture and with its brightness."""
    height, width = image.shape[:2]
    coarse = random.normal(random.normal(0, 0.7, 3), 1, (3, 3, 3)).astype(np.float32)
    levels = np.arange(256)[:, None] / 255
    bend = random.normal(0, 0.5, 3) * np.sin(levels * np.pi * random.uniform(1, 3))
    strength = float(random.uniform(6, 30))
    coarse -= coarse.mean(2, keepdims=True)  # the brightness stays
    bend -= bend.mean(1, keepdims=True)
    drift = cv2.resize(strength * coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    table = (levels * 255 + strength * bend).astype(np.float32)
    return np.asarray(cv2.add(cv2.LUT(image, table[None]), drift, dtype=cv2.CV_8U), np.uint8)


def _read(sample: DetectorSample) -> Image:
    image = cv2.imread(str(sample.path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{sample.path}: cannot be read as an image")
    return np.asarray(image, np.uint8)
