"""The bundled clip's story: a fight, a pistol and a fire in one room, or the same people in peace."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import Person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.furniture import add_furniture
from activity.datasets.rendered.lighting import Lamp, Lighting
from activity.datasets.rendered.posture import LEFT, RIGHT, Posture, Proportions, blend
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Pattern, Solids, Surface
from activity.datasets.rendered.stage import Stage
from activity.datasets.rendered.staging import Actor, Beat, Interval, StagedScene
from activity.datasets.rendered.vectors import Vector
from activity.datasets.rendered.wardrobe import Headwear, Outfit, linear

WIDTH: Final = 640
HEIGHT: Final = 360
DURATION_S: Final = 10.0
FIGHT: Final = Interval(2.6, 8.6)
WEAPON: Final = Interval(3.4, 8.0)
FIRE_START_S: Final = 1.5

_LEFT_FIGHTER, _RIGHT_FIGHTER, _GUNMAN, _PASSER, _BYSTANDER = range(5)


def demo_story(*, seed: int, quiet: bool = False) -> StagedScene:
    """The scene that `scripts/render_demo_clip.py` films.

    Args:
        seed: Draws clothes, room and noise; the script stays the same.
        quiet: The same people walk, stand and talk; no fight, no weapon, no fire.
    """
    rng = np.random.default_rng(seed)
    people = _cast(rng)
    actors = _quiet_actors(people) if quiet else _actors(people)
    return StagedScene(
        stage=_stage(rng, quiet=quiet),
        actors=actors,
        duration_s=DURATION_S,
        fight=None if quiet else FIGHT,
        fighters=() if quiet else (_LEFT_FIGHTER, _RIGHT_FIGHTER),
        seed=seed,
    )


def _cast(rng: np.random.Generator) -> list[Person]:
    """Five people who can be told apart."""
    looks: tuple[tuple[float, tuple[int, int, int], tuple[int, int, int], float, Headwear], ...] = (
        # stature, top, trousers, sleeve, headwear
        (1.80, (172, 44, 40), (38, 46, 70), 1.0, "short"),
        (1.76, (214, 212, 204), (40, 40, 44), 0.42, "short"),
        (1.79, (52, 60, 54), (84, 92, 116), 1.0, "cap"),
        (1.68, (64, 112, 168), (52, 50, 52), 0.42, "bob"),
        (1.72, (196, 160, 84), (62, 58, 54), 1.0, "short"),
    )
    people = []
    for stature, top, trousers, sleeve, headwear in looks:
        base = Outfit.random(rng)
        outfit = replace(
            base,
            top=Surface(linear(top), wrinkles=0.8, pattern=Pattern.PLAIN),
            trousers=Surface(linear(trousers), wrinkles=0.7),
            hair=replace(base.hair, colour=linear((34, 26, 20))),
            sleeve=sleeve,
            sleeve_pattern=Pattern.PLAIN,
            trouser_length=1.0,
            headwear=headwear,
            bust=0.6 if headwear == "bob" else 0.0,
            skirt_length=0.0,
            backpack=None,
            bag=None,
        )
        people.append(Person(Proportions.of_stature(stature), float(rng.uniform(0.95, 1.06)), outfit))
    return people


def _stage(rng: np.random.Generator, *, quiet: bool) -> Stage:
    camera = Camera.looking_at(
        [0.6, 0.0, 0.75],
        position=[-6.5, 0.25, 3.1],
        focal_px=620,
        width=WIDTH,
        height=HEIGHT,
        distortion=-0.04,
    )
    room = Room.random(rng, low=np.array([-7.5, -4.2, 0.0]), high=np.array([4.6, 4.4, 3.3]), outdoors=False)
    furniture = Solids()
    pieces: tuple[tuple[str, float, float, float, tuple[int, int, int]], ...] = (
        # kind, x, y, heading, colour
        ("counter", 4.1, 0.9, np.pi / 2, (150, 118, 84)),
        ("shelf", 4.2, -1.5, np.pi, (110, 84, 60)),
        ("plant", 4.1, 3.9, 0.0, (120, 90, 70)),
    )
    for kind, x, y, heading, colour in pieces:
        add_furniture(furniture, rng, np.array([x, y]), kind=kind, heading=heading, colour=colour)
    lamps = (
        Lamp(np.array([0.2, 0.5, 3.25]), np.array([0.62, 0.60, 0.56]), 2.6),
        Lamp(np.array([2.6, -1.6, 3.25]), np.array([0.40, 0.40, 0.38]), 2.6),
        Lamp(np.array([-4.5, -1.0, 3.25]), np.array([0.45, 0.44, 0.42]), 3.0),
    )
    lighting = Lighting(np.array([0.34, 0.34, 0.35]), np.array([0.16, 0.15, 0.14]), lamps, shadow=0.4)
    sensor = Sensor(
        gain=1.0,
        gamma=0.45,
        noise=2.5,
        blur_px=0.5,
        sharpen=0.35,
        vignette=0.2,
        saturation=0.85,
        jpeg_quality=88,
    )
    fire = None if quiet else Fire(np.array([3.9, -3.3, 0.0]), 0.8, 1.25, start_s=FIRE_START_S)
    return Stage(camera, room, furniture, lighting, sensor, fire)


def _walker(actor_path: tuple[tuple[float, float, float], ...], person: Person, speed: float) -> Beat:
    """Walk along a path: the legs move as far as the body does."""
    stride = motions.stride_length(person.stature, speed)
    legs = Actor(person, 0, actor_path, ((0.0, 0.0),), (Beat(0.0, motions.stand),))
    return Beat(-1.0, lambda t: motions.walk(legs.travelled(t) / stride, speed=speed))


_PUNCHES: Final = (
    # time of impact, who strikes, hand
    (2.9, _LEFT_FIGHTER, RIGHT), (3.5, _RIGHT_FIGHTER, LEFT), (4.05, _LEFT_FIGHTER, LEFT), (4.4, _LEFT_FIGHTER, RIGHT),
    (5.0, _RIGHT_FIGHTER, RIGHT), (5.6, _RIGHT_FIGHTER, LEFT), (6.1, _LEFT_FIGHTER, RIGHT), (7.4, _LEFT_FIGHTER, LEFT),
    (7.8, _RIGHT_FIGHTER, RIGHT), (8.3, _LEFT_FIGHTER, RIGHT),
)  # fmt: skip
_KICK_S: Final = 6.8


def _strike(time_s: float, impact_s: float) -> float:
    """Extension of a blow: out within 0.2 s, held for a moment, back within 0.3 s."""
    return min(
        motions.smooth_step((time_s - impact_s + 0.2) / 0.2),
        1 - motions.smooth_step((time_s - impact_s - 0.06) / 0.3),
    )


def _fight(who: int, opponent_face: Vector) -> Beat:
    def act(time_s: float) -> Posture:
        posture = motions.guard(time_s + 0.3 * who, left_foot_first=True)
        for impact_s, striker, hand in _PUNCHES:
            if striker == who and abs(time_s - impact_s) < 0.4:
                return motions.punch(time_s, _strike(time_s, impact_s), hand=hand, target=opponent_face)
            hit = _strike(time_s, impact_s + 0.1)
            if striker != who and hit > 0:
                posture = blend(posture, motions.recoil(0.9), hit)
        kick = _strike(time_s, _KICK_S)
        if who == _RIGHT_FIGHTER and kick > 0:
            posture = blend(posture, motions.kick(kick, leg=RIGHT), min(1.0, 3 * kick))
        elif who == _LEFT_FIGHTER and kick > 0:
            posture = blend(posture, motions.recoil(0.6), kick)
        return posture

    return Beat(FIGHT.start_s - 0.5, act)


def _actors(people: list[Person]) -> tuple[Actor, ...]:
    facing_right, facing_left = -np.pi / 2, np.pi / 2  # the camera looks along x, so its right is -y
    left_path = ((0.0, 0.3, 1.9), (2.1, 0.0, 0.44), (8.7, 0.0, 0.40), (10.0, 0.1, 0.75))
    right_path = ((0.0, 0.2, -1.9), (2.2, 0.0, -0.44), (8.7, 0.0, -0.48), (10.0, 0.0, -0.95))
    left_face, right_face = np.array([0.0, 0.30, 1.58]), np.array([0.0, -0.30, 1.56])
    after = FIGHT.end_s + 0.1
    left = Actor(
        people[_LEFT_FIGHTER], 11, left_path, ((0.0, facing_right),),
        (_walker(left_path, people[_LEFT_FIGHTER], 0.8), _fight(_LEFT_FIGHTER, right_face), Beat(after, motions.guard, 0.5)),
    )  # fmt: skip
    right = Actor(
        people[_RIGHT_FIGHTER], 12, right_path, ((0.0, facing_left),),
        (_walker(right_path, people[_RIGHT_FIGHTER], 0.8), _fight(_RIGHT_FIGHTER, left_face),
         Beat(after, lambda t: motions.crouch(0.25, t), 0.6)),
    )  # fmt: skip

    def raise_arm(t: float) -> Posture:
        up = min((t - WEAPON.start_s) / 0.8, (WEAPON.end_s - t) / 0.8)
        return motions.aim(t, raised=float(np.clip(up, 0, 1)))

    gunman = Actor(
        people[_GUNMAN], 13, ((0.0, 1.1, 2.35),), ((0.0, facing_right - 0.3), (2.5, facing_right - 0.15)),
        (Beat(-1.0, lambda t: motions.stand(t, hip_shift=0.3)), Beat(WEAPON.start_s - 0.3, raise_arm),
         Beat(WEAPON.end_s, motions.stand)),
        armed=WEAPON,
    )  # fmt: skip
    passer_path = ((0.0, -1.2, 3.1), (5.2, -1.1, -2.35), (10.0, -1.1, -2.35))
    passer = Actor(
        people[_PASSER], 14, passer_path, ((0.0, facing_right), (5.0, facing_right), (5.7, 0.6), (10.0, 0.7)),
        (_walker(passer_path, people[_PASSER], 1.05), Beat(5.1, lambda t: motions.stand(t, sway=0.4))),
    )  # fmt: skip
    bystander = Actor(
        people[_BYSTANDER], 15, ((0.0, 2.0, -1.75),), ((0.0, 2.5), (3.0, 2.5), (3.6, 2.2)),
        (Beat(-1.0, lambda t: motions.phone(t, hand=RIGHT)), Beat(3.1, lambda t: motions.stand(t, sway=0.7)),
         Beat(6.0, motions.hands_up, 0.7)),
    )  # fmt: skip
    return left, right, gunman, passer, bystander


def _quiet_actors(people: list[Person]) -> tuple[Actor, ...]:
    facing_right, facing_left = -np.pi / 2, np.pi / 2
    left_path = ((0.0, 0.3, 2.6), (2.6, 0.2, 0.6), (10.0, 0.2, 0.6))
    right_path = ((0.0, 0.2, -2.4), (2.4, 0.2, -0.55), (10.0, 0.2, -0.55))
    left = Actor(
        people[_LEFT_FIGHTER], 11, left_path, ((0.0, facing_right), (2.5, facing_right), (3.2, facing_right - 0.4)),
        (_walker(left_path, people[_LEFT_FIGHTER], 0.8), Beat(2.5, motions.stand, 0.5), Beat(6.0, motions.hands_on_hips, 0.9)),
    )  # fmt: skip
    right = Actor(
        people[_RIGHT_FIGHTER], 12, right_path, ((0.0, facing_left), (2.5, facing_left), (3.2, facing_left + 0.4)),
        (_walker(right_path, people[_RIGHT_FIGHTER], 0.8), Beat(2.3, lambda t: motions.stand(t, sway=0.3), 0.5)),
    )  # fmt: skip
    third = Actor(
        people[_GUNMAN],
        13,
        ((0.0, 1.1, 2.35),),
        ((0.0, facing_right - 0.5),),
        (Beat(-1.0, motions.cross_arms),),
    )
    passer_path = ((0.0, -1.2, 3.1), (5.2, -1.1, -2.35), (10.0, -1.1, -2.35))
    passer = Actor(
        people[_PASSER], 14, passer_path, ((0.0, facing_right), (5.0, facing_right), (5.7, 0.6)),
        (_walker(passer_path, people[_PASSER], 1.05), Beat(5.1, lambda t: motions.stand(t, sway=0.4))),
    )  # fmt: skip
    bystander = Actor(
        people[_BYSTANDER],
        15,
        ((0.0, 2.0, -1.75),),
        ((0.0, 2.4),),
        (Beat(-1.0, lambda t: motions.phone(t, hand=LEFT)),),
    )
    return left, right, third, passer, bystander
