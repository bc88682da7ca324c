"""People labelled by a detector: frames of clips and photographs, searched whole and in overlapping tiles.

A network that reads a whole frame misses half of the small people that it finds when it reads tiles. What the
tiles find trains a network that reads whole frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.detection import ObjectDetector
from activity.detection.boxes import suppress_duplicates
from activity.errors import DatasetError
from activity.structures import Detections
from activity.video import VideoReader

TILINGS: Final = ((1, 1), (1, 2), (2, 2), (2, 3))
"""Rows and columns of the tilings of a frame."""
TILE_OVERLAP: Final = 0.25
"""How far neighbouring tiles overlap, as a share of a tile."""
_EDGE_MARGIN_PX: Final = 4.0
_DUPLICATE_IOU: Final = 0.6
_DUPLICATE_CONTAINMENT: Final = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class CachedImage:
    """An image kept on disk at a limited size, with what a detector saw in it.

    Attributes:
        path: A JPEG file.
        name: The image's or clip's path inside its collection.
        frame: Index of the decoded frame of a clip, `None` of a photograph.
        scale: Cached pixels per original pixel.
        boxes: [N, 4] float32, people, in pixels of the cached image.
        scores: [N] float32, the detector's.
    """

    path: Path
    name: str
    frame: int | None
    scale: float
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def find_people_in_tiles(
    detector: ObjectDetector, image: npt.NDArray[np.uint8], *, tilings: Sequence[tuple[int, int]] = TILINGS
) -> Detections:
    """Search an image whole and in overlapping tiles.

    Args:
        detector: Must know the class ``person``.
        image: [H, W, 3] uint8, RGB.
        tilings: Rows and columns of each search.

    Returns:
        People in pixels of `image`. Boxes that an inner edge of a tile cuts are dropped, and so is what
        lies mostly inside a better box of about its size.
    """
    height, width = image.shape[:2]
    boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    for rows, columns in tilings:
        for top, bottom in _spans(height, rows):
            for left, right in _spans(width, columns):
                found = detector.detect(np.ascontiguousarray(image[top:bottom, left:right])).of("person")
                inner = (
                    ((found.boxes[:, 0] < _EDGE_MARGIN_PX) & (left > 0))
                    | ((found.boxes[:, 1] < _EDGE_MARGIN_PX) & (top > 0))
                    | ((found.boxes[:, 2] > right - left - _EDGE_MARGIN_PX) & (right < width))
                    | ((found.boxes[:, 3] > bottom - top - _EDGE_MARGIN_PX) & (bottom < height))
                )
                boxes.append(found.boxes[~inner] + np.array([left, top, left, top], np.float32))
                scores.append(found.scores[~inner])
    all_boxes, all_scores = np.concatenate(boxes), np.concatenate(scores)
    kept = suppress_duplicates(
        all_boxes, all_scores, np.zeros(len(all_boxes), np.int64), iou_threshold=_DUPLICATE_IOU
    )
    kept = kept[~_contained(all_boxes[kept])]
    return Detections(all_boxes[kept], all_scores[kept], ("person",) * len(kept))


def read_clip_frames(
    clips: Path, wanted: dict[str, set[int]]
) -> Iterator[tuple[str, int, npt.NDArray[np.uint8]]]:
    """Yield clip name, frame index and RGB image of the wanted frames, clip by clip.

    Args:
        clips: Folder that the names are relative to.
        wanted: Indices of decoded frames, by clip name.

    Raises:
        VideoError: If a clip cannot be read.
    """
    for name, indices in wanted.items():
        with VideoReader(clips / name) as reader:
            for frame in reader:
                if frame.index in indices:
                    yield name, frame.index, frame.image
                if frame.index >= max(indices):
                    break


def label_images(
    detector: ObjectDetector,
    images: Iterable[tuple[str, int | None, npt.NDArray[np.uint8]]],
    *,
    cache: Path,
    tilings: Sequence[tuple[int, int]],
    longest_side_px: int,
) -> Iterator[str]:
    """Search images for people and keep pixels and boxes under `cache`; what is there already is not redone.

    Args:
        detector: Must know the class ``person``.
        images: Name inside the collection, frame index or `None`, and RGB image.
        cache: Folder of the collection; made where missing.
        tilings: As for `find_people_in_tiles`.
        longest_side_px: Larger images are kept at this size.

    Yields:
        The name of each image once it is kept.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for name, frame, image in images:
        record = record_path(cache, name, frame)
        if not record.is_file():
            scale = min(1.0, longest_side_px / max(image.shape[:2]))
            size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
            kept = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
            found = find_people_in_tiles(detector, image, tilings=tilings)
            cv2.imwrite(str(record.with_suffix(".jpg")), kept[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            entry = {
                "name": name,
                "frame": frame,
                "scale": scale,
                "boxes": (found.boxes * scale).round(2).tolist(),
                "scores": found.scores.round(4).tolist(),
            }
            partial = record.with_suffix(".partial")
            partial.write_text(json.dumps(entry), encoding="utf-8")
            partial.rename(record)
        yield name


def record_path(cache: Path, name: str, frame: int | None) -> Path:
    """Where `label_images` keeps what it found in one image."""
    return cache / (name.replace("/", "__") + ("" if frame is None else f"__{frame:05d}") + ".json")


def read_labelled_images(cache: Path) -> list[CachedImage]:
    """Read what `label_images` kept, in the order of the names.

    Raises:
        DatasetError: If the folder is missing, empty or damaged.
    """
    records = sorted(cache.glob("*.json"))
    if not records:
        raise DatasetError(f"{cache}: holds no labelled images; label them first")
    images = []
    for record in records:
        try:
            entry = json.loads(record.read_text(encoding="utf-8"))
            images.append(
                CachedImage(
                    record.with_suffix(".jpg"),
                    str(entry["name"]),
                    entry["frame"],
                    float(entry["scale"]),
                    np.array(entry["boxes"], np.float32).reshape(-1, 4),
                    np.array(entry["scores"], np.float32),
                )
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{record}: expected an image record, got {error!r}; delete it") from error
    return images


def _spans(length: int, parts: int) -> list[tuple[int, int]]:
    """Start and end of `parts` equal overlapping spans that cover `length`."""
    if parts == 1:
        return [(0, length)]
    span = length / (parts - (parts - 1) * TILE_OVERLAP)
    starts = [round(i * span * (1 - TILE_OVERLAP)) for i in range(parts)]
    return [(start, min(length, round(start + span))) for start in starts]


def _contained(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which of [N, 4] boxes, best first, lie mostly inside a better one of under three times their area."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)  # (N, N)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    inside = shared > _DUPLICATE_CONTAINMENT * areas[:, None]
    similar = areas[None, :] < 3 * areas[:, None]
    better = np.tri(len(boxes), k=-1, dtype=bool)
    return np.asarray((inside & similar & better).any(1))
