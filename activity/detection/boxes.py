"""The arithmetic around a one-stage detector: fitting the image, reading the cells, dropping duplicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import Detections, box_iou

PADDING_GRAY = 114
"""Gray level around a letterboxed image, the one that YOLOX was trained with."""
MOST_CANDIDATES = 1000
"""Suppression is quadratic; a frame with more boxes than this is noise."""
_INPUT_AREA = 0.6  # of a square of the long side: that of 640x384
_LARGEST_LOG_SIZE = 12.0  # exp(12) cells is wider than any image; beyond it float32 overflows


class Letterbox(NamedTuple):
    """An image fitted into a network's input, and the way back.

    Attributes:
        image: [H', W', 3] uint8, the resized image at the top left, gray elsewhere.
        scale_x: Input pixels per image pixel, across.
        scale_y: Input pixels per image pixel, down.
    """

    image: npt.NDArray[np.uint8]
    scale_x: float
    scale_y: float

    def to_input(self, boxes: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map [N, 4] boxes from image pixels to input pixels."""
        return np.asarray(boxes, np.float32).reshape(-1, 4) * self._factors()

    def to_image(self, boxes: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map [N, 4] boxes from input pixels to image pixels."""
        return np.asarray(boxes, np.float32).reshape(-1, 4) / self._factors()

    def _factors(self) -> npt.NDArray[np.float32]:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], np.float32)


def fitted_size(height: int, width: int, *, long_side: int, multiple: int = 32) -> tuple[int, int]:
    """Height and width of the input for an image: about as many pixels whatever its aspect.

    The image is scaled so that its longer side is `long_side` or, where that makes more than
    ``0.6 long_side^2`` pixels, so that it has that many: a square or an upright image costs what one of
    16:9 costs. The input is the smallest that holds it.

    Args:
        height: Image pixels down.
        width: Image pixels across.
        long_side: Input pixels along the longer side of an image of 16:9; a multiple of `multiple`.
        multiple: The network's coarsest stride.

    >>> fitted_size(1080, 1920, long_side=640), fitted_size(480, 640, long_side=640)
    ((384, 640), (448, 576))
    """
    scale = min(long_side / max(height, width), math.sqrt(_INPUT_AREA * long_side**2 / (height * width)))

    def round_up(length: int) -> int:
        return max(multiple, -(-round(length * scale) // multiple) * multiple)

    return round_up(height), round_up(width)


def letterbox(image: npt.NDArray[np.uint8], *, height: int, width: int) -> Letterbox:
    """Resize an image to fit, aspect kept, and pad it with gray at the right and the bottom.

    Args:
        image: [H, W, 3] uint8.
        height: Rows of the result.
        width: Columns of the result.

    Raises:
        StructureError: If `image` is not a colour image of at least one pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise StructureError(
            f"image: expected uint8 of shape [H, W, 3] with at least one pixel, "
            f"got {image.dtype} {list(image.shape)}"
        )
    rows, columns = image.shape[:2]
    scale = min(height / rows, width / columns)
    new_rows, new_columns = max(1, round(rows * scale)), max(1, round(columns * scale))
    method = cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR  # linear alone skips pixels from there on
    fitted = np.full((height, width, 3), PADDING_GRAY, np.uint8)
    fitted[:new_rows, :new_columns] = cv2.resize(image, (new_columns, new_rows), interpolation=method)
    return Letterbox(fitted, new_columns / columns, new_rows / rows)


def decode_cells(
    cells: npt.NDArray[np.floating], *, height: int, width: int, strides: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Boxes of every cell of an anchor-free detector, in input pixels.

    A cell at column c and row r of stride s, with the offsets (dx, dy, log w, log h), says a box centred
    at ((c + dx) s, (r + dy) s) of size (s exp(log w), s exp(log h)): YOLOX, arXiv:2107.08430, section 2.1.

    Args:
        cells: [N, 4 or more]; the first four columns are the offsets. Levels stand in the order of
            `strides`, each row by row.
        height: Input rows, a multiple of the largest stride.
        width: Input columns, likewise.
        strides: Input pixels per cell of each level.

    Returns:
        [N, 4], x0, y0, x1, y1.

    Raises:
        StructureError: If N is not the number of cells of such an input.
    """
    sizes = [(height // stride, width // stride) for stride in strides]
    expected = sum(rows * columns for rows, columns in sizes)
    if cells.ndim != 2 or len(cells) != expected or cells.shape[1] < 4:
        raise StructureError(
            f"cells: an input of {height}x{width} at strides {list(strides)} has {expected} cells "
            f"of 4 or more numbers, got shape {list(cells.shape)}"
        )
    corners = np.concatenate(
        [
            np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)
            for rows, columns in sizes
        ]
    )
    scale = np.concatenate(
        [np.full((rows * columns, 1), stride) for (rows, columns), stride in zip(sizes, strides, strict=True)]
    )
    centres = (cells[:, :2] + corners) * scale
    halves = np.exp(np.minimum(cells[:, 2:4], _LARGEST_LOG_SIZE)) * scale / 2
    return np.concatenate([centres - halves, centres + halves], 1).astype(np.float32)


def suppress_duplicates(
    boxes: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    classes: npt.NDArray[np.integer],
    *,
    iou_threshold: float,
) -> npt.NDArray[np.int64]:
    """Greedy non-maximum suppression within each class.

    Args:
        boxes: [N, 4], x0, y0, x1, y1.
        scores: [N].
        classes: [N]; boxes of different classes never suppress each other.
        iou_threshold: A box is dropped when it overlaps a kept one of a higher score by more than this.

    Returns:
        Indices of the kept boxes, best score first; equal scores keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    clash = (box_iou(boxes, boxes) > iou_threshold) & (classes[:, None] == classes[None, :])
    dropped = np.zeros(len(order), bool)
    kept = []
    for index in order:
        if not dropped[index]:
            kept.append(index)
            dropped |= clash[index]
    return np.array(kept, np.int64)


def kept_detections(
    boxes: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    classes: npt.NDArray[np.integer],
    *,
    thresholds: npt.NDArray[np.floating],
    iou_threshold: float,
    labels: Sequence[str],
    height: int,
    width: int,
) -> Detections:
    """Keep the boxes that are sure enough, cut them at the image's border, and drop duplicates within each class.

    Args:
        boxes: [N, 4], x0, y0, x1, y1 in pixels of the image.
        scores: [N] of each box's best class.
        classes: [N] that class.
        thresholds: [C] least score of each class.
        iou_threshold: As for `suppress_duplicates`.
        labels: C names.
        height: Image pixels down.
        width: Image pixels across.
    """
    candidates = np.flatnonzero(scores >= thresholds[classes])
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")[:MOST_CANDIDATES]]
    boxes, scores, classes = boxes[candidates], np.clip(scores[candidates], 0, 1), classes[candidates]
    # Whole boxes are compared, then cut: what is left of two at the border may be the same for different objects.
    kept = suppress_duplicates(boxes, scores, classes, iou_threshold=iou_threshold)
    boxes = np.clip(boxes[kept], 0, np.array([width, height, width, height], np.float32))
    visible = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
    shown = kept[visible]
    return Detections(boxes[visible], scores[shown], tuple(labels[i] for i in classes[shown]))
