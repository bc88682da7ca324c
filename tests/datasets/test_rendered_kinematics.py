"""Bones keep their length, hands reach what they can, and left stays left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.datasets.rendered import motions
from activity.datasets.rendered.kinematics import bend_to_reach, coco_joints, place_joints
from activity.datasets.rendered.posture import LEFT, RIGHT, Posture, Proportions, blend
from activity.datasets.rendered.random_postures import random_posture

BODY = Proportions.of_stature(1.8)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_bones_keep_their_length_in_any_posture_and_when_they_reach(seed: int, reaching: bool) -> None:
    rng = np.random.default_rng(seed)
    posture = random_posture(rng)
    if reaching:
        posture.reach[:] = rng.normal(0, 1.0, (2, 3))
        posture.reach_weight[:] = rng.uniform(0, 1, 2)
    joints = place_joints(BODY, posture)
    for side in (LEFT, RIGHT):
        assert distance(joints.hips[side], joints.knees[side]) == pytest.approx(BODY.thigh)
        assert distance(joints.knees[side], joints.ankles[side]) == pytest.approx(BODY.shank)
        assert distance(joints.shoulders[side], joints.elbows[side]) == pytest.approx(BODY.upper_arm)
        assert distance(joints.elbows[side], joints.wrists[side]) == pytest.approx(BODY.forearm)
        assert distance(joints.chest, joints.shoulders[side]) == pytest.approx(BODY.shoulder_half_width)


def test_someone_who_stands_is_as_tall_as_their_stature() -> None:
    joints = place_joints(BODY, Posture())
    # The head's centre lies 0.065 of stature under its top (Drillis and Contini: head height 0.130).
    assert joints.head[2] + 0.065 * 1.8 == pytest.approx(1.8, abs=0.03)
    # Hip joint 0.530 and knee joint 0.285 of stature over the floor.
    assert joints.hips[0, 2] == pytest.approx(0.530 * 1.8, abs=0.03)
    assert joints.knees[0, 2] == pytest.approx(0.285 * 1.8, abs=0.03)


def test_the_left_hand_is_to_the_left_of_someone_who_faces_x() -> None:
    keypoints = coco_joints(place_joints(BODY, Posture()), 1.8)
    assert (keypoints[[1, 3, 5, 7, 9, 11, 13, 15], 1] > 0).all()
    assert (keypoints[[2, 4, 6, 8, 10, 12, 14, 16], 1] < 0).all()
    assert keypoints[0, 0] > keypoints[3, 0]  # the nose is before the ears


def test_flexion_brings_arm_and_thigh_forward_and_the_heel_back() -> None:
    posture = Posture()
    posture.arms[LEFT, 0] = np.pi / 2
    posture.legs[RIGHT, 0] = np.pi / 2
    posture.legs[RIGHT, 3] = np.pi / 2
    joints = place_joints(BODY, posture)
    np.testing.assert_allclose(
        joints.elbows[LEFT] - joints.shoulders[LEFT], [BODY.upper_arm, 0, 0], atol=0.02
    )
    np.testing.assert_allclose(joints.knees[RIGHT] - joints.hips[RIGHT], [BODY.thigh, 0, 0], atol=1e-9)
    np.testing.assert_allclose(joints.ankles[RIGHT] - joints.knees[RIGHT], [0, 0, -BODY.shank], atol=1e-9)


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_nobody_sinks_into_the_floor_while_they_fall(progress: float) -> None:
    joints = place_joints(BODY, motions.fall(progress))
    lowest = min(
        float(np.min(points[..., 2])) for points in (joints.head, joints.wrists, joints.knees, joints.toes)
    )
    assert 0 < lowest < 0.12
    assert (joints.head[2] > 1.5) == (progress == 0.0)


def test_a_reachable_point_is_reached_and_one_too_far_only_pointed_at() -> None:
    root, hinge = np.zeros(3), np.array([0.0, 0.1, -0.3])
    middle, end = bend_to_reach(root, hinge, np.array([0.4, 0, 0]), upper=0.3, lower=0.3)
    np.testing.assert_allclose(end, [0.4, 0, 0], atol=1e-12)
    assert middle[2] < 0  # the elbow stays on the side where it was
    assert middle[0] == pytest.approx(0.2)  # an isosceles triangle
    _, end = bend_to_reach(root, hinge, np.array([5.0, 0, 0]), upper=0.3, lower=0.3)
    np.testing.assert_allclose(end, [0.596, 0, 0], atol=1e-9)


def test_legs_swing_against_each_other_and_arms_against_legs() -> None:
    posture = motions.walk(0.0)
    assert posture.legs[LEFT, 0] > 0 > posture.legs[RIGHT, 0]
    assert posture.arms[LEFT, 0] < 0 < posture.arms[RIGHT, 0]
    later = motions.walk(0.5)
    np.testing.assert_allclose(later.legs[LEFT], posture.legs[RIGHT])


def test_a_full_cycle_of_gait_returns_to_its_start() -> None:
    np.testing.assert_allclose(motions.walk(3.25).legs, motions.walk(0.25).legs)


def test_a_punch_lands_on_its_target() -> None:
    target = np.array([0.55, 0.1, 1.5])
    joints = place_joints(BODY, motions.punch(0.0, 1.0, hand=RIGHT, target=target))
    assert distance(joints.wrists[RIGHT], target) < 1e-6


def test_blending_turns_the_short_way_round() -> None:
    first, second = Posture(heading=3.0), Posture(heading=-3.0)
    assert np.cos(blend(first, second, 0.5).heading) == pytest.approx(-1.0)
    assert blend(first, second, 0.0) is first
    assert blend(first, second, 1.0) is second
