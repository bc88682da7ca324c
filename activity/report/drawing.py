"""Strokes, boxes and text on RGB images, readable on any background and harmless at any size."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from activity.errors import OutputError
from activity.report.palette import INK, PAPER, Color, mix
from activity.structures import COCO_KEYPOINT_NAMES, COCO_LIMBS

RgbImage = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are outside."""

_SHIFT: Final = 4  # OpenCV draws at a sixteenth of a pixel
_FAR: Final = 1e5  # pixels beyond this would overflow OpenCV's fixed point, and are out of any picture
_UNSURE: Final = 0.3  # joints below this confidence are drawn hollow
_SIDES: Final = tuple(
    next((side for side in ("left", "right") if name.startswith(side)), "middle")
    for name in COCO_KEYPOINT_NAMES
)


def text_size_px(height: int, width: int) -> int:
    """Height of overlay text for a picture: 11 px at 320x240, 25 px at 1920x1080."""
    return max(9, round(8 + 0.016 * min(height, width * 0.75)))


@functools.lru_cache(maxsize=1024)
def _text_mask(text: str, size: int) -> npt.NDArray[np.float32]:
    """Coverage in [0, 1] of a line of text, [line height, text width]."""
    font = _font(size)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    canvas = Image.new("L", (max(1, math.ceil(right - min(left, 0)) + 1), ascent + descent), 0)
    ImageDraw.Draw(canvas).text((-min(left, 0), 0), text, fill=255, font=font, stroke_width=0.02 * size)
    return np.asarray(canvas, dtype=np.float32) / np.float32(255)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # a Pillow built without FreeType
        raise OutputError("Pillow was built without FreeType; install its wheel: pip install pillow")
    return font


def measure_text(text: str, size: int) -> tuple[int, int]:
    """Width and line height of a text in pixels."""
    height, width = _text_mask(text, size).shape
    return width, height


def draw_text(image: RgbImage, text: str, *, x: int, y: int, size: int, color: Color = PAPER) -> None:
    """Write one line whose upper left corner is at x, y; what falls outside the picture is cut."""
    mask = _text_mask(text, size)
    window = _window(image, (x, y, x + mask.shape[1], y + mask.shape[0]))
    if window is None:
        return
    x0, y0, x1, y1 = window
    cover = mask[y0 - y : y1 - y, x0 - x : x1 - x, None]
    patch = image[y0:y1, x0:x1]
    image[y0:y1, x0:x1] = (patch + (np.array(color, np.float32) - patch) * cover + 0.5).astype(np.uint8)


def draw_plate(image: RgbImage, rectangle: Rectangle, *, color: Color = INK, opacity: float = 0.78) -> None:
    """Lay a translucent rectangle over the picture."""
    window = _window(image, rectangle)
    if window is None:
        return
    x0, y0, x1, y1 = window
    patch = image[y0:y1, x0:x1]
    cover = np.full_like(patch, color)
    image[y0:y1, x0:x1] = cv2.addWeighted(patch, 1 - opacity, cover, opacity, 0)


def draw_heat(
    image: RgbImage, activation: npt.NDArray[np.float32], *, color: Color, opacity: float = 0.5
) -> None:
    """Tint a picture by an even grid over it: [h, w] in [0, 1], 0 leaves a cell as it is."""
    height, width = image.shape[:2]
    cells = np.clip(activation, 0, 1).astype(np.float32)
    cover = cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    rows = np.flatnonzero(cover.max(axis=1) > 0.1)
    if len(rows) == 0:
        return
    window = slice(int(rows[0]), int(rows[-1]) + 1)
    share = (opacity * cover[window])[..., None]
    patch = image[window]
    image[window] = (patch + (np.array(color, np.float32) - patch) * share + 0.5).astype(np.uint8)


def draw_line(
    image: RgbImage, start: Sequence[float], end: Sequence[float], *, color: Color, thickness: int
) -> None:
    """Draw an antialiased line between two points in pixels."""
    draw_lines(image, [[start[:2], end[:2]]], color=color, thickness=thickness)


def draw_lines(image: RgbImage, ends: npt.ArrayLike, *, color: Color, thickness: int) -> None:
    """Draw antialiased lines, one after the other; `ends` is [N, 2, 2]: line, start and end, x and y in pixels."""
    cv2.polylines(image, list(_fixed(ends)), False, color, max(1, thickness), cv2.LINE_AA, _SHIFT)


def draw_dashes(
    image: RgbImage, start: Sequence[float], end: Sequence[float], *, color: Color, thickness: int
) -> None:
    """Draw a dashed line on a dark ground between two points in pixels."""
    draw_line(image, start, end, color=INK, thickness=thickness + 2)
    length = math.dist(start[:2], end[:2])
    dashes = min(200, max(1, round(length / (5 * thickness + 4))))
    shares = [(dash / dashes, (dash + 0.6) / dashes) for dash in range(dashes)]
    ends = [
        [[start[axis] + (end[axis] - start[axis]) * share for axis in (0, 1)] for share in both]
        for both in shares
    ]
    draw_lines(image, ends, color=color, thickness=thickness)


def draw_box(image: RgbImage, box: Sequence[float], *, color: Color, thickness: int) -> None:
    """Outline a box on a dark ground; x0, y0, x1, y1 in pixels."""
    for ink, width in ((INK, thickness + 2), (color, thickness)):
        first, last = _fixed([box[:2], box[2:4]]).tolist()
        cv2.rectangle(image, first, last, ink, max(1, width), cv2.LINE_AA, _SHIFT)


def draw_corners(image: RgbImage, box: Sequence[float], *, color: Color, thickness: int) -> None:
    """Mark the four corners of a box, which hides less than an outline."""
    x0, y0, x1, y1 = (float(value) for value in box)
    arm = 0.22 * min(x1 - x0, y1 - y0)
    corners = ((x0, y0, 1, 1), (x1, y0, -1, 1), (x0, y1, 1, -1), (x1, y1, -1, -1))
    arms = [[(x, y), end] for x, y, dx, dy in corners for end in ((x + dx * arm, y), (x, y + dy * arm))]
    for ink, width in ((INK, thickness + 2), (color, thickness)):
        draw_lines(image, arms, color=ink, thickness=width)


def draw_skeleton(
    image: RgbImage, keypoints: npt.NDArray[np.float32], *, color: Color, thickness: int
) -> None:
    """Draw a person's limbs and joints, the left side of the body lighter than the right.

    Joints with a confidence of 0 are left out with their limbs; doubtful ones are hollow.

    Args:
        image: [H, W, 3] RGB, drawn on.
        keypoints: [17, 3]: x px, y px, confidence.
        color: The person's colour.
        thickness: Of a limb, in pixels.
    """
    light, dark = mix(color, PAPER, 0.55), mix(color, INK, 0.12)
    tones = {"left": light, "right": dark, "middle": color}
    found = keypoints[:, 2] > 0
    limbs = [(a, b) for a, b in COCO_LIMBS if found[a] and found[b]]
    ends = keypoints[np.array(limbs, int).reshape(-1, 2), :2]
    draw_lines(image, ends, color=INK, thickness=thickness + 2)
    strokes = [
        (tones[_SIDES[a] if _SIDES[a] == _SIDES[b] else "middle"], thickness - (min(a, b) <= 4))
        for a, b in limbs
    ]
    drawn = 0
    for (tone, width), alike in itertools.groupby(strokes):
        count = len(list(alike))
        draw_lines(image, ends[drawn : drawn + count], color=tone, thickness=width)
        drawn += count
    radius = 0.75 * thickness + 0.5
    centers: list[list[int]] = _fixed(keypoints[:, :2]).tolist()
    for joint in np.flatnonzero(found).tolist():
        size = radius if joint > 4 else 0.7 * radius
        fill = INK if keypoints[joint, 2] < _UNSURE else tones[_SIDES[joint]]
        for share, ink in ((size + 1, INK), (size, PAPER), (0.72 * size, fill)):
            cv2.circle(image, centers[joint], round(share * 2**_SHIFT), ink, -1, cv2.LINE_AA, _SHIFT)


def _fixed(points: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Points [..., 2] in pixels in OpenCV's fixed point."""
    near = np.clip(np.asarray(points, np.float64), -_FAR, _FAR)
    return np.rint(near * 2**_SHIFT).astype(np.int32)


def _window(image: RgbImage, rectangle: Rectangle) -> Rectangle | None:
    x0, y0 = max(0, rectangle[0]), max(0, rectangle[1])
    x1, y1 = min(image.shape[1], rectangle[2]), min(image.shape[0], rectangle[3])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
