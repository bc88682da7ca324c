"""A clothed body of round cones over the joints.

Radii are shares of stature, after the breadths and circumferences of ordinary adults with a layer of cloth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from activity.datasets.rendered.kinematics import Joints
from activity.datasets.rendered.posture import LEFT, RIGHT, SIDES, Proportions
from activity.datasets.rendered.solids import Pattern, Solids, Surface
from activity.datasets.rendered.vectors import Vector, cross, length_of
from activity.datasets.rendered.wardrobe import Outfit


@dataclass(frozen=True, slots=True)
class Person:
    """Who is drawn: bones, girth and clothes.

    Attributes:
        proportions: Bone lengths.
        girth: Factor on all radii of trunk and limbs, about 1.
        outfit: Clothes, skin and hair.
    """

    proportions: Proportions
    girth: float
    outfit: Outfit

    @property
    def stature(self) -> float:
        """Height in metres."""
        return self.proportions.stature


def random_person(rng: np.random.Generator) -> Person:
    """Draw a person of ordinary build from a wide population."""
    stature = float(np.clip(rng.normal(1.71, 0.1), 1.45, 1.98))
    proportions = Proportions.of_stature(
        stature,
        legs=rng.normal(1.0, 0.03),
        arms=rng.normal(1.0, 0.03),
        shoulders=rng.normal(1.0, 0.07),
        hips=rng.normal(1.0, 0.07),
    )
    return Person(proportions, float(np.clip(rng.normal(1.0, 0.1), 0.82, 1.32)), Outfit.random(rng))


def build_body(person: Person, joints: Joints) -> Solids:
    """The solids of a person in a posture, in the world frame."""
    solids = Solids()
    _add_trunk(solids, person, joints)
    for side in (LEFT, RIGHT):
        _add_leg(solids, person, joints, side)
        _add_arm(solids, person, joints, side)
    _add_head(solids, person, joints)
    _add_extras(solids, person, joints)
    return solids


def _add_trunk(solids: Solids, person: Person, joints: Joints) -> None:
    h, outfit = person.stature, person.outfit
    r = h * person.girth
    top, trousers = outfit.top, outfit.trousers
    pelvis_up, chest_up = joints.pelvis_frame[:, 2], joints.chest_frame[:, 2]
    front, chest_front = joints.pelvis_frame[:, 0], joints.chest_frame[:, 0]
    left = joints.pelvis_frame[:, 1]
    reach = person.proportions.hip_half_width
    lower = joints.pelvis + pelvis_up * 0.012 * h
    solids.add_cone(
        lower - left * reach * 0.75, lower + left * reach * 0.75, 0.059 * r, 0.059 * r, trousers,
        forward=front, widths=(1.08, 1.0, 1.0),
    )  # fmt: skip
    for sign in SIDES:
        seat = lower + left * sign * reach * 0.8 - front * 0.022 * r - pelvis_up * 0.02 * h
        solids.add_ellipsoid(seat, joints.pelvis_frame, (0.05 * r, 0.052 * r, 0.055 * r), trousers)
    hem = joints.pelvis + pelvis_up * (0.035 - outfit.top_length) * h
    belly = 1.0 + 1.3 * max(person.girth - 1.0, -0.05)
    solids.add_cone(
        hem, joints.waist + joints.waist_frame[:, 2] * 0.02 * h, 0.065 * r * outfit.looseness, 0.063 * r * belly, top,
        forward=joints.waist_frame[:, 0], widths=(1.02, 1.42, 0.35),
    )  # fmt: skip
    solids.add_cone(
        joints.waist - joints.waist_frame[:, 2] * 0.01 * h, joints.chest - chest_up * 0.05 * h,
        0.064 * r * (0.5 + 0.5 * belly), 0.071 * r, top, forward=chest_front, widths=(1.0, 1.42, 0.6),
    )  # fmt: skip
    if outfit.bust > 0:
        for sign in SIDES:
            centre = (
                joints.chest
                - chest_up * 0.085 * h
                + chest_front * 0.05 * r
                + joints.chest_frame[:, 1] * sign * 0.044 * r
            )
            size = 0.036 * r * (0.8 + 0.4 * outfit.bust)
            solids.add_ellipsoid(centre, joints.chest_frame, (size, size * 1.05, size * 1.05), top)
    base = joints.chest + chest_up * 0.012 * h
    for side in (LEFT, RIGHT):
        inner = joints.chest - chest_up * 0.02 * h + (joints.shoulders[side] - joints.chest) * 0.25
        outer = joints.shoulders[side] - chest_up * 0.004 * h
        solids.add_cone(inner, outer, 0.047 * r, 0.038 * r, top, forward=chest_front, widths=(1.05, 1.0, 1.0))
        solids.add_cone(
            base + chest_up * 0.014 * h,
            outer - (outer - base) * 0.2,
            0.030 * r,
            0.030 * r,
            top,
            forward=chest_front,
        )
    neck_top = joints.head - joints.head_frame[:, 2] * 0.03 * h - joints.head_frame[:, 0] * 0.01 * h
    solids.add_cone(base, neck_top, 0.034 * r, 0.031 * h, outfit.skin, forward=chest_front)
    if outfit.collar > 0:
        solids.add_cone(
            base, base + (neck_top - base) * outfit.collar, 0.042 * r, 0.037 * r, replace(top, pattern=Pattern.PLAIN),
            forward=chest_front, widths=(1.0, 1.0, 0.3),
        )  # fmt: skip


def _add_leg(solids: Solids, person: Person, joints: Joints, side: int) -> None:
    h, outfit = person.stature, person.outfit
    r = h * (0.35 + 0.65 * person.girth)
    frame = joints.leg_frames[side]
    front = frame[:, 0]
    hip, knee, ankle = joints.hips[side], joints.knees[side], joints.ankles[side]
    bare = outfit.trouser_length  # share of the leg that is covered, 1 at the ankle
    wide = outfit.trouser_width if bare >= 0.95 else 0.97
    upper = replace(
        outfit.trousers, split=min(bare / 0.5, 2.0) if bare < 0.5 else 2.0, second=outfit.skin.colour
    )
    if upper.split < 2:
        upper = replace(upper, pattern=Pattern.PLAIN)
    lower = outfit.trousers if bare >= 0.95 else replace(outfit.skin, split=2.0)
    solids.add_cone(hip, knee, 0.050 * r, 0.033 * r * wide, upper, forward=front)
    calf = knee + (ankle - knee) * 0.3 - front * 0.008 * h
    solids.add_cone(knee, calf, 0.032 * r * wide, 0.033 * r * wide, lower, forward=front)
    end = 0.023 * r if bare < 0.95 else 0.027 * r * wide**1.5
    solids.add_cone(calf, ankle - (ankle - calf) * 0.03, 0.033 * r * wide, end, lower, forward=front)
    toe, heel = joints.toes[side], joints.heels[side]
    up = cross(toe - heel, frame[:, 1])
    ball = heel + (toe - heel) * 0.62
    solids.add_cone(heel, ball, 0.021 * h, 0.0215 * h, outfit.shoes, forward=up, widths=(0.85, 1.1, 1.0))
    solids.add_cone(ball, toe, 0.0215 * h, 0.016 * h, outfit.shoes, forward=up, widths=(0.8, 1.15, 1.0))
    solids.add_cone(
        heel, ankle, 0.022 * h, 0.022 * h, outfit.shoes if bare >= 0.95 else outfit.skin, forward=front
    )


def _add_arm(solids: Solids, person: Person, joints: Joints, side: int) -> None:
    h, outfit = person.stature, person.outfit
    r = h * (0.3 + 0.7 * person.girth)
    frame = joints.arm_frames[side]
    front = frame[:, 0]
    shoulder, elbow, wrist, tip = (
        joints.shoulders[side],
        joints.elbows[side],
        joints.wrists[side],
        joints.fingers[side],
    )
    sleeve = outfit.sleeve  # 0 none, 0.5 to the elbow, 1 to the wrist
    loose = 1.0 + 0.12 * (outfit.looseness - 1) / 0.1 if sleeve > 0.5 else 1.0
    upper = replace(outfit.top, split=2.0 if sleeve >= 0.5 else sleeve * 2, second=outfit.skin.colour)
    if sleeve < 0.5:
        upper = replace(upper, pattern=Pattern.PLAIN)
    lower = outfit.skin if sleeve < 0.95 else replace(outfit.top, pattern=outfit.sleeve_pattern)
    solids.add_cone(shoulder, elbow, 0.0365 * r * loose**0.5, 0.026 * r * loose, upper, forward=front)
    thick = loose if sleeve >= 0.95 else 1.0
    belly = elbow + (wrist - elbow) * 0.28
    solids.add_cone(elbow, belly, 0.0255 * r * thick, 0.0265 * r * thick, lower, forward=front)
    solids.add_cone(belly, wrist, 0.0265 * r * thick, 0.0175 * r * thick, lower, forward=front)
    hand = outfit.gloves or outfit.skin
    palm = wrist + (tip - wrist) * 0.35
    knuckles = wrist + (tip - wrist) * 0.5
    inward = -frame[:, 1] * SIDES[side]
    solids.add_cone(wrist, palm, 0.0155 * h, 0.0215 * h, hand, forward=front, widths=(1.05, 0.72, 1.0))
    curl = knuckles + (tip - wrist) * 0.28 + inward * 0.014 * h
    solids.add_cone(knuckles, curl, 0.0195 * h, 0.0135 * h, hand, forward=front, widths=(1.1, 0.75, 1.0))
    thumb = palm + front * 0.02 * h + (tip - wrist) * 0.15
    solids.add_cone(palm + front * 0.008 * h, thumb, 0.0095 * h, 0.0075 * h, hand, forward=front)


def _add_head(solids: Solids, person: Person, joints: Joints) -> None:
    h, outfit = person.stature, person.outfit
    frame = joints.head_frame

    def at(forward: float, left: float, up: float) -> Vector:
        return joints.head + frame @ (np.array([forward, left, up]) * h)

    face = replace(outfit.skin, pattern=Pattern.FACE, second=outfit.hair.colour)
    solids.add_ellipsoid(at(-0.004, 0, 0.012), frame, (0.057 * h, 0.0445 * h, 0.052 * h), face)
    solids.add_cone(
        at(0.012, 0, -0.012), at(0.026, 0, -0.048), 0.037 * h, 0.0195 * h, outfit.jaw, forward=frame[:, 0],
        widths=(1.0, 1.02, 1.0),
    )  # fmt: skip
    solids.add_cone(
        at(0.050, 0, 0.002), at(0.057, 0, -0.016), 0.005 * h, 0.0085 * h, outfit.skin, forward=frame[:, 0]
    )
    for sign in SIDES:
        solids.add_ellipsoid(
            at(-0.004, 0.0445 * sign, -0.004), frame, (0.012 * h, 0.006 * h, 0.017 * h), outfit.skin
        )
    hair = outfit.hair
    match outfit.headwear:
        case "bald":
            pass
        case "cap" | "beanie":
            cover = outfit.hat
            solids.add_ellipsoid(at(-0.006, 0, 0.026), frame, (0.060 * h, 0.0485 * h, 0.046 * h), cover)
            if outfit.headwear == "cap":
                solids.add_ellipsoid(at(0.060, 0, 0.034), frame, (0.036 * h, 0.038 * h, 0.006 * h), cover)
        case "hood":
            solids.add_ellipsoid(at(-0.013, 0, 0.006), frame, (0.064 * h, 0.057 * h, 0.064 * h), outfit.top)
            solids.add_cone(
                at(-0.02, 0, -0.02),
                joints.chest,
                0.052 * h,
                0.05 * h,
                outfit.top,
                forward=joints.chest_frame[:, 0],
            )
        case style:
            thick = outfit.hair_volume
            solids.add_ellipsoid(
                at(-0.012, 0, 0.021), frame, (0.057 * h * thick, 0.0478 * h * thick, 0.051 * h * thick), hair
            )
            if style in ("long", "bob"):
                drop = 0.055 if style == "bob" else 0.10
                down = at(-0.034, 0, -0.01) - frame[:, 2] * drop * h
                for sign in (*SIDES, 0.0):
                    offset = frame[:, 1] * sign * 0.03 * h
                    solids.add_cone(
                        at(-0.022, 0, 0.01) + offset,
                        down + offset,
                        0.026 * h,
                        0.021 * h,
                        hair,
                        forward=frame[:, 0],
                    )
            elif style == "bun":
                solids.add_ellipsoid(at(-0.068, 0, 0.03), frame, (0.024 * h, 0.026 * h, 0.024 * h), hair)


def _add_extras(solids: Solids, person: Person, joints: Joints) -> None:
    h, outfit = person.stature, person.outfit
    r = h * person.girth
    front = joints.pelvis_frame[:, 0]
    if outfit.skirt_length > 0:
        middle = joints.hips.mean(axis=0) + joints.pelvis_frame[:, 2] * 0.03 * h
        knees = joints.knees.mean(axis=0)
        # A skirt over legs that part too far would float between them.
        apart = (length_of(joints.knees[0] - joints.knees[1])) / h
        hem = middle + (knees - middle) * outfit.skirt_length
        solids.add_cone(
            middle, hem, 0.056 * r, (0.056 + 0.20 * apart * outfit.skirt_length) * r, outfit.skirt,
            forward=front, widths=(1.1, 1.45, 0.15),
        )  # fmt: skip
    if outfit.backpack is not None:
        frame = joints.chest_frame
        centre = joints.chest - frame[:, 2] * 0.11 * h - frame[:, 0] * (0.071 * r + 0.05 * h)
        solids.add_ellipsoid(centre, frame, (0.062 * h, 0.085 * h, 0.125 * h), outfit.backpack)
    if outfit.bag is not None:
        side = RIGHT if outfit.bag_right else LEFT
        hand = joints.fingers[side]
        centre = hand - np.array([0.0, 0.0, 0.09 * h])
        if centre[2] > 0.1 * h:
            heading = joints.pelvis_frame[:, 0] * np.array([1.0, 1.0, 0.0])
            heading = heading / max((length_of(heading)), 1e-6)
            up = np.array([0.0, 0.0, 1.0])
            frame = np.stack([heading, cross(up, heading), up], axis=1)
            solids.add_box(centre, frame, (0.085 * h, 0.03 * h, 0.07 * h), outfit.bag)


def build_pistol(joints: Joints, stature: float, *, side: int = RIGHT) -> Solids:
    """A pistol-shaped object in one hand, its barrel along the forearm."""
    along = joints.fingers[side] - joints.wrists[side]
    along = along / length_of(along)
    front = joints.arm_frames[side][:, 0]
    up = front - along * float(front @ along)
    up = up / max((length_of(up)), 1e-6)
    frame = np.stack([along, cross(up, along), up], axis=1)
    grip = joints.wrists[side] + along * 0.045 * stature
    black = Surface((0.012, 0.012, 0.014), gloss=0.5)
    solids = Solids()
    solids.add_box(grip + along * 0.075 + up * 0.048, frame, (0.115, 0.017, 0.022), black)
    solids.add_box(grip + along * 0.0 - up * 0.015, frame, (0.024, 0.015, 0.06), black)
    return solids
