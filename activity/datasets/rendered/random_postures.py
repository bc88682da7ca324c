"""Postures drawn at random: everyday ones, odd ones, and whatever joints allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.posture import Posture, blend

_LOW_LEG, _HIGH_LEG = np.array([-0.4, 0.0, -0.1, 0.02, -0.4]), np.array([1.3, 0.5, 0.5, 1.6, 0.3])


def random_angles(rng: np.random.Generator) -> Posture:
    """Joint angles drawn within the limits of a healthy adult; one leg carries the body."""
    posture = Posture()
    posture.arms[:] = rng.uniform(*motions.ARM_LIMITS, (2, 4))
    posture.legs[:] = rng.uniform(_LOW_LEG, _HIGH_LEG, (2, 5)) * rng.uniform(0.2, 1.0)
    carrying = int(rng.integers(2))
    posture.legs[carrying] = [rng.uniform(-0.15, 0.4), rng.uniform(0, 0.2), 0.2, rng.uniform(0.02, 0.5), 0.0]
    posture.spine[:] = rng.normal([0.1, 0, 0], [0.3, 0.15, 0.35])
    posture.head[:] = rng.normal([0.1, 0, 0], [0.3, 0.15, 0.5])
    posture.lean = rng.normal(0.05, 0.18)
    posture.roll = rng.normal(0, 0.08)
    return posture


Draw = Callable[[np.random.Generator, float, float, int], Posture]
"""Makes a posture from a time in seconds, an extent in [0, 1] and a side."""

_DRAWS: Final[tuple[tuple[int, Draw], ...]] = (
    (
        16,
        lambda rng, t, _x, _s: motions.walk(t, speed=rng.uniform(0.6, 1.7), arm_swing=rng.uniform(0.2, 1.3)),
    ),
    (5, lambda rng, t, _x, _s: motions.walk(t, speed=rng.uniform(2.2, 3.5))),
    (14, lambda rng, t, _x, _s: motions.stand(t, sway=rng.uniform(), hip_shift=rng.uniform(-1, 1))),
    (4, lambda _rng, t, _x, s: motions.guard(t, left_foot_first=bool(s))),
    (3, lambda _rng, _t, x, s: motions.kick(x, leg=s)),
    (2, lambda _rng, _t, x, _s: motions.recoil(x)),
    (4, lambda rng, _t, x, s: motions.fall(x**0.5, backward=bool(s), side=rng.normal(0, 0.6))),
    (4, lambda _rng, t, x, _s: motions.crouch(x, t)),
    (8, lambda _rng, t, x, s: motions.aim(t, raised=x**0.3, two_hands=bool(s))),
    (3, lambda _rng, t, _x, s: motions.wave(t, hand=s)),
    (8, lambda _rng, t, x, _s: motions.hands_up(t, bend=0.2 + 1.8 * x)),
    (4, lambda _rng, t, _x, s: motions.phone(t, hand=s)),
    (3, lambda _rng, t, _x, s: motions.call(t, hand=s)),
    (3, lambda _rng, t, _x, _s: motions.cross_arms(t)),
    (3, lambda _rng, t, _x, _s: motions.hands_on_hips(t)),
    (3, lambda _rng, t, _x, _s: motions.sit(t)),
    (3, lambda _rng, _t, x, _s: motions.bend_down(x)),
    (18, lambda rng, t, _x, _s: blend(random_angles(rng), motions.stand(t), rng.uniform(0, 0.5))),
)
"""How many people do it, relative to each other, and how it is drawn."""

_SHARES: Final = np.array([share for share, _ in _DRAWS]) / sum(share for share, _ in _DRAWS)


def random_posture(rng: np.random.Generator) -> Posture:
    """A posture of one person alone; heading and place are left at zero."""
    draw = _DRAWS[int(rng.choice(len(_DRAWS), p=_SHARES))][1]
    return motions.vary(
        draw(rng, float(rng.uniform(0, 20)), float(rng.uniform(0, 1)), int(rng.integers(2))), rng
    )
