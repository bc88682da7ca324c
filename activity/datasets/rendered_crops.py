"""Rendered people, cut out as training takes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.person_crops import PersonCrop, cut_person
from activity.datasets.rendered import random_scene, surveillance_scene
from activity.datasets.splits import is_in_held_out_tail

COVERED_WEIGHT: Final = 0.5
"""How much a rendered joint counts that something covers."""


def render_people(
    frames: int, *, reach: float = 2.0, seed: int = 0
) -> Iterator[tuple[LabelledPerson, PersonCrop]]:
    """Render people with exact labels; the last 15 % of the frames are held out.

    Half of the scenes show everything that can be rendered, half what a wall camera sees most: upright people, and
    people who fight.

    Args:
        frames: How many scenes, of up to six people each.
        reach: Side of the square cut out over the longer side of the person's box.
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
        actors = np.where(scene.identity >= 0, 255, 0).astype(np.uint8)
        for keypoints, box, area in zip(scene.keypoints, scene.boxes, scene.areas, strict=True):
            if (keypoints[:, 2] > 0).sum() < 4:
                continue
            weighted = np.asarray(keypoints, np.float32).copy()
            weighted[:, 2] = np.select([weighted[:, 2] == 2, weighted[:, 2] == 1], [1.0, COVERED_WEIGHT], 0.0)
            held_out = is_in_held_out_tail(frame, frames)
            person = LabelledPerson(
                reference, weighted, np.asarray(box, np.float32), float(area), 1.0, "rendered", held_out
            )
            yield person, cut_person(person, scene.image, reach=reach, mask=actors)
