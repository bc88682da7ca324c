from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.structures.layouts import COCO_LAYOUT, KINECT_LAYOUT, LAYOUTS, SBU_LAYOUT, SkeletonLayout
from activity.training.recognizer.streams import MOTION_GAIN, as_stream, bones_of


def person(**places: tuple[float, float]) -> torch.Tensor:
    """One frame of one person of SBU, [1, 15, 2]; joints that are not named are missing."""
    joints = torch.zeros(1, 15, 2)
    for name, place in places.items():
        joints[0, SBU_LAYOUT.joints.index(name)] = torch.tensor(place)
    return joints


def test_a_bone_points_from_the_parent_to_the_joint_and_the_root_keeps_its_place() -> None:
    joints = person(torso=(1, 2), neck=(1, 1), left_shoulder=(2, 1), left_elbow=(3, 3), right_hand=(5, 5))
    bones = bones_of(joints, SBU_LAYOUT)[0]
    at = SBU_LAYOUT.joints.index
    assert bones[at("torso")].tolist() == [1, 2]  # the root
    assert bones[at("neck")].tolist() == [0, -1]
    assert bones[at("left_shoulder")].tolist() == [1, 0]
    assert bones[at("left_elbow")].tolist() == [1, 2]
    assert bones[at("right_hand")].tolist() == [0, 0]  # its elbow is missing
    assert bones[at("left_hand")].tolist() == [0, 0]  # it is missing itself


def test_motion_is_the_step_from_the_frame_before_and_none_where_a_joint_was_missing() -> None:
    joints = torch.cat([person(torso=(1, 2), head=(1, 1)), person(torso=(1.5, 2), neck=(3, 3))])
    moved = as_stream(joints, "joint_motion", SBU_LAYOUT)
    assert moved.shape == joints.shape
    assert not moved[0].any()
    assert moved[1, SBU_LAYOUT.joints.index("torso")].tolist() == [0.5 * MOTION_GAIN, 0]
    assert moved[1].count_nonzero() == 1  # head and neck were seen in one frame only


@settings(deadline=None)
@given(st.floats(-10, 10), st.floats(-10, 10), st.sampled_from(sorted(LAYOUTS)))
def test_shifting_everybody_changes_no_bone_but_the_root(x: float, y: float, name: str) -> None:
    layout = LAYOUTS[name]
    joints = torch.rand(2, 3, len(layout.joints), 2, generator=torch.Generator().manual_seed(0)) + 20
    shifted = bones_of(joints + torch.tensor([x, y]), layout) - bones_of(joints, layout)
    root = next(j for j, parent in enumerate(layout.parents) if j == parent)
    torch.testing.assert_close(shifted[..., root, :], torch.tensor([x, y]).expand(2, 3, 2), atol=1e-4, rtol=0)
    others = [joint for joint in range(len(layout.joints)) if layout.parents[joint] != joint]
    assert shifted[..., others, :].abs().max() < 1e-4


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_left_bones_are_the_mirror_images_of_right_bones(layout: SkeletonLayout) -> None:
    for joint, parent in enumerate(layout.parents):
        assert layout.parents[layout.flip[joint]] == layout.flip[parent]


def test_the_bones_of_an_arm_follow_the_arm() -> None:
    for layout, arm in (
        (COCO_LAYOUT, ("left_wrist", "left_elbow", "left_shoulder")),
        (KINECT_LAYOUT, ("left_hand", "left_wrist", "left_elbow", "left_shoulder", "shoulder_centre")),
        (SBU_LAYOUT, ("right_foot", "right_knee", "right_hip", "torso")),
    ):
        for joint, parent in pairwise(arm):
            assert layout.joints[layout.parents[layout.joints.index(joint)]] == parent


def test_the_streams_differ_and_joints_come_as_they_are() -> None:
    joints = torch.rand(4, 15, 2, generator=torch.Generator().manual_seed(1)) + 1
    assert as_stream(joints, "joints", SBU_LAYOUT) is joints
    bones = as_stream(joints, "bones", SBU_LAYOUT)
    torch.testing.assert_close(
        as_stream(joints, "bone_motion", SBU_LAYOUT)[1:], MOTION_GAIN * bones.diff(dim=0)
    )
