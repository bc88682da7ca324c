"""Images with boxes in YOLO's text layout: ``images/<stem>.<jpg|png>`` beside ``labels/<stem>.txt``.

A line is ``class centre_x centre_y width height`` or, as segmentation exports mix in, ``class`` and a polygon.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import DatasetError

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True, slots=True, eq=False)
class BoxLabels:
    """The boxes of one image.

    Attributes:
        path: The image file.
        boxes: [N, 4] float32: x0, y0, x1, y1 as shares of the image's width and height, in [0, 1].
        classes: [N] int64, indices into the data set's class names.
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]


def read_yolo_boxes(root: Path, *, class_count: int) -> list[BoxLabels]:
    """Read every image of a folder with its boxes, in the order of the file names.

    Args:
        root: Folder with ``images/`` and ``labels/``. An image without a label file has no objects.
        class_count: Classes of the data set; a larger class index is an error.

    Raises:
        DatasetError: If the folder holds no images, a label file names no image, or a line is
            neither a box nor a polygon in shares of the image.
    """
    images_folder, labels_folder = root / "images", root / "labels"
    if not images_folder.is_dir() or not labels_folder.is_dir():
        raise DatasetError(f"{root}: expected the folders images/ and labels/")
    images = sorted(path for path in images_folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DatasetError(f"{images_folder}: expected images ({', '.join(IMAGE_SUFFIXES)}), found none")
    orphans = {path.stem for path in labels_folder.glob("*.txt")} - {path.stem for path in images}
    if orphans:
        raise DatasetError(f"{labels_folder}/{min(orphans)}.txt: no image of this name under {images_folder}")
    return [_read_labels(image, labels_folder / f"{image.stem}.txt", class_count) for image in images]


def _read_labels(image: Path, labels: Path, class_count: int) -> BoxLabels:
    boxes, classes = [], []
    try:
        lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{labels}: expected text, got {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            index, *shares = (float(field) for field in line.split())
            box = _box(shares)
        except ValueError as error:
            raise DatasetError(
                f"{labels}:{number}: expected 'class centre_x centre_y width height' or 'class x1 y1 x2 y2 x3 y3 "
                f"...' in shares of the image, got {line[:80]!r} ({error})"
            ) from error
        if index not in range(class_count):
            raise DatasetError(
                f"{labels}:{number}: expected a class from 0 to {class_count - 1}, got {line[:80]!r}"
            )
        boxes.append(box)
        classes.append(int(index))
    array = np.clip(np.array(boxes, np.float32).reshape(-1, 4), 0, 1)
    return BoxLabels(image, array, np.array(classes, np.int64))


def _box(shares: list[float]) -> list[float]:
    """Corners of a box or of the smallest box around a polygon of three points or more."""
    if not all(-0.05 <= value <= 1.05 for value in shares):  # exports round, and shapes reach past the border
        raise ValueError("a value is no share")
    if len(shares) == 4:
        x, y, width, height = shares
        if width <= 0 or height <= 0:
            raise ValueError("the box is empty")
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    if len(shares) < 6 or len(shares) % 2:
        raise ValueError(f"{len(shares)} values")
    return [min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])]
