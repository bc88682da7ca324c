"""The pictures that the person and weapon detector learns from, and what is known of each.

Weapon images carry human boxes of both classes. Everything else carries people found by a detector in tiles
and confirmed by pose networks: what is sure is a label, what is doubtful is a region that counts as neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.coco_keypoints import (
    LabelledPerson,
    read_lspet,
    read_single17,
    read_teacher_people,
)
from activity.datasets.person_labels import CachedImage, read_labelled_images
from activity.datasets.splits import is_held_out, is_in_held_out_tail
from activity.datasets.yolo_boxes import read_yolo_boxes
from activity.structures import box_iou

LABELS: Final = ("person", "weapon")
PERSON: Final = 0
_SAME_PERSON_IOU: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class DetectorSample:
    """One picture with its objects.

    Attributes:
        path: The image file.
        boxes: [N, 4] float32, as shares of the image's width and height.
        classes: [N] int64, indices into `LABELS`.
        ignored: [M, 4] float32, shares likewise: regions where something may or may not be a person.
        origin: Name of the collection.
        held_out: Whether the picture is kept apart from training.
        is_gray: Whether the collection has no colour.
    """

    path: Path
    boxes: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.float32]
    origin: str
    held_out: bool
    is_gray: bool


def read_boxed_samples(root: Path, *, origin: str, held_out: bool, is_gray: bool) -> list[DetectorSample]:
    """Read images in YOLO's layout whose people and weapons are all boxed."""
    nothing = np.zeros((0, 4), np.float32)
    return [
        DetectorSample(entry.path, entry.boxes, entry.classes, nothing, origin, held_out, is_gray)
        for entry in read_yolo_boxes(root, class_count=len(LABELS))
    ]


def read_clip_samples(cache: Path, *, people: Path, clips: Path, sure_score: float) -> list[DetectorSample]:
    """Read frames of the clips: people found in tiles, joined with those that the pose networks confirm.

    Args:
        cache: What `label_images` kept of the clips.
        people: Annotation file of the pose networks.
        clips: Folder of the clips, with `sources.csv`.
        sure_score: A person of this score or above is a label even if no pose network saw it.
    """
    confirmed: dict[tuple[str, int | None], list[LabelledPerson]] = {}
    for person in read_teacher_people(people, clips=clips, weapons=clips, least_agreement=0.25):
        if person.origin == "clips":
            name = person.image.path.relative_to(clips).as_posix()
            confirmed.setdefault((name, person.image.frame), []).append(person)
    sources = read_clip_sources(clips / "sources.csv").sources
    samples = []
    for image in read_labelled_images(cache):
        poses = confirmed.get((image.name, image.frame), [])
        boxes = np.array([person.box for person in poses], np.float32).reshape(-1, 4) * image.scale
        weights = np.array([person.weight for person in poses], np.float32)
        samples.append(
            _pseudo_labelled(
                image,
                origin="clips",
                held_out=is_held_out(sources[Path(image.name).stem]),
                sure_score=sure_score,
                confirmed=boxes[weights >= 0.5],
                doubtful=boxes[weights < 0.5],
            )
        )
    return samples


def read_photograph_samples(
    cache: Path, *, origin: str, sure_score: float, people: Iterable[LabelledPerson] = ()
) -> list[DetectorSample]:
    """Read photographs with the people that a detector found and those labelled by hand.

    Args:
        cache: What `label_images` kept of them.
        origin: Name of the collection.
        sure_score: A person of this score or above is a label.
        people: People labelled by hand, matched by file name.
    """
    by_name: dict[str, list[npt.NDArray[np.float32]]] = {}
    for person in people:
        by_name.setdefault(person.image.path.name, []).append(person.box)
    images = read_labelled_images(cache)
    return [
        _pseudo_labelled(
            image,
            origin=origin,
            held_out=is_in_held_out_tail(index, len(images), share=0.2),
            sure_score=sure_score,
            confirmed=np.array(by_name.get(image.name, []), np.float32).reshape(-1, 4) * image.scale,
            doubtful=np.zeros((0, 4), np.float32),
        )
        for index, image in enumerate(images)
    ]


def read_samples(data: Path, cache: Path, *, sure_score: float) -> list[DetectorSample]:
    """Read every collection, those kept apart included.

    Args:
        data: Folder with weapons/, people/, clips/, single17/ and lspet/.
        cache: What `prepare_labels` filled.
        sure_score: A found person of this score or above is a label.
    """
    return [
        *read_boxed_samples(data / "weapons/train", origin="weapons", held_out=False, is_gray=True),
        *read_boxed_samples(data / "weapons/val", origin="weapons", held_out=True, is_gray=True),
        *read_boxed_samples(cache / "rendered", origin="rendered", held_out=False, is_gray=False),
        *read_clip_samples(
            cache / "clips",
            people=data / "people/annotations.json",
            clips=data / "clips",
            sure_score=sure_score,
        ),
        *read_photograph_samples(cache / "photos", origin="photos", sure_score=sure_score),
        *read_photograph_samples(
            cache / "single17",
            origin="single17",
            sure_score=sure_score,
            people=read_single17(data / "single17"),
        ),
        *read_photograph_samples(
            cache / "lspet", origin="lspet", sure_score=sure_score, people=read_lspet(data / "lspet")
        ),
    ]


def _pseudo_labelled(
    image: CachedImage,
    *,
    origin: str,
    held_out: bool,
    sure_score: float,
    confirmed: npt.NDArray[np.float32],
    doubtful: npt.NDArray[np.float32],
) -> DetectorSample:
    """Join found and confirmed people: a confirmed one raises the found box that it overlaps to a label."""
    height, width = image_size(image.path)
    overlap = box_iou(image.boxes, confirmed)
    seen = overlap.max(1, initial=0) >= _SAME_PERSON_IOU
    sure = (image.scores >= sure_score) | (seen & (image.scores >= 0.15))
    missed = confirmed[overlap[sure].max(0, initial=0) < _SAME_PERSON_IOU] if len(confirmed) else confirmed
    boxes = np.concatenate([image.boxes[sure], missed])
    ignored = np.concatenate([image.boxes[~sure], doubtful])
    ignored = ignored[box_iou(ignored, boxes).max(1, initial=0) < _SAME_PERSON_IOU]
    size = np.array([width, height, width, height], np.float32)
    return DetectorSample(
        image.path,
        np.clip(boxes / size, 0, 1).astype(np.float32),
        np.full(len(boxes), PERSON, np.int64),
        np.clip(ignored / size, 0, 1).astype(np.float32),
        origin,
        held_out,
        is_gray=False,
    )


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a JPEG file from its header, without decoding the pixels."""
    from PIL import Image  # noqa: PLC0415  # comes with torchvision; only its header parser is needed

    with Image.open(path) as image:
        return image.height, image.width
