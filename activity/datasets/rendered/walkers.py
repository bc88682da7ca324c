"""People who walk past each other and behind things: for trackers, with exact truth."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import random_person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids, Surface
from activity.datasets.rendered.stage import Stage
from activity.datasets.rendered.staging import Actor, Beat, StagedScene
from activity.datasets.rendered.wardrobe import linear

WalkKind = Literal["crossing", "occlusion", "crowd"]
WALK_KINDS: Final[tuple[WalkKind, ...]] = get_args(WalkKind)
WIDTH: Final = 480
HEIGHT: Final = 270
DURATION_S: Final = 5.0

_SCREEN_X: Final = -0.9
_RIGHT: Final = -np.pi / 2
"""Heading of one who walks to the right: the camera looks along x, so its right is -y."""


def walking_scene(kind: WalkKind, *, seed: int) -> StagedScene:
    """Stage a short walk; people, clothes, room, light, camera and its faults are drawn by `seed`.

    Args:
        kind: ``crossing``: two people walk past each other, one in front of the other, and a third stands by.
            ``occlusion``: one walks behind a screen and is hidden for about a second, another walks before it.
            ``crowd``: five people walk across each other's ways.
        seed: Draws everything.
    """
    rng = np.random.default_rng([seed, WALK_KINDS.index(kind)])
    camera = Camera.looking_at(
        [0.6, rng.uniform(-0.2, 0.2), 0.8],
        position=[-rng.uniform(6.2, 7.4), rng.uniform(-0.6, 0.6), rng.uniform(2.6, 3.4)],
        focal_px=float(rng.uniform(420, 480)),
        width=WIDTH,
        height=HEIGHT,
    )
    outdoors = bool(rng.uniform() < 0.3)
    low, high = np.array([-9.0, -6.0, 0.0]), np.array([5.5, 6.0, 12.0 if outdoors else 3.6])
    furniture = Solids()
    if kind == "occlusion":
        colour = Surface(linear(rng.uniform(60, 200, 3)))
        furniture.add_box(np.array([_SCREEN_X, 0.0, 1.15]), np.eye(3), (0.05, 0.62, 1.15), colour)
    stage = Stage(
        camera,
        Room.random(rng, low=low, high=high, outdoors=outdoors),
        furniture,
        Lighting.random(rng, centre=np.array([0.5, 0.0, 1.0]), ceiling=float(high[2]), outdoors=outdoors),
        Sensor.random(rng),
    )
    return StagedScene(stage, _actors(kind, rng), DURATION_S, fight=None, fighters=(), seed=seed)


def _actors(kind: WalkKind, rng: np.random.Generator) -> tuple[Actor, ...]:
    if kind == "crossing":
        away, near = rng.uniform(0.5, 1.2), rng.uniform(-0.9, -0.2)
        return (
            _walker(rng, away, 2.4, -2.4),
            _walker(rng, near, -2.2, 2.2),
            _stander(rng, rng.uniform(1.8, 2.6), rng.choice([-1, 1]) * rng.uniform(1.2, 1.9)),
        )
    if kind == "occlusion":
        return _walker(rng, rng.uniform(0.5, 0.9), 2.3, -2.3), _walker(
            rng, rng.uniform(-2.0, -1.6), -1.9, 1.9
        )
    depths = rng.permutation(np.linspace(-1.6, 2.4, 5)) + rng.uniform(-0.2, 0.2, 5)
    sides = rng.permutation([1, 1, -1, -1, -1])
    return tuple(
        _walker(
            rng, depth, side * rng.uniform(1.4, 2.6), -side * rng.uniform(1.2, 2.6), slope=rng.normal(0, 0.5)
        )
        for depth, side in zip(depths, sides, strict=True)
    )


def _walker(rng: np.random.Generator, depth: float, start: float, end: float, *, slope: float = 0.0) -> Actor:
    """Walk from y = `start` to y = `end` in metres over the whole scene, `slope` metres further away at the end."""
    person = random_person(rng)
    path = ((0.0, depth, start), (DURATION_S, depth + slope, end))
    speed = abs(end - start) / DURATION_S
    stride = motions.stride_length(person.stature, speed)
    phase = float(rng.uniform())
    heading = float(np.arctan2(end - start, slope))
    walk = Beat(-1.0, lambda t: motions.walk(phase + max(t, 0.0) * speed / stride, speed=speed))
    return Actor(person, int(rng.integers(1000)), path, ((0.0, heading),), (walk,))


def _stander(rng: np.random.Generator, depth: float, side: float) -> Actor:
    person = random_person(rng)
    heading = _RIGHT + float(rng.uniform(-2.5, 2.5))
    stand = Beat(-1.0, lambda t: motions.stand(t, sway=0.4))
    return Actor(person, int(rng.integers(1000)), ((0.0, depth, side),), ((0.0, heading),), (stand,))
