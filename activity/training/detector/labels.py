"""Prepare what the detector learns from besides hand-labelled boxes: found people and rendered scenes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.person_labels import TILINGS, label_images, read_clip_frames, record_path
from activity.datasets.rendered import random_scene
from activity.detection import COCO_LABELS, YoloxDetector
from activity.errors import DatasetError

LOG = logging.getLogger(__name__)

_LONGEST_SIDE_PX: Final = 800
_FRAME_STEP: Final = 4
_LEAST_VISIBLE: Final = 0.25
_PHOTO_FOLDERS: Final = {
    # collection: folder of images, every how manyth, tilings
    "photos": ("fire/cair/no_fire", 1, ((1, 1), (2, 2))),
    "single17": ("single17/images", 3, ((1, 1),)),
    "lspet": ("lspet/images", 8, ((1, 1),)),
}


def prepare_labels(
    data: Path, cache: Path, *, teacher: Path, rendered_scenes: int, seed: int, threads: int = 1
) -> None:
    """Fill `cache` with pictures and the people in them; what is there already stays.

    Args:
        data: Folder with clips/, people/, fire/, single17/ and lspet/.
        cache: Where pictures and labels are kept.
        teacher: YOLOX-nano trained on COCO, an ONNX file.
        rendered_scenes: How many rendered scenes to add, with exact boxes of people and weapons.
        seed: Of the rendered scenes.
        threads: Threads that the teacher may use.

    Raises:
        CheckpointError: If the teacher cannot be used.
        DatasetError: If a collection is missing or damaged.
    """
    thresholds = {label: 0.1 if label == "person" else 1.0 for label in COCO_LABELS}
    detector = YoloxDetector(
        teacher, labels=COCO_LABELS, score_threshold=thresholds, iou_threshold=0.6, threads=threads
    )
    write_rendered_scenes(cache / "rendered", count=rendered_scenes, seed=seed)
    wanted = {
        name: {frame for frame in frames if not record_path(cache / "clips", name, frame).is_file()}
        for name, frames in _frames_of_clips(data / "people/annotations.json").items()
    }
    frames = read_clip_frames(data / "clips", {name: missing for name, missing in wanted.items() if missing})
    searches = {
        "clips": label_images(
            detector, frames, cache=cache / "clips", tilings=TILINGS, longest_side_px=_LONGEST_SIDE_PX
        )
    }
    for name, (folder, step, tilings) in _PHOTO_FOLDERS.items():
        searches[name] = label_images(
            detector,
            _read_photographs(data / folder, step, cache / name),
            cache=cache / name,
            tilings=tilings,
            longest_side_px=_LONGEST_SIDE_PX,
        )
    for name, search in searches.items():
        count = sum(1 for _ in search)
        LOG.info("%s: %d more pictures searched for people", name, count)


def write_rendered_scenes(folder: Path, *, count: int, seed: int) -> None:
    """Render scenes with people and weapons into a folder of YOLO's layout; scenes that are there stay.

    Args:
        folder: Made where missing.
        count: How many scenes the folder is to hold.
        seed: Scene i depends on the seed and on i alone.
    """
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = folder / "images" / f"{index:05d}.jpg"
        labels = folder / "labels" / f"{index:05d}.txt"
        if labels.is_file():
            continue
        random = np.random.default_rng([seed, index])
        width, height = [(480, 272), (416, 320), (352, 352)][index % 3]
        scene = random_scene(random, width=width, height=height, people=int(random.integers(1, 7)))
        size = np.array([width, height], np.float32)
        objects = [
            *((0, box) for box in scene.boxes[scene.visible_fraction >= _LEAST_VISIBLE]),
            *((1, box) for box in scene.weapon_boxes),
        ]
        lines = []
        for label, box in objects:
            low, high = np.clip(box[:2] / size, 0, 1), np.clip(box[2:] / size, 0, 1)
            if ((high - low) * size >= 3).all():
                values = np.concatenate([(low + high) / 2, high - low])
                lines.append(" ".join([str(label), *(f"{value:.5f}" for value in values)]))
        cv2.imwrite(str(path), scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        labels.write_text("\n".join(lines), encoding="utf-8")


def _frames_of_clips(annotations: Path) -> dict[str, set[int]]:
    """Every fourth annotated frame of every clip: neighbours show the same people in the same places."""
    try:
        images = json.loads(annotations.read_text(encoding="utf-8"))["images"]
        annotated: dict[str, list[int]] = {}
        for image in images:
            if image["source"] == "clips":
                annotated.setdefault(image["file_name"], []).append(int(image["frame"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{annotations}: expected frames of clips, got {error!r}") from error
    wanted = {name: sorted(frames) for name, frames in sorted(annotated.items())}
    return {name: set(frames[min(2, len(frames) - 1) :: _FRAME_STEP]) for name, frames in wanted.items()}


def _read_photographs(
    folder: Path, step: int, cache: Path
) -> Iterator[tuple[str, None, npt.NDArray[np.uint8]]]:
    """Yield name and RGB pixels of every `step`th image that has no record under `cache` yet."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: expected a folder of images")
    for path in sorted(folder.iterdir())[::step]:
        if record_path(cache, path.name, None).is_file():
            continue
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is not None:
            yield path.name, None, np.ascontiguousarray(image[..., ::-1], np.uint8)
