"""Which annotated pictures a pose estimator is measured on, and what it finds in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.coco_keypoints import (
    ImageReference,
    LabelledPerson,
    read_coco_keypoints,
    read_lspet,
    read_single17,
)
from activity.datasets.pictures import read_pictures
from activity.datasets.rendered_crops import render_pictures
from activity.datasets.splits import is_held_out
from activity.errors import DatasetError
from activity.evaluation.light import light_of
from activity.evaluation.pose import PosedPicture
from activity.structures import Poses

SINGLE_PERSON_LAYOUTS: Final[Mapping[str, Callable[[Path], list[LabelledPerson]]]] = {
    "lspet": read_lspet,
    "single17": read_single17,
}
"""Collections of photographs with one person each, and their readers."""

Estimate = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float32]], Poses]
"""Finds the people of one [H, W, 3] uint8 RGB picture; also gets the labelled boxes [P, 4] in pixels, for those who
measure without a detector."""


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture and everyone annotated in it, crowds included."""

    reference: ImageReference
    people: Sequence[LabelledPerson]


def read_coco_pictures(
    annotations: Path, images: Path, *, folder: str | None = None
) -> list[LabelledPicture]:
    """Read a COCO keypoint file, pictures without people included.

    Args:
        annotations: COCO keypoint JSON. An image with a `frame` is that frame of a video.
        images: Folder that the file names are relative to; see `read_coco_keypoints`.
        folder: Only pictures in this folder of `images`, or below it.

    Raises:
        DatasetError: If the file cannot be read, or no picture is in `folder`.
    """
    content = read_coco_keypoints(annotations, images)
    pictures = [
        LabelledPicture(reference, content.people.get(key, ()))
        for key, reference in content.images.items()
        if folder is None or reference.path.is_relative_to(images / folder)
    ]
    if not pictures:
        raise DatasetError(
            f"{annotations}: expected pictures in {images / (folder or '')}, it names none there"
        )
    return pictures


def read_single_person_pictures(layout: str, root: Path) -> list[LabelledPicture]:
    """Read photographs of one person each.

    Args:
        layout: A name of `SINGLE_PERSON_LAYOUTS`.
        root: Folder of the data set.

    Raises:
        DatasetError: If a file is missing or laid out differently.
    """
    people = SINGLE_PERSON_LAYOUTS[layout](root)
    by_path: dict[Path, list[LabelledPerson]] = {}
    for person in people:
        by_path.setdefault(person.image.path, []).append(person)
    return [LabelledPicture(group[0].image, group) for group in by_path.values()]


def keep_held_out(pictures: Sequence[LabelledPicture], sources: Path | None) -> list[LabelledPicture]:
    """The pictures that no training of this project saw, by `is_held_out` and the readers' own rules.

    Args:
        pictures: Any.
        sources: CSV that names the source of each clip; see `read_clip_sources`. A photograph that it does not
            name is a source of its own.

    Raises:
        DatasetError: If a frame of a video has no source in the table, or nothing is held out.
    """
    table: Mapping[str, str] = {} if sources is None else read_clip_sources(sources).sources
    kept = []
    for picture in pictures:
        reference = picture.reference
        source = table.get(reference.path.stem, reference.source)
        if reference.frame is not None and reference.path.stem not in table:
            raise DatasetError(
                f"{reference.path}: its source is not known, and clips of one source are never split; "
                "name a CSV with the columns clip and source"
            )
        if _is_held_out(picture, source):
            kept.append(picture)
    if not kept:
        raise DatasetError(f"none of {len(pictures)} pictures is kept apart from training")
    return kept


def _is_held_out(picture: LabelledPicture, source: str) -> bool:
    if any(
        person.origin in SINGLE_PERSON_LAYOUTS for person in picture.people
    ):  # their readers decide by order
        return any(person.held_out for person in picture.people)
    return is_held_out(source)


def find_poses(
    pictures: Sequence[LabelledPicture],
    estimate: Estimate,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[PosedPicture]:
    """Show every picture to an estimator.

    Args:
        pictures: Any number.
        estimate: The estimator.
        progress: Called after each picture with how many are done and how many there are.

    Raises:
        DatasetError: If a picture cannot be read or has another size than its annotations say.
    """
    by_reference = {id(picture.reference): picture for picture in pictures}
    posed = []
    for reference, image in read_pictures([picture.reference for picture in pictures]):
        posed.append(_pose(image, by_reference[id(reference)].people, estimate))
        progress(len(posed), len(pictures))
    return posed


def find_rendered_poses(
    scenes: int,
    estimate: Estimate,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[PosedPicture]:
    """Show an estimator rendered scenes, whose people are known exactly; nobody needs a data set for it.

    Args:
        scenes: How many.
        estimate: The estimator.
        seed: Of the scenes; those of our trainings were 0.
        progress: Called after each scene with how many are done and how many there are.
    """
    posed = []
    for picture in render_pictures(scenes, seed=seed):
        posed.append(_pose(picture.image, picture.people, estimate))
        progress(len(posed), scenes)
    return posed


def _pose(image: npt.NDArray[np.uint8], people: Sequence[LabelledPerson], estimate: Estimate) -> PosedPicture:
    boxes = np.array([person.box for person in people if not person.is_crowd], np.float32).reshape(-1, 4)
    return PosedPicture(people, estimate(image, boxes), light_of(image))
