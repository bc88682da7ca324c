"""How often the line of an arm finds the person who is really aimed at: people placed and projected, nothing rendered."""

from __future__ import annotations

from typing import Any

import numpy as np

from activity.association.pointing import find_pointing
from activity.datasets.rendered import motions
from activity.datasets.rendered.body import random_person
from activity.datasets.rendered.kinematics import coco_joints, place_joints
from activity.datasets.rendered.random_postures import random_posture
from activity.datasets.rendered.sampling import random_camera, random_places
from activity.evaluation.intervals import wilson_interval
from activity.structures import COCO_SIGMAS, Poses


def evaluate_pointing(*, scenes: int, seed: int) -> dict[str, Any]:
    """Three people a scene; the first aims a pistol, in half of the scenes at the second, else past everybody.

    Joints are off by half of COCO's deviations, as for `activity evaluate holders`.

    Returns:
        ``recall`` (of those aimed at, how many are named), ``precision`` (of those named, how many are aimed at), each
        with a 95 % Wilson interval, ``n``.
    """
    aimed = named = right = 0
    for number in range(scenes):
        rng = np.random.default_rng([seed, number, 7])
        camera, centre = random_camera(rng, 480, 270)
        places = random_places(rng, camera, centre, 3)
        at_second = bool(rng.uniform() < 0.5)
        towards = np.array([np.arctan2(*(place - places[0])[::-1]) for place in places[1:]])
        heading = float(towards[0])
        if not at_second:
            free = rng.uniform(-np.pi, np.pi, 200)
            off = np.abs((free[:, None] - towards[None] + np.pi) % (2 * np.pi) - np.pi).min(axis=1)
            heading = float(free[int(off.argmax())])
        joints, boxes = [], []
        for i, place in enumerate(places):
            person = random_person(rng)
            posture = motions.aim(rng.uniform(0, 9)) if i == 0 else random_posture(rng)
            posture.position = place
            # The raised arm of `aim` points a little to the left of the heading: 0.3 rad of the spine's twist.
            posture.heading = heading - 0.3 if i == 0 else float(rng.uniform(-np.pi, np.pi))
            pixels = camera.project(coco_joints(place_joints(person.proportions, posture), person.stature))
            area = float(np.ptp(pixels[:, 0]) * np.ptp(pixels[:, 1]))
            pixels = pixels + rng.normal(0, 1, pixels.shape) * (0.5 * COCO_SIGMAS * np.sqrt(area))[:, None]
            joints.append(np.concatenate([pixels, np.ones((17, 1))], axis=1))
            boxes.append([*pixels.min(axis=0), *pixels.max(axis=0)])
        keypoints = np.array(joints, np.float32)
        if not np.isfinite(keypoints).all():
            continue
        people = Poses(keypoints, np.array(boxes, np.float32), np.ones(3, np.float32))
        wrist = keypoints[0, 10, :2]
        found = find_pointing(people, 0, np.array([*(wrist - 3), *(wrist + 3)]))
        target = found.targets[0] if found is not None and found.targets else None
        aimed += at_second
        named += target is not None
        right += at_second and target == 1
    return {
        "recall": right / max(1, aimed),
        "recall_interval": list(wilson_interval(right, aimed)),
        "precision": right / max(1, named),
        "precision_interval": list(wilson_interval(right, named)),
        "aimed_at": aimed,
        "named": named,
        "n": scenes,
    }
