"""How a body is built and how it is held: bone lengths and joint angles.

World frame: x and y span the floor, z points up. Body frame: x forward, y to the person's left, z up.
Segment lengths are shares of stature after Winter, "Biomechanics and Motor Control of Human Movement"
(4th ed., figure 4.1, from Drillis and Contini 1966).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from activity.datasets.rendered.vectors import Vector

LEFT: Final = 0
RIGHT: Final = 1
SIDES: Final = (1.0, -1.0)
"""Sign of the body's y axis for `LEFT` and `RIGHT`."""


@dataclass(frozen=True, slots=True)
class Proportions:
    """Bone lengths of one person, in metres."""

    stature: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shank: float
    foot: float
    ankle_height: float
    hip_half_width: float
    shoulder_half_width: float
    lower_spine: float
    upper_spine: float
    neck: float

    @classmethod
    def of_stature(
        cls,
        stature: float,
        *,
        legs: float = 1.0,
        arms: float = 1.0,
        shoulders: float = 1.0,
        hips: float = 1.0,
    ) -> Proportions:
        """Scale the average adult to a stature in metres; the other arguments are factors about 1."""
        return cls(
            stature=stature,
            upper_arm=0.178 * stature * arms,
            forearm=0.146 * stature * arms,
            hand=0.100 * stature * arms,
            thigh=0.245 * stature * legs,
            shank=0.246 * stature * legs,
            foot=0.150 * stature,
            ankle_height=0.039 * stature,
            hip_half_width=0.052 * stature * hips,
            shoulder_half_width=0.110 * stature * shoulders,
            lower_spine=0.125 * stature,
            upper_spine=0.163 * stature,
            neck=0.116 * stature,
        )


def _zeros(*shape: int) -> Vector:
    return np.zeros(shape)


@dataclass(slots=True)
class Posture:
    """Joint angles in radians, and where the body stands.

    Attributes:
        position: [2] x and y of the pelvis on the floor, in metres.
        heading: Direction that the body faces, counter-clockwise from the world's x axis.
        lean: Forward pitch of the pelvis; pi/2 lies face down, -pi/2 on the back.
        roll: Sideways pitch of the pelvis, positive to the person's left.
        lift: Height of the lowest point over the floor in metres.
        spine: [3] flexion (forward), side bend (left), twist (left).
        head: [3] nod (down), tilt (left), turn (left).
        arms: [2, 4] left and right: flexion (forward), abduction (outward), rotation (inward), elbow.
        legs: [2, 5] left and right: flexion (forward), abduction, rotation (outward), knee, foot pitch (toes up).
        level_feet: Share in [0, 1] to which the feet stay level with the floor rather than follow the shank.
        reach: [2, 3] world points in metres that the wrists reach for.
        reach_weight: [2] share in [0, 1] of the way from the arm's own angles to its reach point.
    """

    position: Vector = field(default_factory=lambda: _zeros(2))
    heading: float = 0.0
    lean: float = 0.0
    roll: float = 0.0
    lift: float = 0.0
    spine: Vector = field(default_factory=lambda: _zeros(3))
    head: Vector = field(default_factory=lambda: _zeros(3))
    arms: Vector = field(default_factory=lambda: _zeros(2, 4))
    legs: Vector = field(default_factory=lambda: _zeros(2, 5))
    level_feet: float = 1.0
    reach: Vector = field(default_factory=lambda: _zeros(2, 3))
    reach_weight: Vector = field(default_factory=lambda: _zeros(2))


def blend(first: Posture, second: Posture, weight: float) -> Posture:
    """Posture between two: weight 0 is the first, 1 the second; headings turn the short way."""
    if weight <= 0:
        return first
    if weight >= 1:
        return second
    turn = (second.heading - first.heading + np.pi) % (2 * np.pi) - np.pi
    reach = np.where((first.reach_weight <= 0)[:, None], second.reach, first.reach)
    both = (first.reach_weight > 0) & (second.reach_weight > 0)
    reach[both] = (1 - weight) * first.reach[both] + weight * second.reach[both]

    def mix(a: Vector, b: Vector) -> Vector:
        return (1 - weight) * a + weight * b

    return Posture(
        position=mix(first.position, second.position),
        heading=first.heading + weight * turn,
        lean=(1 - weight) * first.lean + weight * second.lean,
        roll=(1 - weight) * first.roll + weight * second.roll,
        lift=(1 - weight) * first.lift + weight * second.lift,
        spine=mix(first.spine, second.spine),
        head=mix(first.head, second.head),
        arms=mix(first.arms, second.arms),
        legs=mix(first.legs, second.legs),
        level_feet=(1 - weight) * first.level_feet + weight * second.level_feet,
        reach=reach,
        reach_weight=mix(first.reach_weight, second.reach_weight),
    )
