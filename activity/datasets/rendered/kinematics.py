"""Forward kinematics: from joint angles to joint positions in metres.

World frame: x and y span the floor, z points up. Body frame: x forward, y to the person's left, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from activity.datasets.rendered.posture import LEFT, RIGHT, SIDES, Posture, Proportions
from activity.datasets.rendered.vectors import (
    Matrix,
    Vector,
    cross,
    length_of,
    rotation_x,
    rotation_y,
    rotation_z,
    unit,
)


@dataclass(slots=True)
class Joints:
    """Joint positions in metres and segment frames, in the world frame.

    Paired arrays are [2, 3], left first. Frames are 3x3 with the segment's forward, left and up axes as columns.
    """

    pelvis: Vector
    waist: Vector
    chest: Vector
    head: Vector
    shoulders: Vector
    elbows: Vector
    wrists: Vector
    fingers: Vector
    hips: Vector
    knees: Vector
    ankles: Vector
    heels: Vector
    toes: Vector
    pelvis_frame: Matrix
    waist_frame: Matrix
    chest_frame: Matrix
    head_frame: Matrix
    arm_frames: Matrix
    leg_frames: Matrix

    def shift(self, offset: Vector) -> None:
        """Move the whole body by a vector in metres."""
        for name in _POINTS:
            setattr(self, name, getattr(self, name) + offset)


_POINTS: Final = (
    "pelvis waist chest head shoulders elbows wrists fingers hips knees ankles heels toes".split()  # noqa: SIM905
)


def bend_to_reach(
    root: Vector, hinge: Vector, target: Vector, *, upper: float, lower: float
) -> tuple[Vector, Vector]:
    """Place the middle and the end of a two-bone chain so that its end is as near the target as it can be.

    Args:
        root: [3] fixed end of the chain.
        hinge: [3] where the middle joint would be; it bends to this side.
        target: [3] where the end should go.
        upper: Length of the first bone in metres.
        lower: Length of the second bone in metres.

    Returns:
        [3] middle joint and [3] end; both bones keep their length.
    """
    aim = target - root
    direction = unit(aim)
    distance = float(np.clip(length_of(aim), abs(upper - lower) + 0.01, upper + lower - 0.004))
    along = (distance**2 + upper**2 - lower**2) / (2 * distance)
    side = (hinge - root) - np.dot(hinge - root, direction) * direction
    if length_of(side) < 1e-6:
        side = cross(direction, np.array([0.3, 0.5, 0.8]))
    middle = root + along * direction + np.sqrt(max(upper**2 - along**2, 0.0)) * unit(side)
    return middle, root + distance * direction


def _bone_frame(axis: Vector, forward: Vector) -> Matrix:
    """Frame whose up column runs against a bone and whose first column stays near `forward`."""
    up = unit(-axis)
    left = cross(up, forward)
    if length_of(left) < 1e-6:
        left = cross(up, np.array([0.1, 1.0, 0.2]))
    left = unit(left)
    return np.stack([cross(left, up), left, up], axis=1)


def place_joints(proportions: Proportions, posture: Posture) -> Joints:
    """Forward kinematics: all joints of a posture, with the lowest point of the body on the floor."""
    p = proportions
    pelvis_frame = rotation_z(posture.heading) @ rotation_y(posture.lean) @ rotation_x(-posture.roll)
    flexion, side, twist = posture.spine / 2
    bend = rotation_z(twist) @ rotation_y(flexion) @ rotation_x(-side)
    waist_frame = pelvis_frame @ bend
    chest_frame = waist_frame @ bend
    pelvis = np.array([*posture.position, 0.0])
    waist = pelvis + waist_frame[:, 2] * p.lower_spine
    chest = waist + chest_frame[:, 2] * p.upper_spine
    nod, tilt, turn = posture.head
    head_frame = chest_frame @ rotation_z(turn) @ rotation_y(nod) @ rotation_x(-tilt)
    neck_up = unit(chest_frame[:, 2] + head_frame[:, 2] + 0.25 * chest_frame[:, 0])
    head = chest + 0.55 * p.neck * neck_up + 0.45 * p.neck * head_frame[:, 2]

    shoulders, elbows, wrists, fingers, arm_frames = _place_arms(p, posture, chest, chest_frame)
    hips, knees, ankles, heels, toes, leg_frames = _place_legs(p, posture, pelvis, pelvis_frame)
    joints = Joints(
        pelvis, waist, chest, head, shoulders, elbows, wrists, fingers, hips, knees, ankles, heels, toes,
        pelvis_frame, waist_frame, chest_frame, head_frame, arm_frames, leg_frames,
    )  # fmt: skip
    joints.shift(np.array([0.0, 0.0, posture.lift - _lowest_point(joints, p.stature)]))
    if posture.reach_weight.any():
        _reach(p, posture, joints)
    return joints


def _place_arms(
    p: Proportions, posture: Posture, chest: Vector, chest_frame: Matrix
) -> tuple[Vector, Vector, Vector, Vector, Matrix]:
    shoulders, elbows, wrists, fingers = (np.empty((2, 3)) for _ in range(4))
    frames = np.empty((2, 3, 3))
    for i, sign in enumerate(SIDES):
        flexion, abduction, rotation, elbow = posture.arms[i]
        # The collar bone follows an arm raised over about 50 degrees.
        raised = np.clip(np.arccos(np.clip(np.cos(flexion) * np.cos(abduction), -1, 1)) - 0.9, 0, 1.6)
        clavicle = rotation_x(sign * 0.33 * raised) @ np.array([0, sign * p.shoulder_half_width, 0])
        upper = (
            chest_frame @ rotation_y(-flexion) @ rotation_x(sign * abduction) @ rotation_z(-sign * rotation)
        )
        lower = upper @ rotation_y(-elbow)
        shoulders[i] = chest + chest_frame @ clavicle
        elbows[i] = shoulders[i] - upper[:, 2] * p.upper_arm
        wrists[i] = elbows[i] - lower[:, 2] * p.forearm
        fingers[i] = wrists[i] - lower[:, 2] * p.hand
        frames[i] = lower
    return shoulders, elbows, wrists, fingers, frames


def _place_legs(
    p: Proportions, posture: Posture, pelvis: Vector, pelvis_frame: Matrix
) -> tuple[Vector, Vector, Vector, Vector, Vector, Matrix]:
    hips, knees, ankles, heels, toes = (np.empty((2, 3)) for _ in range(5))
    frames = np.empty((2, 3, 3))
    for i, sign in enumerate(SIDES):
        flexion, abduction, rotation, knee, pitch = posture.legs[i]
        upper = (
            pelvis_frame @ rotation_y(-flexion) @ rotation_x(sign * abduction) @ rotation_z(sign * rotation)
        )
        lower = upper @ rotation_y(knee)
        hips[i] = pelvis + pelvis_frame[:, 1] * sign * p.hip_half_width
        knees[i] = hips[i] - upper[:, 2] * p.thigh
        ankles[i] = knees[i] - lower[:, 2] * p.shank
        level = rotation_z(posture.heading + sign * rotation) @ rotation_y(-pitch)
        free = lower @ rotation_y(-pitch)
        forward = unit(posture.level_feet * level[:, 0] + (1 - posture.level_feet) * free[:, 0])
        down = -unit(posture.level_feet * level[:, 2] + (1 - posture.level_feet) * free[:, 2])
        sole = ankles[i] + down * p.ankle_height * 0.55
        heels[i] = sole - forward * p.foot * 0.22
        toes[i] = sole + forward * p.foot * 0.62 + down * p.ankle_height * 0.1
        frames[i] = lower
    return hips, knees, ankles, heels, toes, frames


def _lowest_point(joints: Joints, stature: float) -> float:
    """Height of the lowest point of the body's surface, in metres."""
    clearances = (
        (joints.heels, 0.017), (joints.toes, 0.013), (joints.knees, 0.035), (joints.hips, 0.055),
        (joints.shoulders, 0.04), (joints.elbows, 0.028), (joints.wrists, 0.02),
        (joints.head[None], 0.062), (joints.chest[None], 0.06), (joints.waist[None], 0.07),
    )  # fmt: skip
    return min(float(points[:, 2].min()) - share * stature for points, share in clearances)


def _reach(p: Proportions, posture: Posture, joints: Joints) -> None:
    for i in (LEFT, RIGHT):
        weight = float(posture.reach_weight[i])
        if weight <= 0:
            continue
        target = (1 - weight) * joints.wrists[i] + weight * posture.reach[i]
        elbow, wrist = bend_to_reach(
            joints.shoulders[i], joints.elbows[i], target, upper=p.upper_arm, lower=p.forearm
        )
        joints.elbows[i], joints.wrists[i] = elbow, wrist
        joints.arm_frames[i] = _bone_frame(wrist - elbow, joints.chest_frame[:, 2])
        joints.fingers[i] = wrist + unit(wrist - elbow) * p.hand


def face_points(joints: Joints, stature: float) -> Vector:
    """Nose, left eye, right eye, left ear, right ear on the head's surface.

    Returns:
        [5, 2, 3]: the point in metres and the outward direction of the skin there.
    """
    local = np.array(
        [
            [0.063, 0, -0.016],
            [0.050, 0.019, 0.003],
            [0.050, -0.019, 0.003],
            [0, 0.046, -0.005],
            [0, -0.046, -0.005],
        ]
    )
    outward = np.array([[1, 0, 0], [0.93, 0.36, 0], [0.93, -0.36, 0], [0, 1, 0], [0, -1, 0]])
    frame = joints.head_frame
    return np.stack([joints.head + stature * local @ frame.T, outward @ frame.T], axis=1)


def coco_joints(joints: Joints, stature: float) -> Vector:
    """The 17 COCO keypoints in the world frame, [17, 3] in metres."""
    pairs = np.stack(
        [joints.shoulders, joints.elbows, joints.wrists, joints.hips, joints.knees, joints.ankles]
    ).reshape(12, 3)
    return np.concatenate([face_points(joints, stature)[:, 0], pairs])
