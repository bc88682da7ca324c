"""Overlap of boxes and similarity of poses, by hand, by property and against the COCO evaluation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from activity.errors import StructureError
from activity.structures import COCO_SIGMAS, box_area, box_iou, boxes_around_keypoints, oks

Boxes = list[list[float]]


@pytest.mark.parametrize(
    ("second", "expected", "reason"),
    [
        ([0, 0, 4, 2], 1.0, "the same box"),
        ([2, 0, 6, 2], 1 / 3, "half of each: 4 / (8 + 8 - 4)"),
        ([1, 0, 3, 2], 0.5, "inside: 4 / 8"),
        ([4, 0, 8, 2], 0.0, "touching"),
        ([9, 9, 10, 10], 0.0, "apart"),
        ([5, 5, 5, 5], 0.0, "a point outside"),
        ([1, 1, 1, 1], 0.0, "a point inside"),
    ],
)
def test_iou_of_a_4x2_box(second: list[float], expected: float, reason: str) -> None:
    assert box_iou([[0, 0, 4, 2]], [second])[0, 0] == pytest.approx(expected), reason


def test_iou_gives_rows_for_the_first_and_columns_for_the_second() -> None:
    first = [[0, 0, 2, 2], [10, 10, 12, 12]]
    second = [[10, 10, 12, 12], [0, 0, 1, 2], [50, 50, 51, 51]]
    np.testing.assert_allclose(box_iou(first, second), [[0.0, 0.5, 0.0], [1.0, 0.0, 0.0]])


def test_two_boxes_without_area_overlap_by_zero() -> None:
    assert box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]).tolist() == [[0.0]]


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4))])
def test_iou_with_no_boxes_is_empty(empty: npt.ArrayLike) -> None:
    assert box_iou(empty, [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_iou([[0, 0, 1, 1]], empty).shape == (1, 0)
    assert box_iou(empty, empty).shape == (0, 0)


@pytest.mark.parametrize(
    "boxes", [[0, 0, 1, 1], [[0, 0, 1]], np.zeros((2, 3, 4)), np.zeros((0, 3)), np.zeros((4, 0))]
)
def test_boxes_of_a_wrong_shape_are_refused_by_name(boxes: npt.ArrayLike) -> None:
    with pytest.raises(StructureError, match=r"second: expected shape \[any, 4\]"):
        box_iou([[0, 0, 1, 1]], boxes)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_boxes_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(StructureError, match="first: 1 of 4 values are NaN or infinite"):
        box_iou([[0, 0, wrong, 1]], [[0, 0, 1, 1]])


def test_a_box_that_is_inside_out_is_refused() -> None:
    with pytest.raises(StructureError, match=r"boxes\[1\]: expected x0 <= x1 and y0 <= y1"):
        box_area([[0, 0, 1, 1], [3, 0, 2, 1]])


def test_area_of_none_one_and_many() -> None:
    assert box_area([]).tolist() == []
    assert box_area([[1, 2, 4, 4]]).tolist() == [6.0]
    assert box_area([[0, 0, 2, 3], [5, 5, 5, 9]]).tolist() == [6.0, 0.0]


coordinate = st.floats(-1e4, 1e4, allow_nan=False)
size = st.floats(0.01, 1e4, allow_nan=False)
boxes_strategy = st.lists(
    st.builds(lambda x, y, w, h: [x, y, x + w, y + h], coordinate, coordinate, size, size),
    min_size=1,
    max_size=5,
)


@given(boxes_strategy, boxes_strategy)
def test_iou_is_symmetric_and_lies_between_0_and_1(first: Boxes, second: Boxes) -> None:
    overlap = box_iou(first, second)
    np.testing.assert_allclose(overlap, box_iou(second, first).T, atol=1e-12)
    assert ((overlap >= 0) & (overlap <= 1)).all()


@given(boxes_strategy)
def test_a_box_overlaps_itself_fully(boxes: Boxes) -> None:
    np.testing.assert_allclose(np.diag(box_iou(boxes, boxes)), 1)


@given(boxes_strategy, boxes_strategy, st.floats(0.1, 100), coordinate)
def test_iou_does_not_change_when_the_picture_is_scaled_or_moved(
    first: Boxes, second: Boxes, scale: float, shift: float
) -> None:
    moved = box_iou(np.array(first) * scale + shift, np.array(second) * scale + shift)
    np.testing.assert_allclose(moved, box_iou(first, second), atol=1e-4)


def person(x: float = 0, y: float = 0) -> npt.NDArray[np.float64]:
    """All joints at one place, all labelled."""
    return np.tile([x, y, 2.0], (17, 1))


def test_oks_of_a_pose_with_itself_is_one() -> None:
    assert oks([person(3, 4)], [person(3, 4)], [50]).tolist() == [[1.0]]


def test_oks_of_one_displaced_nose_by_hand() -> None:
    # 5 px off; area 10,000; sigma 0.026: exp(-25 / (2 * 10000 * 0.052**2)) = exp(-0.4623) = 0.6299
    moved = person()
    moved[0, :2] = [3, 4]
    value = oks([moved], [person()], [10_000])[0, 0]
    assert value == pytest.approx((0.62985 + 16) / 17, abs=1e-5)


def test_oks_looks_only_at_joints_that_the_reference_labels() -> None:
    reference = person()
    reference[1:, 2] = 0
    detected = person(500, 500)
    detected[0, :2] = 0
    assert oks([detected], [reference], [100])[0, 0] == 1.0


def test_oks_does_not_look_at_the_confidence_of_what_was_detected() -> None:
    unsure = person()
    unsure[:, 2] = 0
    assert oks([unsure], [person()], [100])[0, 0] == 1.0
    assert oks([unsure[:, :2]], [person()], [100])[0, 0] == 1.0


def test_a_reference_without_labels_is_like_nothing() -> None:
    reference = person()
    reference[:, 2] = 0
    assert oks([person()], [reference], [100])[0, 0] == 0.0


def test_oks_of_nobody_is_empty() -> None:
    nobody = np.zeros((0, 17, 3))
    assert oks(nobody, [person()], [1]).shape == (0, 1)
    assert oks([person()], nobody, []).shape == (1, 0)


@pytest.mark.parametrize(
    ("detected", "reference", "areas", "message"),
    [
        (np.zeros((1, 16, 3)), np.zeros((1, 17, 3)), [1], r"detected: expected shape \[any, 17, 2 or 3\]"),
        (np.zeros((17, 3)), np.zeros((1, 17, 3)), [1], "detected"),
        (np.zeros((1, 17, 3)), np.zeros((1, 17, 2)), [1], r"reference: expected shape \[any, 17, 3\]"),
        (
            np.zeros((1, 17, 3)),
            np.zeros((2, 17, 3)),
            [1],
            r"reference_areas: expected shape \[2\], got \[1\]",
        ),
        (
            np.zeros((1, 17, 3)),
            np.zeros((1, 17, 3)),
            [-1],
            "reference_areas: expected areas of 0 or more, got -1",
        ),
        (np.full((1, 17, 3), np.nan), np.zeros((1, 17, 3)), [1], "detected: 34 of 34 values are NaN"),
        (np.zeros((1, 17, 3)), np.full((1, 17, 3), np.nan), [1], "reference: 51 of 51 values are NaN"),
        (np.zeros((1, 17, 3)), np.zeros((1, 17, 3)), [np.nan], "reference_areas: 1 of 1 values are NaN"),
    ],
)
def test_oks_refuses_what_does_not_fit(
    detected: npt.ArrayLike, reference: npt.ArrayLike, areas: npt.ArrayLike, message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        oks(detected, reference, areas)


def test_oks_refuses_sigmas_of_another_skeleton() -> None:
    with pytest.raises(StructureError, match=r"sigmas: expected shape \[17\], got \[14\]"):
        oks([person()], [person()], [1], sigmas=np.ones(14))


@pytest.mark.parametrize("seed", range(5))
def test_oks_agrees_with_the_coco_evaluation(seed: int) -> None:
    random = np.random.default_rng(seed)
    references = random.uniform(0, 300, (4, 17, 3))
    references[..., 2] = random.integers(0, 3, (4, 17))
    references[:, 0, 2] = 2  # at least one label each: without any, COCO compares with a region
    detected = references[random.integers(0, 4, 6)] + random.normal(0, 8, (6, 17, 3))
    areas = random.uniform(500, 40_000, 4)

    evaluator = COCOeval(iouType="keypoints")
    gts: list[dict[str, Any]] = [
        {"keypoints": reference.ravel().tolist(), "bbox": [0, 0, 1, 1], "area": area}
        for reference, area in zip(references, areas, strict=True)
    ]
    dts = [{"keypoints": pose.ravel().tolist(), "score": 1 - i / 10} for i, pose in enumerate(detected)]
    evaluator._gts[1, 1], evaluator._dts[1, 1] = gts, dts
    np.testing.assert_allclose(oks(detected, references, areas), evaluator.computeOks(1, 1), atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 20))
def test_oks_does_not_change_when_the_picture_is_scaled(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    detected, reference = random.uniform(0, 50, (2, 3, 17, 3))
    scaled = reference * [scale, scale, 1]
    before = oks(detected, reference, [2500.0] * 3)
    np.testing.assert_allclose(oks(detected * scale, scaled, [2500.0 * scale**2] * 3), before, atol=1e-9)
    assert ((before >= 0) & (before <= 1)).all()


def test_wider_sigmas_forgive_more() -> None:
    moved = [person(5, 0)]
    assert oks(moved, [person()], [100], sigmas=2 * COCO_SIGMAS) > oks(moved, [person()], [100])


def test_box_around_keypoints_leaves_missing_joints_out() -> None:
    pose = np.zeros((1, 17, 3))
    pose[0, 3] = [10, 20, 0.5]
    pose[0, 9] = [30, 5, 0.1]
    pose[0, 10] = [900, 900, 0]
    assert boxes_around_keypoints(pose).tolist() == [[10, 5, 30, 20]]


def test_box_around_no_joint_is_all_zeros() -> None:
    pose = np.ones((2, 17, 3))
    pose[0, :, 2] = 0
    assert boxes_around_keypoints(pose).tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


def test_boxes_around_nobody_are_none() -> None:
    assert boxes_around_keypoints(np.zeros((0, 17, 3))).shape == (0, 4)


def test_boxes_around_keypoints_refuse_another_skeleton() -> None:
    with pytest.raises(StructureError, match=r"keypoints: expected shape \[any, 17, 3\], got \[1, 18, 3\]"):
        boxes_around_keypoints(np.zeros((1, 18, 3)))
