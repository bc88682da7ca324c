"""The COCO-17 skeleton and the body parts."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools.cocoeval import Params

from activity.structures import (
    BODY_PARTS,
    COCO_FLIP,
    COCO_KEYPOINT_NAMES,
    COCO_LIMBS,
    COCO_SIGMAS,
    KEYPOINT_COUNT,
)


def test_body_parts_hold_each_joint_exactly_once() -> None:
    joints = [joint for part in BODY_PARTS for joint in part.joints]
    assert sorted(joints) == list(range(KEYPOINT_COUNT))


def test_body_parts_are_named_and_sized_as_in_the_paper() -> None:
    assert [(part.name, len(part.joints), part.rows, part.columns) for part in BODY_PARTS] == [
        ("torso", 9, 3, 3),
        ("elbows", 2, 1, 2),
        ("wrists", 2, 1, 2),
        ("knees", 2, 1, 2),
        ("ankles", 2, 1, 2),
    ]
    assert all(len(part.joints) == part.rows * part.columns for part in BODY_PARTS)


@pytest.mark.parametrize("part", BODY_PARTS[1:], ids=lambda part: part.name)
def test_a_limb_part_holds_the_left_and_right_joint_of_its_name(part: object) -> None:
    names = [COCO_KEYPOINT_NAMES[joint] for joint in part.joints]  # type: ignore[attr-defined]
    singular = part.name.removesuffix("s")  # type: ignore[attr-defined]
    assert names == [f"left_{singular}", f"right_{singular}"]


def test_flip_swaps_the_left_and_right_joint_of_one_kind() -> None:
    swapped = {"left": "right", "right": "left", "nose": "nose"}
    for joint, mirror in enumerate(COCO_FLIP):
        side, *rest = COCO_KEYPOINT_NAMES[joint].split("_")
        assert COCO_KEYPOINT_NAMES[mirror].split("_") == [swapped[side], *rest]


def test_limbs_connect_joints_that_exist_and_connect_every_joint() -> None:
    assert {joint for limb in COCO_LIMBS for joint in limb} == set(range(KEYPOINT_COUNT))
    assert len({frozenset(limb) for limb in COCO_LIMBS}) == len(COCO_LIMBS) == 19


def test_sigmas_are_those_of_the_coco_evaluation() -> None:
    np.testing.assert_allclose(COCO_SIGMAS, Params(iouType="keypoints").kpt_oks_sigmas, rtol=0, atol=1e-12)


@pytest.mark.parametrize("table", [COCO_SIGMAS, COCO_FLIP])
def test_tables_cannot_be_changed(table: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1
