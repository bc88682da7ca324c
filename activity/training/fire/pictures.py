"""The pictures that a fire classifier learns from and is measured on, and which scene each one shows.

A picture that shows smoke and whose scene burns in other pictures is left out: whether flames are to be seen in
it is not said. Clips and photographs of people carry no label and are taken as free of fire.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.rendered import random_scene
from activity.datasets.splits import is_held_out, is_in_held_out_tail
from activity.datasets.yolo_boxes import IMAGE_SUFFIXES, read_yolo_boxes
from activity.errors import DatasetError
from activity.training.fire.duplicates import SceneDescriptor, group_scenes
from activity.video import VideoReader

LOG = logging.getLogger(__name__)

Image = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]
LARGEST_SIDE: Final = 416
_FIRE, _NONE, _SMOKE = 0, 1, 2
_FRAMES_A_CLIP: Final = 3
_RENDERED_SIZE: Final = (384, 288)


@dataclass(frozen=True, slots=True, eq=False)
class FirePicture:
    """One picture.

    Attributes:
        image: [H, W, 3] uint8, RGB, its longer side at most `LARGEST_SIDE`.
        burns: Whether flames are to be seen.
        boxes: [N, 4] around them, as shares of width and height; `None` where nobody boxed them.
        origin: Name of the collection.
        name: File name within the collection.
        cluster: Name of the camera shot: pictures of one are drawn as rarely as one picture.
        scene: Name of the group of pictures of the same scene, one or more shots.
        held_out: Whether the scene is kept apart from training.
    """

    image: Image
    burns: bool
    boxes: Boxes | None
    origin: str
    name: str
    cluster: str
    scene: str
    held_out: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    path: Path
    classes: frozenset[int]
    boxes: Boxes | None
    source: str


def read_fire_pictures(data: Path, *, weights: Path) -> list[FirePicture]:
    """Read the labelled fire pictures, grouped by scene; about one scene in five is held out.

    Args:
        data: Folder with ``cair/{fire,no_fire}`` and ``fire8/{images,labels}``.
        weights: YOLOX-nano trained on COCO, for the near-duplicates.

    Raises:
        DatasetError: If a folder is missing, or a picture cannot be read.
        CheckpointError: If the weights are not YOLOX-nano's.
    """
    entries = [*_read_folders(data / "cair"), *_read_clusters(data / "fire8")]
    images = [read_image(entry.path) for entry in entries]
    describer = SceneDescriptor(weights)
    features, thumbnails = zip(*(describer.describe(image) for image in images), strict=True)
    groups = group_scenes(np.stack(features), np.stack(thumbnails), [entry.source for entry in entries])
    names = [entry.path.relative_to(data).as_posix() for entry in entries]
    scenes = {group: min(np.array(names)[groups == group]) for group in np.unique(groups)}
    burning = {group for group, entry in zip(groups, entries, strict=True) if _FIRE in entry.classes}
    pictures = []
    for image, entry, group, name in zip(images, entries, groups, names, strict=True):
        if entry.classes == {_SMOKE} and group in burning:
            continue
        burns = _FIRE in entry.classes
        scene = str(scenes[group])
        origin = "fire" if burns else "no_fire"
        pictures.append(
            FirePicture(
                image, burns, entry.boxes, origin, name, entry.source, scene, held_out=is_held_out(scene)
            )
        )
    return pictures


def read_clip_frames(clips: Path, *, cache: Path) -> list[FirePicture]:
    """Read three frames of every clip; clips of sources that are held out everywhere are held out.

    Raises:
        DatasetError: If the table of sources is missing, or a kept frame cannot be read.
        VideoError: If a clip cannot be decoded.
    """
    sources = read_clip_sources(clips / "sources.csv").sources
    cache.mkdir(parents=True, exist_ok=True)
    nowhere = np.zeros((0, 4), np.float32)
    pictures = []
    for path in sorted(clips.glob("*/*.mp4")):
        kept = [cache / f"{path.stem}_{part}.jpg" for part in range(_FRAMES_A_CLIP)]
        if not all(file.is_file() for file in kept):
            with VideoReader(path) as reader:
                frames = [frame.image for frame in reader]
            for part, file in enumerate(kept):
                _write_image(file, _shrink(frames[round((part + 0.5) * len(frames) / _FRAMES_A_CLIP - 0.5)]))
        source = sources[path.stem]
        pictures += [
            FirePicture(
                read_image(file),
                False,
                nowhere,
                "clips",
                file.name,
                path.stem,
                source,
                held_out=is_held_out(source),
            )
            for file in kept
        ]
    return pictures


def read_people(data: Path, *, count: int) -> list[FirePicture]:
    """Read photographs of people, in colour and in gray: bright clothes and lamps that are no fire.

    Raises:
        DatasetError: If a folder holds no pictures, or one cannot be read.
    """
    folders = {
        "people": [data / "single17/images", data / "lspet/images"],
        "gray": [data / "weapons/train/images"],
    }
    nowhere = np.zeros((0, 4), np.float32)
    pictures = []
    for origin, paths in folders.items():
        for folder in paths:
            files = _image_files(folder)
            files = files[:: max(1, len(files) // count)]
            pictures += [
                FirePicture(
                    read_image(file),
                    False,
                    nowhere,
                    origin,
                    file.name,
                    file.name,
                    file.name,
                    held_out=is_in_held_out_tail(index, len(files)),
                )
                for index, file in enumerate(files)
            ]
    return pictures


def read_rendered(cache: Path, *, count: int, seed: int) -> list[FirePicture]:
    """Render scenes, or read those that are kept: every second one has a fire, where it came into view.

    Raises:
        DatasetError: If a kept picture cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    pictures = []
    for index in range(count):
        file, truth = cache / f"{index:05d}.jpg", cache / f"{index:05d}.json"
        if not (file.is_file() and truth.is_file()):
            random = np.random.default_rng([seed, index])
            scene = random_scene(
                random,
                width=_RENDERED_SIZE[0],
                height=_RENDERED_SIZE[1],
                people=int(random.integers(0, 4)),
                fire_chance=float(index % 2),
            )
            _write_image(file, scene.image)
            shares = scene.fire_boxes / np.array([*_RENDERED_SIZE, *_RENDERED_SIZE], np.float32)
            truth.write_text(json.dumps(shares.tolist()), encoding="utf-8")
        boxes = np.array(json.loads(truth.read_text(encoding="utf-8")), np.float32).reshape(-1, 4)
        if len(boxes) and (boxes[:, 2:] - boxes[:, :2]).min() < 0.03:
            continue  # a spark of a few pixels teaches nothing
        origin = "rendered_fire" if len(boxes) else "rendered_quiet"
        held_out = is_in_held_out_tail(index, count)
        pictures.append(
            FirePicture(
                read_image(file), len(boxes) > 0, boxes, origin, file.name, file.name, file.name, held_out
            )
        )
    return pictures


def read_image(path: Path) -> Image:
    """Read a picture as RGB, shrunk to `LARGEST_SIDE`.

    Raises:
        DatasetError: If it cannot be read as an image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise DatasetError(f"{path}: cannot be read as an image")
    return _shrink(np.asarray(image, np.uint8))


def _shrink(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = LARGEST_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write_image(path: Path, image: Image) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 93])


def _image_files(folder: Path) -> list[Path]:
    files = (
        sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if folder.is_dir()
        else []
    )
    if not files:
        raise DatasetError(f"{folder}: expected a folder of images ({', '.join(IMAGE_SUFFIXES)})")
    return files


def _read_folders(root: Path) -> Iterator[_Labelled]:
    for folder, label, boxes in (("fire", _FIRE, None), ("no_fire", _NONE, np.zeros((0, 4), np.float32))):
        for path in _image_files(root / folder):
            yield _Labelled(path, frozenset({label}), boxes, path.relative_to(root).as_posix())


def _read_clusters(root: Path) -> Iterator[_Labelled]:
    entries = read_yolo_boxes(root, class_count=3)
    videos = _videos_of([entry.path.name for entry in entries])
    for entry, video in zip(entries, videos, strict=True):
        yield _Labelled(
            entry.path, frozenset(int(c) for c in entry.classes), entry.boxes[entry.classes == _FIRE], video
        )


def _videos_of(names: Iterable[str]) -> list[str]:
    """Name the video of each picture: those of one cluster (``cNNN``) or of one file (``test2_mp4-41``) are one."""
    listed = list(names)
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    for name in listed:
        cluster, rest = name.split("_", 1)
        if found := re.match(r"(\w+_mp4)-", rest):
            parents[root(found[1])] = root(f"fire8/{cluster}")
    return [root(f"fire8/{name.split('_', 1)[0]}") for name in listed]
