"""Scenes of moderate variety: people who stand, walk and fight before a camera high on the wall of a room.

`activity.datasets.rendered.random_scene` varies everything; a small one-shot network that starts from scratch
needs far more of those than of these before it finds anybody.
"""

from __future__ import annotations

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import random_person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.furniture import add_furniture
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.posture import Posture
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.scene import RenderedScene, render
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids
from activity.datasets.rendered.stage import Figure, Stage
from activity.datasets.rendered.vectors import Vector

PLACES_TRIED = 40


def surveillance_scene(rng: np.random.Generator, *, width: int, height: int, people: int) -> RenderedScene:
    """Render a room from 2.4 to 3.6 m above its floor, with people a third to two thirds as tall as the picture.

    Args:
        rng: Source of all randomness; the same state gives the same scene.
        width: Pixels across.
        height: Pixels down.
        people: How many people to place, as far as there is room for them.
    """
    camera = _camera(rng, width, height)
    figures = _figures(rng, camera, people)
    low = np.array([camera.position[0] - 1, -rng.uniform(3, 5), 0])
    high = np.array([rng.uniform(3, 6), rng.uniform(3, 5), camera.position[2] + 0.3])
    furniture = Solids()
    for _ in range(int(rng.integers(0, 4))):
        spot = rng.uniform([-1, low[1] + 0.5], [high[0] - 0.5, high[1] - 0.5])
        if all(np.linalg.norm(spot - figure.posture.position) > 0.9 for figure in figures):
            add_furniture(furniture, rng, spot)
    stage = Stage(
        camera,
        Room.random(rng, low=low, high=high, outdoors=False),
        furniture,
        Lighting.random(rng, centre=np.zeros(3), ceiling=float(high[2]), outdoors=False),
        Sensor(
            gain=float(rng.uniform(0.8, 1.2)),
            saturation=float(rng.uniform(0.6, 1.1)),
            vignette=float(rng.uniform(0, 0.3)),
            blur_px=float(rng.uniform(0.3, 0.7)),
            noise=float(rng.uniform(1, 4)),
            sharpen=float(rng.uniform(0, 0.5)),
            jpeg_quality=int(rng.integers(75, 100)),
        ),
    )
    return render(stage, figures, rng)


def _camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    focal_px = width * rng.uniform(1.1, 1.7)
    tall_px = height * rng.uniform(0.36, 0.6)
    distance = focal_px * 1.7 / tall_px
    eye_height = rng.uniform(2.4, 3.6)
    return Camera.looking_at(
        [rng.normal(0.3, 0.3), rng.normal(0, 0.3), rng.uniform(0.6, 1.0)],
        position=[-distance, rng.normal(0, 0.8), eye_height],
        focal_px=focal_px,
        width=width,
        height=height,
        distortion=-rng.uniform(0, 0.06),
    )


def _figures(rng: np.random.Generator, camera: Camera, people: int) -> list[Figure]:
    figures: list[Figure] = []

    def add(posture: Posture, place: Vector, heading: float) -> None:
        posture.position, posture.heading = place, heading
        motions.vary(posture, rng, amount=0.8)
        figures.append(Figure(random_person(rng), posture, seed=int(rng.integers(1000))))

    half_width = 0.45 * camera.width / camera.focal_px * -camera.position[0]
    for _ in range(PLACES_TRIED):
        if len(figures) >= people:
            break
        place = np.array([rng.uniform(-1.5, 2.5), rng.uniform(-half_width, half_width)])
        if any(np.linalg.norm(place - figure.posture.position) < 0.8 for figure in figures):
            continue
        if people - len(figures) >= 2 and rng.random() < 0.35:
            axis = rng.uniform(-np.pi, np.pi)
            apart = rng.uniform(0.35, 0.5) * np.array([np.cos(axis), np.sin(axis)])
            face = np.array([*(place + apart), 1.55])
            strike = motions.punch(
                rng.uniform(0, 9), rng.uniform(0, 1), hand=int(rng.integers(2)), target=face
            )
            add(strike if rng.random() < 0.7 else _posture(rng), place - apart, axis)
            struck = (
                motions.recoil(rng.uniform(0, 1)) if rng.random() < 0.5 else motions.guard(rng.uniform(0, 9))
            )
            add(struck, place + apart, axis + np.pi)
        else:
            add(_posture(rng), place, rng.uniform(-np.pi, np.pi))
    return figures


def _posture(rng: np.random.Generator) -> Posture:
    """What one person does alone, mostly upright."""
    time_s, share, hand = float(rng.uniform(0, 20)), float(rng.uniform(0, 1)), int(rng.integers(2))
    match int(rng.choice(9, p=[0.27, 0.21, 0.1, 0.12, 0.06, 0.04, 0.12, 0.04, 0.04])):
        case 0:
            posture = motions.walk(time_s, speed=rng.uniform(0.6, 1.6))
        case 1:
            posture = motions.stand(time_s, sway=share, hip_shift=rng.uniform(-1, 1))
        case 2:
            posture = motions.guard(time_s, left_foot_first=bool(hand))
        case 3:
            posture = motions.aim(time_s, raised=share**0.5)
        case 4:
            posture = motions.kick(share, leg=hand)
        case 5:
            posture = motions.phone(time_s, hand=hand)
        case 6:
            posture = motions.hands_up(time_s, bend=0.2 + 1.8 * share)
        case 7:
            posture = motions.crouch(0.6 * share, time_s)
        case _:
            posture = motions.cross_arms(time_s)
    return posture
