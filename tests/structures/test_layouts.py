from __future__ import annotations

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import BODY_PARTS
from activity.structures.layouts import COCO_LAYOUT, EMPTY, LAYOUTS, SkeletonLayout

ALL = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)


@ALL
def test_every_joint_is_found_in_its_cell(layout: SkeletonLayout) -> None:
    flat = layout.cells("constant").ravel()
    assert flat[layout.joint_cells()].tolist() == list(range(len(layout.joints)))


@ALL
def test_mirroring_swaps_left_and_right_by_name(layout: SkeletonLayout) -> None:
    swap = {"left": "right", "right": "left"}
    for joint, mirrored in zip(layout.joints, layout.flip, strict=True):
        side, _, rest = joint.partition("_")
        wanted = f"{swap[side]}_{rest}" if side in swap else joint
        assert layout.joints[mirrored] == wanted


@ALL
def test_hips_and_shoulders_are_named_so(layout: SkeletonLayout) -> None:
    assert [layout.joints[joint] for joint in layout.hips] == ["left_hip", "right_hip"]
    assert [layout.joints[joint] for joint in layout.shoulders] == ["left_shoulder", "right_shoulder"]


def test_the_coco_grids_are_those_of_the_body_parts() -> None:
    cells = COCO_LAYOUT.cells("constant")
    assert cells[0].ravel().tolist() == list(BODY_PARTS[0].joints)
    assert cells[2].tolist() == [[EMPTY] * 3, [EMPTY, 9, 10], [EMPTY] * 3]


def test_replicated_cells_repeat_the_nearest_joint() -> None:
    assert COCO_LAYOUT.cells("replicate")[2].tolist() == [[9, 9, 10], [9, 9, 10], [9, 9, 10]]
    assert (LAYOUTS["kinect20"].cells("replicate") != EMPTY).all()


def test_the_tables_of_the_other_skeletons_are_as_stated() -> None:
    sbu, kinect = LAYOUTS["sbu15"], LAYOUTS["kinect20"]

    def names(layout: SkeletonLayout, part: int) -> set[str]:
        return {layout.joints[joint] for joint in layout.grids[part] if joint != EMPTY}

    assert names(sbu, 0) == {
        "head", "neck", "torso", "left_shoulder", "right_shoulder", "left_hip", "right_hip"
    }  # fmt: skip
    assert names(kinect, 2) == {"left_wrist", "right_wrist", "left_hand", "right_hand"}
    assert names(kinect, 4) == {"left_ankle", "right_ankle", "left_foot", "right_foot"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grids": COCO_LAYOUT.grids[:4]}, "expected 5 grids of 9 cells"),
        ({"grids": (COCO_LAYOUT.grids[1], *COCO_LAYOUT.grids[1:])}, "each of 17 joints in one cell"),
        ({"flip": (1, 2, 0, *COCO_LAYOUT.flip[3:])}, "mirroring twice"),
        ({"parents": (1, 0, *COCO_LAYOUT.parents[2:])}, "expected one root"),
        ({"parents": (0, 1, *COCO_LAYOUT.parents[2:])}, "expected one root"),
        ({"parents": COCO_LAYOUT.parents[:16]}, "expected one root"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(changes: dict[str, object], words: str) -> None:
    fields = {
        "name": "x", "joints": COCO_LAYOUT.joints, "grids": COCO_LAYOUT.grids, "flip": COCO_LAYOUT.flip,
        "shoulders": (5, 6), "hips": (11, 12), "parents": COCO_LAYOUT.parents,
    }  # fmt: skip
    with pytest.raises(StructureError, match=words):
        SkeletonLayout(**{**fields, **changes})  # type: ignore[arg-type]


def test_an_unknown_padding_is_refused() -> None:
    with pytest.raises(StructureError, match="expected constant or replicate"):
        COCO_LAYOUT.cells("mirror")  # type: ignore[arg-type]


def test_grids_and_joints_agree_for_numpy() -> None:
    order = np.array([joint for grid in COCO_LAYOUT.grids for joint in grid if joint != EMPTY])
    assert sorted(order.tolist()) == list(range(17))
