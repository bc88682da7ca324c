"""What people do: postures as functions of time, by curves that real movement follows roughly.

Every function returns a `Posture` at the origin facing x; the caller sets `position` and `heading`. Angles are in
radians, times in seconds, phases in cycles.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from activity.datasets.rendered.posture import LEFT, RIGHT, Posture
from activity.datasets.rendered.vectors import Vector


def _bump(phase: float, centre: float, width: float) -> float:
    """Periodic bell curve of height one over the unit circle of phases."""
    distance = (phase - centre + 0.5) % 1.0 - 0.5
    return float(np.exp(-((distance / width) ** 2)))


def smooth_step(value: float) -> float:
    """Ease from 0 to 1 while the value goes from 0 to 1."""
    x = min(max(value, 0.0), 1.0)
    return x * x * (3 - 2 * x)


def stride_length(stature: float, speed: float) -> float:
    """Metres of one full cycle (two steps) at a speed in metres a second."""
    return stature * (0.42 + 0.26 * speed)


def walk(phase: float, *, speed: float = 1.2, arm_swing: float = 1.0) -> Posture:
    """Gait at a phase in cycles: hip and knee curves after Winter's normal walking, arms against the legs."""
    posture = Posture()
    effort = float(np.clip(speed / 1.3, 0.3, 2.2))
    reach = 0.38 * effort**0.6
    posture.lean = 0.02 + 0.05 * max(effort - 1, 0)
    for i in (LEFT, RIGHT):
        p = (phase + 0.5 * i) % 1.0
        swing = np.cos(2 * np.pi * p)
        posture.legs[i, 0] = 0.12 + reach * swing
        posture.legs[i, 1] = 0.02
        posture.legs[i, 2] = 0.1
        posture.legs[i, 3] = (
            0.08 + 0.2 * effort * _bump(p, 0.13, 0.09) + 0.95 * effort**0.5 * _bump(p, 0.72, 0.13)
        )
        posture.legs[i, 4] = 0.3 * _bump(p, 0.98, 0.08) - 0.55 * _bump(p, 0.6, 0.1)
        posture.arms[i, 0] = -0.02 - 0.42 * effort * arm_swing * swing
        posture.arms[i, 1] = 0.1
        posture.arms[i, 2] = 0.25
        posture.arms[i, 3] = 0.25 + 0.2 * effort * max(-swing, 0) + (0.9 if effort > 1.7 else 0.0)
    posture.spine[0] = 0.05 + 0.1 * max(effort - 1, 0)
    posture.spine[2] = 0.1 * effort * np.cos(2 * np.pi * phase) * arm_swing
    posture.spine[1] = 0.03 * np.sin(2 * np.pi * phase)
    posture.head[2] = -0.5 * posture.spine[2]
    return posture


def stand(time_s: float, *, sway: float = 0.0, hip_shift: float = 0.0) -> Posture:
    """Stand at ease; `sway` in cycles sets where in its slow idle movement the person is."""
    slow = 2 * np.pi * (time_s / 4.3 + sway)
    posture = Posture()
    posture.roll = 0.05 * hip_shift
    posture.spine[:] = [
        0.04 + 0.015 * np.sin(slow),
        -0.06 * hip_shift + 0.02 * np.sin(slow / 2),
        0.08 * np.sin(slow / 3),
    ]
    posture.head[:] = [0.08 + 0.05 * np.sin(slow / 1.7), 0.0, 0.5 * np.sin(slow / 2.6)]
    posture.legs[:, 0] = [0.03, 0.05 + 0.15 * max(hip_shift, 0)]
    posture.legs[:, 1] = [0.08, 0.1]
    posture.legs[:, 2] = [0.2, 0.25]
    posture.legs[:, 3] = [0.06, 0.08 + 0.3 * max(hip_shift, 0)]
    for i in (LEFT, RIGHT):
        posture.arms[i] = [
            0.04 + 0.05 * np.sin(slow + i),
            0.14,
            0.3,
            0.22 + 0.06 * np.sin(slow * 0.7 + 2 * i),
        ]
    return posture


def guard(time_s: float, *, left_foot_first: bool = True) -> Posture:
    """A boxer's stance: knees bent, one foot first, fists before the face, weight bouncing."""
    bounce = np.sin(2 * np.pi * 1.7 * time_s)
    first, second = (LEFT, RIGHT) if left_foot_first else (RIGHT, LEFT)
    posture = Posture()
    posture.legs[first] = [0.48 + 0.04 * bounce, 0.1, 0.05, 0.5 + 0.06 * bounce, 0.0]
    posture.legs[second] = [-0.12, 0.16, 0.5, 0.42 + 0.06 * bounce, -0.15]
    posture.spine[:] = [0.2, 0.03 * bounce, -0.25 if left_foot_first else 0.25]
    posture.head[:] = [0.12, 0.0, 0.2 if left_foot_first else -0.2]
    posture.arms[first] = [0.75, 0.25, 0.5, 1.75]
    posture.arms[second] = [0.45, 0.3, 0.55, 2.1]
    posture.arms[:, 0] += 0.06 * bounce
    return posture


def punch(time_s: float, extension: float, *, hand: int, target: Vector) -> Posture:
    """Throw a fist at a world point; extension 0 is the guard, 1 the outstretched arm."""
    posture = guard(time_s, left_foot_first=hand == LEFT or extension < 0.5)
    posture.spine[2] += (-0.55 if hand == LEFT else 0.6) * extension
    posture.spine[0] += 0.1 * extension
    posture.lean += 0.08 * extension
    posture.arms[hand] = [1.45, 0.15, 0.3, 0.15]
    posture.arms[hand] = (1 - extension) * guard(time_s).arms[hand] + extension * posture.arms[hand]
    posture.reach[hand] = target
    posture.reach_weight[hand] = extension
    return posture


def kick(extension: float, *, leg: int) -> Posture:
    """Kick forward; extension 0 stands in guard, 1 has the leg out at hip height."""
    posture = guard(0.0)
    chamber, strike = smooth_step(extension * 2), smooth_step(extension * 2 - 1)
    posture.legs[1 - leg] = [0.05, 0.06, 0.3, 0.2, 0.0]
    posture.legs[leg] = [
        0.2 + 0.9 * chamber + 0.25 * strike,
        0.1,
        0.1,
        0.4 + 1.2 * chamber - 1.4 * strike,
        0.0,
    ]
    posture.lean = -0.25 * chamber
    posture.level_feet = 1 - 0.8 * chamber
    return posture


def recoil(strength: float) -> Posture:
    """Hit in the face: head and trunk thrown back, arms loose."""
    posture = guard(0.0)
    posture.lean = -0.12 * strength
    posture.spine[:] = [0.15 - 0.55 * strength, 0.15 * strength, 0.4 * strength]
    posture.head[:] = [-0.45 * strength, 0.2 * strength, 0.5 * strength]
    posture.arms[:, 0] -= 0.3 * strength
    posture.arms[:, 3] -= 0.7 * strength
    return posture


def grapple(time_s: float, *, targets: Vector) -> Posture:
    """Lean in and hold on to two world points, [2, 3]."""
    posture = guard(time_s, left_foot_first=time_s % 1.4 < 0.7)
    posture.lean = 0.28 + 0.1 * np.sin(2 * np.pi * 0.9 * time_s)
    posture.spine[:] = [0.25, 0.12 * np.sin(2 * np.pi * 0.7 * time_s), 0.2 * np.sin(2 * np.pi * 0.8 * time_s)]
    posture.head[0] = 0.1
    posture.reach[:] = targets
    posture.reach_weight[:] = 1.0
    return posture


def fall(progress: float, *, backward: bool = False, side: float = 0.3) -> Posture:
    """Go from standing (0) to lying on the floor (1)."""
    down = smooth_step(progress)
    sign = -1.0 if backward else 1.0
    posture = Posture()
    posture.lean = sign * 1.45 * down
    posture.roll = side * down
    fold = np.sin(np.pi * progress)
    posture.legs[LEFT] = [0.9 * fold + 0.3 * down, 0.15, 0.2, 1.5 * fold + 0.5 * down, 0.0]
    posture.legs[RIGHT] = [0.6 * fold + 0.1 * down, 0.2, 0.2, 1.2 * fold + 0.2 * down, 0.0]
    posture.level_feet = 1 - down
    posture.spine[0] = 0.4 * fold
    posture.head[:] = [-0.25 * sign * down, 0.1, 0.4 * down]
    posture.arms[LEFT] = [0.3 + 1.4 * fold + 0.6 * down, 0.6 + 0.4 * down, 0.2, 0.5 + 0.7 * down]
    posture.arms[RIGHT] = [0.2 + 1.2 * fold, 0.7, 0.3, 0.6]
    return posture


def crouch(depth: float, time_s: float = 0.0) -> Posture:
    """Squat; depth 0 stands, 1 sits on the heels."""
    posture = stand(time_s)
    posture.legs[:, 0] = 0.05 + 1.75 * depth
    posture.legs[:, 1] = 0.12 + 0.15 * depth
    posture.legs[:, 3] = 0.1 + 2.1 * depth
    posture.lean = 0.2 * depth
    posture.spine[0] = 0.4 * depth
    posture.head[0] = -0.3 * depth
    posture.arms[:, 0] = 0.2 + 0.9 * depth
    posture.arms[:, 3] = 0.4 + 0.6 * depth
    return posture


def aim(time_s: float, *, raised: float = 1.0, two_hands: bool = False) -> Posture:
    """Hold a pistol at arm's length, right hand; raised 0 hangs by the thigh, 1 is at shoulder height."""
    posture = stand(time_s)
    lift = smooth_step(raised)
    posture.legs[LEFT] = [0.2 * lift + 0.03, 0.14, 0.15, 0.15, 0.0]
    posture.legs[RIGHT] = [-0.12 * lift, 0.14, 0.35, 0.1, 0.0]
    tremor = 0.02 * np.sin(2 * np.pi * 1.3 * time_s)
    posture.arms[RIGHT] = [0.1 + 1.42 * lift + tremor, 0.08, 0.15, 0.3 - 0.22 * lift]
    posture.spine[2] = 0.3 * lift
    posture.head[:] = [0.05, 0.0, -0.3 * lift]
    if two_hands:
        posture.spine[2] = 0.0
        posture.head[2] = 0.0
        posture.arms[RIGHT] = [0.1 + 1.4 * lift + tremor, -0.28 * lift, 0.1, 0.3 - 0.15 * lift]
        posture.arms[LEFT] = [0.1 + 1.35 * lift + tremor, -0.32 * lift, 0.3, 0.35]
    return posture


def wave(time_s: float, *, hand: int = RIGHT) -> Posture:
    """Stand and wave one hand overhead."""
    posture = stand(time_s)
    posture.arms[hand] = [
        0.3,
        2.3 + 0.15 * np.sin(2 * np.pi * 1.6 * time_s),
        0.0,
        0.5 + 0.4 * np.sin(2 * np.pi * 1.6 * time_s),
    ]
    return posture


def hands_up(time_s: float, *, bend: float = 1.1) -> Posture:
    """Stand with both hands over the head, the elbows bent by `bend` radians."""
    posture = stand(time_s)
    posture.arms[:] = [0.5, 1.75, -0.9, bend]
    return posture


def phone(time_s: float, *, hand: int = RIGHT) -> Posture:
    """Stand and look at a telephone in one hand."""
    posture = stand(time_s)
    posture.arms[hand] = [0.55, 0.1, 0.45, 1.75]
    posture.head[:] = [0.5, 0.0, 0.0]
    return posture


def call(time_s: float, *, hand: int = RIGHT) -> Posture:
    """Stand and hold a telephone to the ear."""
    posture = stand(time_s)
    posture.arms[hand] = [0.6, 0.75, 0.35, 2.5]
    return posture


def cross_arms(time_s: float) -> Posture:
    """Stand with folded arms."""
    posture = stand(time_s)
    posture.arms[LEFT] = [0.45, 0.12, 1.25, 1.55]
    posture.arms[RIGHT] = [0.55, 0.12, 1.2, 1.6]
    return posture


def hands_on_hips(time_s: float) -> Posture:
    """Stand with the hands on the hips."""
    posture = stand(time_s)
    posture.arms[:] = [-0.35, 0.75, 0.9, 1.5]
    return posture


def sit(time_s: float) -> Posture:
    """Sit on something of chair height."""
    posture = stand(time_s)
    posture.legs[:, 0] = 1.5
    posture.legs[:, 1] = 0.15
    posture.legs[:, 3] = 1.5
    posture.arms[:] = [0.45, 0.15, 0.3, 0.9]
    return posture


def bend_down(depth: float) -> Posture:
    """Bend over to pick something up; depth 0 stands, 1 reaches the floor."""
    posture = stand(0.0)
    posture.lean = 0.5 * depth
    posture.spine[0] = 0.9 * depth
    posture.legs[:, 0] = 0.05 + 0.75 * depth
    posture.legs[:, 3] = 0.1 + 0.5 * depth
    posture.arms[:, 0] = 0.2 + 1.2 * depth
    posture.arms[:, 3] = 0.3
    return posture


ARM_LIMITS: Final = (np.array([-0.7, 0.0, -0.6, 0.05]), np.array([2.6, 1.5, 1.2, 2.3]))
"""Least and greatest flexion, abduction, rotation and elbow of random arms."""


def vary(posture: Posture, rng: np.random.Generator, amount: float = 1.0) -> Posture:
    """Loosen a posture by small random angles, and sometimes let one arm do something else."""
    posture.arms += rng.normal(0, 0.12 * amount, (2, 4))
    posture.arms[:, 3] = np.clip(posture.arms[:, 3], 0.03, 2.5)
    posture.legs[:, :3] += rng.normal(0, 0.05 * amount, (2, 3))
    posture.legs[:, 3] = np.clip(posture.legs[:, 3] + rng.normal(0, 0.06 * amount, 2), 0.0, 2.4)
    posture.spine += rng.normal(0, [0.06, 0.05, 0.1]) * amount
    posture.head += rng.normal(0, [0.15, 0.08, 0.3]) * amount
    if amount >= 1 and rng.uniform() < 0.2:
        posture.arms[int(rng.integers(2))] = rng.uniform(*ARM_LIMITS)
    return posture
