"""Random scenes for training: as unlike each other as people, rooms and cameras are."""

from __future__ import annotations

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import random_person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.furniture import add_furniture
from activity.datasets.rendered.kinematics import place_joints
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.posture import LEFT, Posture
from activity.datasets.rendered.random_postures import random_posture
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.scene import RenderedScene, render
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.stage import Figure, Stage
from activity.datasets.rendered.vectors import Vector


def random_scene(
    rng: np.random.Generator, *, width: int, height: int, people: int, fire_chance: float = 0.06
) -> RenderedScene:
    """Render a scene of random people in a random room through a random camera.

    Args:
        rng: Source of all randomness; the same state gives the same scene.
        width: Pixels across.
        height: Pixels down.
        people: How many people to place; those that end up out of view or hidden are not in the truth.
        fire_chance: Probability of a fire on the floor, which may end up out of view.
    """
    camera, centre = random_camera(rng, width, height)
    figures = _random_figures(rng, camera, centre, people)
    outdoors = bool(rng.uniform() < 0.25)
    stage = random_stage(
        rng, camera, centre, [f.posture.position for f in figures], outdoors=outdoors, fire_chance=fire_chance
    )
    return render(stage, figures, rng, time_s=float(rng.uniform(0, 10)))


def random_camera(rng: np.random.Generator, width: int, height: int) -> tuple[Camera, Vector]:
    """A view of the origin's surroundings in which a person there is 25 to 85 % as tall as the picture."""
    focal = max(width, height) * rng.uniform(0.62, 1.7)
    tall = height * rng.uniform(0.25, 0.85)
    pitch = float(np.clip(rng.normal(0.38, 0.22), -0.02, 0.95))
    distance = float(np.clip(focal * 1.7 * np.cos(pitch) / tall, 1.8, 30.0))
    azimuth = rng.uniform(-np.pi, np.pi)
    back = np.array([np.cos(azimuth), np.sin(azimuth)])
    target = np.array([0.0, 0.0, rng.uniform(0.6, 1.1)])
    eye = np.array([*(target[:2] - back * distance * np.cos(pitch)), target[2] + distance * np.sin(pitch)])
    eye[2] = max(eye[2], 0.7)
    corner = float(np.hypot(width, height)) / 2 / focal
    barrel = -rng.uniform(0, 0.09) / corner**2 if rng.uniform() < 0.5 else 0.0
    aim = target + np.array([-back[1], back[0], 0.0]) * rng.normal(0, 0.06) * distance
    camera = Camera.looking_at(
        aim,
        position=eye,
        focal_px=focal,
        width=width,
        height=height,
        roll=rng.normal(0, 0.04),
        distortion=barrel,
    )
    return camera, np.zeros(3)


def _random_figures(rng: np.random.Generator, camera: Camera, centre: Vector, people: int) -> list[Figure]:
    places = random_places(rng, camera, centre, people)
    figures: list[Figure] = []
    while len(figures) < people:
        place = places[len(figures)]
        if people - len(figures) >= 2 and rng.uniform() < 0.25:
            figures += _random_pair(rng, place)
            continue
        posture = random_posture(rng)
        posture.position = place
        posture.heading = rng.uniform(-np.pi, np.pi)
        figures.append(
            Figure(
                random_person(rng), posture, armed=bool(rng.uniform() < 0.08), seed=int(rng.integers(1000))
            )
        )
    return figures


def random_places(rng: np.random.Generator, camera: Camera, centre: Vector, people: int) -> list[Vector]:
    """Spots on the floor in view, not nearer to each other than bodies can be, unless there is no room left."""
    away = centre[:2] - camera.position[:2]
    distance = float(np.linalg.norm(away))
    forward = away / distance
    side = np.array([-forward[1], forward[0]])
    half = 0.55 * camera.width / camera.focal_px * max(distance, 1.0)
    depth = min(0.45 * distance, 5.0)
    places: list[Vector] = []
    gap = rng.uniform(0.4, 0.9)
    for _ in range(60 * people):
        if len(places) == people:
            break
        if places and rng.uniform() < 0.25:
            spot = places[int(rng.integers(len(places)))] + rng.normal(0, 0.6, 2)
        else:
            spot = centre[:2] + side * rng.uniform(-half, half) + forward * rng.uniform(-depth, depth * 1.4)
        local = camera.to_camera(np.array([*spot, 0.9]))
        if local[2] < 1.4:
            continue
        x, y = camera.project_camera(local)
        if not (0.02 * camera.width < x < 0.98 * camera.width and 0 < y < camera.height):
            continue
        if all(np.linalg.norm(spot - other) > gap for other in places):
            places.append(spot)
    while len(places) < people:
        places.append(centre[:2] + rng.normal(0, 1.0, 2))
    return places


def _random_pair(rng: np.random.Generator, place: Vector) -> list[Figure]:
    """Two people who fight, hold or meet each other around a spot."""
    axis = rng.uniform(-np.pi, np.pi)
    ahead = np.array([np.cos(axis), np.sin(axis)])
    time_s = float(rng.uniform(0, 10))
    kind = int(rng.integers(5))
    gap = (0.75, 0.95, 0.55, 0.9, 1.1)[kind] * rng.uniform(0.85, 1.15)
    persons = [random_person(rng), random_person(rng)]
    spots = [place - ahead * gap / 2, place + ahead * gap / 2]
    headings = [axis + rng.normal(0, 0.15), axis + np.pi + rng.normal(0, 0.15)]

    def face_of(i: int) -> Vector:
        stance = motions.guard(time_s)
        stance.position, stance.heading = spots[i], headings[i]
        return place_joints(persons[i].proportions, stance).head

    second: Posture
    match kind:
        case 0:
            first = motions.punch(time_s, rng.uniform(0.3, 1), hand=int(rng.integers(2)), target=face_of(1))
            second = motions.recoil(rng.uniform(0, 1))
        case 1:
            first = motions.kick(rng.uniform(0.3, 1), leg=int(rng.integers(2)))
            second = motions.recoil(rng.uniform(0, 0.7))
        case 2:
            grips = np.stack([face_of(1), face_of(1)]) + rng.normal(0, 0.08, (2, 3)) - [0, 0, 0.15]
            first = motions.grapple(time_s, targets=grips)
            grips = np.stack([face_of(0), face_of(0)]) + rng.normal(0, 0.08, (2, 3)) - [0, 0, 0.2]
            second = motions.grapple(time_s + 0.7, targets=grips)
        case 3:
            first = motions.kick(rng.uniform(0.2, 0.6), leg=LEFT)
            second = motions.fall(
                rng.uniform(0.5, 1), backward=bool(rng.integers(2)), side=rng.normal(0, 0.8)
            )
        case _:
            first, second = motions.guard(time_s), motions.guard(time_s + 0.4, left_foot_first=False)
    figures = []
    for person, posture, spot, heading in zip(persons, (first, second), spots, headings, strict=True):
        motions.vary(posture, rng, amount=0.7)
        posture.position, posture.heading = spot, heading
        figures.append(Figure(person, posture, seed=int(rng.integers(1000))))
    return figures


def random_stage(
    rng: np.random.Generator,
    camera: Camera,
    centre: Vector,
    occupied: list[Vector],
    *,
    outdoors: bool,
    fire_chance: float = 0.06,
) -> Stage:
    """A room or a street around the people at `occupied`, [2] in metres each, with furniture, light and a sensor."""
    around = np.array([camera.position[:2], *occupied])
    if outdoors:
        low = np.array([*(around.min(axis=0) - rng.uniform(6, 25, 2)), 0.0])
        high = np.array([*(around.max(axis=0) + rng.uniform(6, 25, 2)), max(camera.position[2] + 3, 12.0)])
    else:
        low = np.array([*(around.min(axis=0) - rng.uniform(0.5, 4, 2)), 0.0])
        high = np.array([*(around.max(axis=0) + rng.uniform(0.5, 4, 2)), max(camera.position[2] + 0.3, 2.6)])
    room = Room.random(rng, low=low, high=high, outdoors=outdoors)
    furniture = Solids()
    for _ in range(int(rng.integers(0, 6))):
        spot = rng.uniform(low[:2], high[:2]) if rng.uniform() < 0.4 else centre[:2] + rng.normal(0, 1.8, 2)
        near_camera = np.linalg.norm(spot - camera.position[:2]) < 1.3
        if not near_camera and all(np.linalg.norm(spot - other) > 0.6 for other in occupied):
            add_furniture(furniture, rng, spot)
    fire = None
    if rng.uniform() < fire_chance:
        spot = centre[:2] + rng.normal(0, 2.0, 2)
        if all(np.linalg.norm(spot - other) > 0.7 for other in occupied):
            fire = Fire(
                np.array([*spot, 0.0]), rng.uniform(0.3, 1.0), rng.uniform(0.4, 1.4), phase=rng.uniform(0, 9)
            )
    lighting = Lighting.random(rng, centre=centre, ceiling=float(high[2]), outdoors=outdoors)
    return Stage(camera, room, furniture, lighting, Sensor.random(rng), fire)
