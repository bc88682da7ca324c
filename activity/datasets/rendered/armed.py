"""Rendered scenes in which it is known who holds the weapon: the seed's three figures, and random crowds.

The figures are those of Moura et al., "Detection of weapon possession and fire in Public Safety surveillance cameras":
5 (a car taken for a weapon beside one that is held), 7 (an arm raised out of the holder's box) and 8 (neighbours whose
boxes overlap).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import Person, random_person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.furniture import add_furniture
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.posture import RIGHT, Posture
from activity.datasets.rendered.random_postures import random_posture
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sampling import random_camera, random_places, random_stage
from activity.datasets.rendered.scene import RenderedScene, render
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.stage import Figure, Stage
from activity.structures import COCO_SIGMAS, Detections, Poses

Float = npt.NDArray[np.float32]

FIGURES: Final = ("raised_arm", "neighbours", "car")
_ARMS: Final = ((7, 9), (8, 10))
"""Left and right elbow and wrist."""


@dataclass(frozen=True, slots=True, eq=False)
class ArmedScene:
    """A picture, what a detector would say of it, and who really holds what.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        people: Everybody in view: true joints, boxes as a detector draws them.
        covered: [P, 17] bool, joints that a body or an object covers.
        track_ids: [P] int64, from 1.
        weapons: Weapons and things taken for weapons.
        holders: The track of who holds each, `None` for what is no weapon.
    """

    image: npt.NDArray[np.uint8]
    people: Poses
    covered: npt.NDArray[np.bool_]
    track_ids: npt.NDArray[np.int64]
    weapons: Detections
    holders: tuple[int | None, ...]


def figure_scene(name: str) -> ArmedScene:
    """One of the seed's figures: ``raised_arm`` (7), ``neighbours`` (8) or ``car`` (5).

    Raises:
        KeyError: If there is no such figure.
    """
    return {"raised_arm": _raised_arm, "neighbours": _neighbours, "car": _car}[name]()


def random_armed_scene(rng: np.random.Generator, *, width: int = 480, height: int = 270) -> ArmedScene:
    """Two to four people close to each other, one of whom holds a pistol in any posture.

    One scene in five also has a box on something that is no weapon. One box in three stops short of a raised arm, and
    all are drawn a few percent off, as detectors do.
    """
    while True:
        camera, centre = random_camera(rng, width, height)
        count = int(rng.integers(2, 5))
        places = random_places(rng, camera, centre, count)
        if rng.uniform() < 0.6:  # shoulder to shoulder, or one before the other
            places[1] = places[0] + rng.normal(0, 1, 2) * 0.35
        figures = []
        for i, place in enumerate(places):
            posture = _armed_posture(rng) if i == 0 else random_posture(rng)
            posture.position, posture.heading = place, float(rng.uniform(-np.pi, np.pi))
            figures.append(Figure(random_person(rng), posture, armed=i == 0, seed=int(rng.integers(1000))))
        stage = random_stage(rng, camera, centre, places, outdoors=bool(rng.uniform() < 0.25))
        scene = render(stage, figures, rng)
        # A pistol of a few pixels is none that a detector reports.
        if len(scene.weapon_boxes) and 0 in scene.actors and _area(scene.weapon_boxes[0]) >= 24:
            break
    false_alarms = [_false_alarm(rng, scene)] if rng.uniform() < 0.2 else []
    return _as_detected(scene, rng, false_alarms=false_alarms)


_ARMED: Final[tuple[Callable[[np.random.Generator], Posture], ...]] = (
    lambda rng: motions.aim(rng.uniform(0, 9)),
    lambda rng: motions.aim(rng.uniform(0, 9), raised=rng.uniform(0.3, 1.0)),
    lambda rng: motions.aim(rng.uniform(0, 9), two_hands=True),
    lambda rng: motions.stand(rng.uniform(0, 9)),
    lambda rng: motions.walk(rng.uniform(0, 9)),
    lambda rng: motions.wave(rng.uniform(0, 9), hand=RIGHT),
    lambda rng: motions.crouch(rng.uniform(0.3, 1), rng.uniform(0, 9)),
    random_posture,
)


def _armed_posture(rng: np.random.Generator) -> Posture:
    return motions.vary(_ARMED[int(rng.integers(len(_ARMED)))](rng), rng)


def estimated(scene: ArmedScene, rng: np.random.Generator) -> ArmedScene:
    """The scene with joints as a pose network finds them: off by half of COCO's deviations, covered ones often missing.

    Two thirds of the covered joints are missing; the others, and a tenth of the rest, are off three times as far and
    have a low confidence.
    """
    joints = scene.people.keypoints.astype(np.float64)
    areas = np.array([_area(box) for box in scene.people.boxes])
    lost = scene.covered & (rng.uniform(size=scene.covered.shape) < 2 / 3)
    doubtful = (scene.covered | (rng.uniform(size=scene.covered.shape) < 0.1)) & ~lost
    deviation = 0.5 * COCO_SIGMAS * np.sqrt(areas)[:, None] * np.where(doubtful, 3.0, 1.0)
    joints[..., :2] += rng.normal(0, 1, (*deviation.shape, 2)) * deviation[..., None]
    confidence = np.where(doubtful, rng.uniform(0.1, 0.5, lost.shape), rng.uniform(0.6, 0.95, lost.shape))
    joints[..., 2] = np.where(lost | (joints[..., 2] == 0), 0.0, confidence)
    people = Poses(joints.astype(np.float32), scene.people.boxes, scene.people.scores)
    return ArmedScene(scene.image, people, scene.covered, scene.track_ids, scene.weapons, scene.holders)


def _as_detected(
    scene: RenderedScene,
    rng: np.random.Generator | None,
    *,
    false_alarms: list[Float],
    cut: tuple[int, ...] = (),
) -> ArmedScene:
    """Boxes as a detector draws them: exact but for `cut` people, or with random faults where `rng` is given."""
    boxes = scene.boxes.copy()
    for row, joints in enumerate(scene.keypoints):
        if row in cut or (rng is not None and rng.uniform() < 1 / 3):
            boxes[row] = _box_without_arms(joints, boxes[row])
    weapons = [*scene.weapon_boxes]
    if rng is not None:
        boxes += rng.normal(0, 0.02, boxes.shape) * _sides(boxes)
        weapons = [box + rng.normal(0, 0.05, 4) * _sides(box[None])[0] for box in weapons]
    found = np.array([*weapons, *false_alarms], np.float32).reshape(-1, 4)
    joints = scene.keypoints.copy()
    joints[..., 2] = joints[..., 2] > 0
    holders = [*(int(actor) + 1 for actor in scene.weapon_holders), *(None for _ in false_alarms)]
    count = len(found)
    return ArmedScene(
        image=scene.image,
        people=Poses(joints, _ordered(boxes), np.full(len(boxes), 0.9)),
        covered=scene.keypoints[..., 2] == 1,
        track_ids=scene.actors + 1,
        weapons=Detections(_ordered(found), np.full(count, 0.8), ("weapon",) * count),
        holders=tuple(holders),
    )


def _box_without_arms(joints: Float, box: Float) -> Float:
    """The box around head, trunk and legs, which detectors draw where an arm is stretched out."""
    body = [k for k in range(17) if k not in (*_ARMS[0], *_ARMS[1]) and joints[k, 2] > 0]
    if not body:
        return box
    low, high = joints[body, :2].min(axis=0), joints[body, :2].max(axis=0)
    margin = 0.07 * float(high[1] - low[1])
    trunk = np.array([*(low - margin), *(high + margin)], np.float32)
    kept = np.array([*np.maximum(trunk[:2], box[:2]), *np.minimum(trunk[2:], box[2:])], np.float32)
    return kept if (kept[2:] > kept[:2]).all() else box


def _false_alarm(rng: np.random.Generator, scene: RenderedScene) -> Float:
    """A weapon-sized box somewhere in the picture where no hand is."""
    height, width = scene.image.shape[:2]
    size = _sides(scene.weapon_boxes[:1])[0, :2] * rng.uniform(0.8, 2.0)
    hands = scene.keypoints[:, (9, 10)].reshape(-1, 3)
    hands = hands[hands[:, 2] > 0, :2]
    reach = 0.3 * _sides(scene.boxes)[:, 1].max()
    for _ in range(1000):
        corner = rng.uniform([0, 0], np.maximum([width, height] - size, 1))
        middle = corner + size / 2
        if len(hands) == 0 or np.linalg.norm(hands - middle, axis=1).min() > reach:
            return np.array([*corner, *(corner + size)], np.float32)
    return np.array([0, 0, *size], np.float32)


def _sides(boxes: Float) -> Float:
    """Width, height, width, height of [N, 4] boxes."""
    return np.tile(boxes[:, 2:] - boxes[:, :2], (1, 2))


def _ordered(boxes: Float) -> Float:
    return np.concatenate(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1
    )


def _area(box: npt.NDArray[np.floating]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _placed(posture: Posture, x: float, y: float, heading: float) -> Posture:
    posture.position, posture.heading = np.array([x, y]), heading
    return posture


def _view(*, outdoors: bool = False, furniture: Solids | None = None) -> Stage:
    """A camera 6 m from the origin that looks along x: its right is -y."""
    rng = np.random.default_rng(5)
    camera = Camera.looking_at([0.5, 0, 1.0], position=[-5.6, 0, 2.4], focal_px=560, width=640, height=360)
    reach = 12.0 if outdoors else 4.5
    room = Room.random(
        rng,
        low=np.array([-8.0, -reach, 0]),
        high=np.array([reach, reach, 8 if outdoors else 3.2]),
        outdoors=outdoors,
    )
    lighting = Lighting.random(rng, centre=np.zeros(3), ceiling=3.2, outdoors=outdoors)
    return Stage(camera, room, furniture or Solids(), lighting, Sensor(noise=2.0))


def _someone(seed: int) -> Person:
    return random_person(np.random.default_rng(seed))


def _raised_arm() -> ArmedScene:
    overhead = motions.stand(0.0)
    overhead.arms[RIGHT] = [0.2, 2.75, 0.0, 0.15]
    figures = [
        Figure(_someone(21), _placed(overhead, 0.0, 0.4, np.pi), armed=True, seed=1),
        Figure(_someone(22), _placed(motions.hands_up(0.0), 0.4, -1.3, np.pi - 0.6), seed=2),
    ]
    return _as_detected(render(_view(), figures, np.random.default_rng(7)), None, false_alarms=[], cut=(0,))


def _neighbours() -> ArmedScene:
    figures = [
        Figure(_someone(23), _placed(motions.aim(0.0), 0.0, 0.85, -np.pi / 2), armed=True, seed=3),
        Figure(_someone(24), _placed(motions.stand(0.0, sway=0.4), 0.35, -0.05, np.pi - 0.2), seed=4),
        Figure(_someone(28), _placed(motions.stand(0.0, sway=0.1), 1.2, -1.5, np.pi / 2 + 0.4), seed=5),
    ]
    return _as_detected(render(_view(), figures, np.random.default_rng(8)), None, false_alarms=[])


def _car() -> ArmedScene:
    furniture = Solids()
    add_furniture(
        furniture,
        np.random.default_rng(2),
        np.array([6.0, -2.8]),
        kind="car",
        heading=1.2,
        colour=(60, 66, 80),
    )
    stage = _view(outdoors=True, furniture=furniture)
    figures = [
        Figure(
            _someone(25),
            _placed(motions.aim(0.0, raised=0.55), 0.0, 0.9, -np.pi / 2 - 0.4),
            armed=True,
            seed=6,
        )
    ]
    corners = np.array(
        [[6 + dx, -2.8 + dy, z] for dx in (-1.2, 1.2) for dy in (-2.0, 2.0) for z in (0.0, 1.4)]
    )
    pixels = stage.camera.project(corners)
    box = np.array([*pixels.min(axis=0), *pixels.max(axis=0)], np.float32)
    return _as_detected(render(stage, figures, np.random.default_rng(9)), None, false_alarms=[box])


__all__ = ["FIGURES", "ArmedScene", "estimated", "figure_scene", "random_armed_scene"]
