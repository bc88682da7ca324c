"""Open the pictures that annotations refer to: image files, and frames of videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.coco_keypoints import ImageReference
from activity.errors import DatasetError
from activity.video import VideoReader


def read_pictures(
    references: Iterable[ImageReference],
) -> Iterator[tuple[ImageReference, npt.NDArray[np.uint8]]]:
    """Yield every picture with its reference, ordered by path and frame; each video is decoded once.

    Yields:
        The reference, and the picture as [H, W, 3] uint8, RGB.

    Raises:
        DatasetError: If a file is missing or no image, has another size than its reference says, or a
            video has no such frame.
        VideoError: If a video cannot be decoded.
    """
    ordered = sorted(references, key=lambda reference: (str(reference.path), reference.frame or 0))
    for path, group in groupby(ordered, key=lambda reference: reference.path):
        wanted = list(group)
        if not path.is_file():
            raise DatasetError(f"{path}: expected the picture that the annotations name, found no file")
        frames = {reference.frame for reference in wanted}
        pictures = _read_image(path) if None in frames else _read_frames(path, frames)
        position = 0
        for frame, picture in pictures:
            while position < len(wanted) and wanted[position].frame == frame:
                _check_size(wanted[position], picture)
                yield wanted[position], picture
                position += 1
        if position < len(wanted):
            raise DatasetError(f"{path}: expected a frame {wanted[position].frame}, the video ends before it")


def _read_image(path: Path) -> Iterator[tuple[int | None, npt.NDArray[np.uint8]]]:
    coded = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB) if coded.size else None
    if picture is None:
        raise DatasetError(f"{path}: expected an image, got a file that cannot be decoded")
    yield None, np.asarray(picture, np.uint8)


def _read_frames(path: Path, frames: set[int | None]) -> Iterator[tuple[int | None, npt.NDArray[np.uint8]]]:
    last = max(frame for frame in frames if frame is not None)
    with VideoReader(path) as reader:
        for frame in reader:
            if frame.index in frames:
                yield frame.index, frame.image
            if frame.index >= last:
                return


def _check_size(reference: ImageReference, picture: npt.NDArray[np.uint8]) -> None:
    height, width = picture.shape[:2]
    if reference.width and reference.height and (reference.width, reference.height) != (width, height):
        raise DatasetError(
            f"{reference.path}: expected {reference.width}x{reference.height} as the annotations say, "
            f"got {width}x{height}; coordinates would not fit"
        )
