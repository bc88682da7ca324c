"""Rendered people with exact labels, in whole pictures and cut out as training takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.person_crops import PersonCrop, cut_person
from activity.datasets.rendered import random_scene, surveillance_scene
from activity.datasets.splits import is_in_held_out_tail

COVERED_WEIGHT: Final = 0.5
"""How much a rendered joint counts that something covers."""


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPicture:
    """One rendered frame and everyone in it.

    Attributes:
        image: [H, W, 3] uint8, RGB.
        actors: [H, W] uint8, 255 where any of the people is seen.
        people: Those with at least four joints in view; a joint that something covers weighs `COVERED_WEIGHT`.
    """

    image: npt.NDArray[np.uint8]
    actors: npt.NDArray[np.uint8]
    people: tuple[LabelledPerson, ...]


def render_pictures(frames: int, *, seed: int) -> Iterator[RenderedPicture]:
    """Render scenes with exact labels; the people of the last 15 % are held out.

    Half of the scenes show everything that can be rendered, half what a wall camera sees most: upright people, and
    people who fight.

    Args:
        frames: How many scenes, of up to six people each.
        seed: Seed of the scenes.
    """
    generator = np.random.default_rng(seed)
    for frame in range(frames):
        if frame % 2:
            width, height = 640, 360
            people = int(generator.integers(2, 7))
            scene = surveillance_scene(generator, width=width, height=height, people=people)
        else:
            width, height = ((320, 240), (400, 300), (640, 360))[frame // 2 % 3]
            people = int(generator.integers(1, 5))
            scene = random_scene(generator, width=width, height=height, people=people)
        reference = ImageReference(Path("rendered"), frame, width, height, f"scene{frame}")
        labelled = []
        for keypoints, box, area in zip(scene.keypoints, scene.boxes, scene.areas, strict=True):
            if (keypoints[:, 2] > 0).sum() < 4:
                continue
            weighted = np.asarray(keypoints, np.float32).copy()
            weighted[:, 2] = np.select([weighted[:, 2] == 2, weighted[:, 2] == 1], [1.0, COVERED_WEIGHT], 0.0)
            held_out = is_in_held_out_tail(frame, frames)
            labelled.append(
                LabelledPerson(
                    reference, weighted, np.asarray(box, np.float32), float(area), 1.0, "rendered", held_out
                )
            )
        actors = np.where(scene.identity >= 0, 255, 0).astype(np.uint8)
        yield RenderedPicture(scene.image, actors, tuple(labelled))


def render_people(
    frames: int, *, reach: float = 2.0, seed: int = 0
) -> Iterator[tuple[LabelledPerson, PersonCrop]]:
    """Cut out the people of `render_pictures`.

    Args:
        frames: How many scenes.
        reach: Side of the square cut out over the longer side of the person's box.
        seed: Seed of the scenes.
    """
    for picture in render_pictures(frames, seed=seed):
        for person in picture.people:
            yield person, cut_person(person, picture.image, reach=reach, mask=picture.actors)
