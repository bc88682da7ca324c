"""Scenes of walking skeletons whose people are known exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from activity.structures import Poses

# Joints of a standing person of height 1, feet at (0, 0), y down.
_STANDING = np.array(
    [
        (0.00, -0.93), (-0.02, -0.95), (0.02, -0.95), (-0.05, -0.94), (0.05, -0.94),
        (-0.11, -0.82), (0.11, -0.82), (-0.14, -0.64), (0.14, -0.64), (-0.15, -0.48), (0.15, -0.48),
        (-0.08, -0.50), (0.08, -0.50), (-0.08, -0.26), (0.08, -0.26), (-0.08, -0.02), (0.08, -0.02),
    ]
)  # fmt: skip
_SWING = np.array([0] * 7 + [0.04, -0.04, 0.09, -0.09, 0, 0, -0.07, 0.07, -0.15, 0.15])


Path = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Walker:
    """One person of a scene.

    Attributes:
        number: The true id.
        path: Feet in pixels, x and y, at a time in seconds.
        height_px: Height of the person.
        present_s: From when to when the person is in the scene.
        phase: Where in the stride the person starts, in radians.
    """

    number: int
    path: Path
    height_px: float = 120
    present_s: tuple[float, float] = (0, math.inf)
    phase: float = 0.0

    def joints(self, time_s: float) -> npt.NDArray[np.float64]:
        x, y = self.path(time_s)
        stride = math.sin(2 * math.pi * 1.8 * time_s + self.phase)
        joints = _STANDING.copy()
        joints[:, 0] += _SWING * stride
        return joints * self.height_px + (x, y)


@dataclass(frozen=True)
class SceneFrame:
    """What an estimator says of one frame, and who is who: `numbers` names each pose's true person, 0 none."""

    index: int
    time_s: float
    poses: Poses
    numbers: npt.NDArray[np.int64]
    true_numbers: npt.NDArray[np.int64]
    true_boxes: npt.NDArray[np.float64]


@dataclass
class Scene:
    """Walkers seen by an imperfect estimator.

    Attributes:
        walkers: The people; of two who overlap, the one whose feet are higher in the picture is behind.
        jitter: Standard deviation of a joint, as a share of the height.
        missed: Share of people overlooked in a frame for no reason.
        hidden: Numbers of people who are overlooked from one time to another: (number, from, to).
        occlusion: Overlap with someone in front above which a person is not found at all, and above half
            of which the score is low.
        false_alarms: Mean number of poses where nobody is, in a frame.
    """

    walkers: Sequence[Walker]
    seconds: float = 6.0
    rate_hz: float = 15.0
    seed: int = 0
    jitter: float = 0.015
    missed: float = 0.0
    hidden: Sequence[tuple[int, float, float]] = ()
    occlusion: float = 1.1
    false_alarms: float = 0.0
    irregular: float = 0.0
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def frames(self) -> Iterator[SceneFrame]:
        for index in range(round(self.seconds * self.rate_hz)):
            time_s = (index + self.random.uniform(0, self.irregular)) / self.rate_hz
            yield self._frame(index, time_s)

    def _frame(self, index: int, time_s: float) -> SceneFrame:
        present = [w for w in self.walkers if w.present_s[0] <= time_s < w.present_s[1]]
        joints = [w.joints(time_s) for w in present]
        boxes = np.array([_box(j) for j in joints]).reshape(-1, 4)
        keypoints, numbers, scores, seen = [], [], [], []
        for i, walker in enumerate(present):
            behind = max(
                (
                    _covered(boxes[i], boxes[k])
                    for k in range(len(present))
                    if _in_front(present, k, i, time_s)
                ),
                default=0,
            )
            if any(n == walker.number and a <= time_s < b for n, a, b in self.hidden):
                continue
            if behind > self.occlusion or self.random.random() < self.missed:
                continue
            low = behind > self.occlusion / 2
            noise = self.random.normal(0, self.jitter * walker.height_px * (2 if low else 1), (17, 2))
            confidence = np.where(self.random.random(17) < (0.5 if low else 0.05), 0, 0.8)
            keypoints.append(np.column_stack([joints[i] + noise, confidence]))
            numbers.append(walker.number)
            scores.append(self.random.uniform(0.15, 0.5) if low else self.random.uniform(0.5, 0.95))
            edge = self.random.normal(0, 0.5 * self.jitter * walker.height_px, 4)
            seen.append(boxes[i] + edge)
        for _ in range(self.random.poisson(self.false_alarms)):
            x, y, height = (
                self.random.uniform(0, 640),
                self.random.uniform(100, 480),
                self.random.uniform(60, 160),
            )
            ghost = Walker(0, _standing(x, y), height, phase=x).joints(0)
            keypoints.append(np.column_stack([ghost, np.full(17, 0.3)]))
            numbers.append(0)
            scores.append(self.random.uniform(0.1, 0.6))
            seen.append(_box(ghost))
        order = self.random.permutation(len(numbers))  # estimators list people in any order
        poses = Poses.empty()
        if len(order):
            poses = Poses(np.array(keypoints)[order], np.array(seen)[order], np.array(scores)[order])
        return SceneFrame(
            index, time_s, poses, np.array(numbers, np.int64)[order],
            np.array([w.number for w in present], np.int64), boxes,
        )  # fmt: skip


def _box(joints: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    margin = 0.05 * (joints[:, 1].max() - joints[:, 1].min())
    return np.concatenate([joints.min(axis=0) - margin, joints.max(axis=0) + margin])


def _in_front(present: Sequence[Walker], k: int, i: int, time_s: float) -> bool:
    return k != i and present[k].path(time_s)[1] > present[i].path(time_s)[1]


def _covered(box: npt.NDArray[np.float64], front: npt.NDArray[np.float64]) -> float:
    """Share of the box that lies behind the other."""
    sides = np.minimum(box[2:], front[2:]) - np.maximum(box[:2], front[:2])
    return float(np.clip(sides, 0, None).prod() / (box[2:] - box[:2]).prod())


def crossing_scene(**options: float) -> Scene:
    """Two people who walk through each other's way at nearly the same depth."""
    return Scene(
        [
            Walker(1, lambda t: (120 + 70 * t, 300), phase=0.3),
            Walker(2, lambda t: (520 - 70 * t, 306), phase=2.0),
        ],
        **options,  # type: ignore[arg-type]
    )


def crowd_scene(seed: int, *, people: int = 6, **options: float) -> Scene:
    """People who walk straight, turn, wait, come and go, at different depths."""
    random = np.random.default_rng(1000 + seed)
    walkers = []
    for number in range(1, people + 1):
        depth = random.uniform(0, 1)
        height, base = 70 + 90 * depth, 200 + 230 * depth
        start, speed = random.uniform(60, 580), random.uniform(-1.1, 1.1) * height * 0.7
        turn, sway = random.uniform(1, 5), random.uniform(0, 0.25) * height

        path = _wandering(start, speed, turn, sway, base)
        enter = float(random.choice([0, 0, random.uniform(0, 3)]))
        leave = float(random.choice([math.inf, math.inf, random.uniform(4, 6)]))
        walkers.append(Walker(number, path, float(height), (enter, leave), float(random.uniform(0, 6))))
    return Scene(walkers, seed=seed, **{"occlusion": 0.6, "missed": 0.05, "false_alarms": 0.2, **options})  # type: ignore[arg-type]


def _wandering(*shape: float) -> Path:
    start, speed, turn, sway, base = shape

    def path(time_s: float) -> tuple[float, float]:
        x = start + speed * min(time_s, turn) - 0.8 * speed * max(0.0, time_s - turn)
        return x, base + sway * math.sin(0.9 * time_s)

    return path


def _standing(x: float, y: float) -> Path:
    return lambda _: (x, y)


def fight_scene(seed: int, **options: float) -> Scene:
    """Two people who push each other about with overlapping boxes, and one who watches."""
    random = np.random.default_rng(2000 + seed)
    a, b, c = random.uniform(0, 6, 3)

    def left(t: float) -> tuple[float, float]:
        return 290 + 22 * math.sin(3.1 * t + a) + 10 * math.sin(7 * t + b), 300 + 6 * math.sin(2 * t + c)

    def right(t: float) -> tuple[float, float]:
        return 335 + 22 * math.sin(2.7 * t + b) + 10 * math.sin(6 * t + c), 303 + 6 * math.sin(2.3 * t + a)

    walkers = [
        Walker(1, left, 120, phase=float(a)),
        Walker(2, right, 118, phase=float(b)),
        Walker(3, lambda t: (480 + 4 * t, 330), 130),
    ]
    return Scene(walkers, seed=seed, **{"occlusion": 0.75, "missed": 0.08, "jitter": 0.025, **options})  # type: ignore[arg-type]


@pytest.fixture
def make_scene() -> type[Scene]:
    return Scene


@pytest.fixture
def crossing() -> Callable[..., Scene]:
    return crossing_scene


@pytest.fixture
def crowd() -> Callable[..., Scene]:
    return crowd_scene


@pytest.fixture
def fight() -> Callable[..., Scene]:
    return fight_scene


@pytest.fixture
def make_walker() -> type[Walker]:
    return Walker
