from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.detection.boxes import decode_cells, fitted_size, letterbox, suppress_duplicates
from activity.errors import StructureError

STRIDES = (8, 16, 32)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        pytest.param(360, 640, (384, 640), id="16:9, rounded up from 360"),
        # 0.6 x 640^2 = 245,760 pixels; 640 x 480 shrinks by sqrt(245,760 / 307,200) = 0.894 to 572 x 429
        pytest.param(480, 640, (448, 576), id="4:3 has as many pixels"),
        pytest.param(1920, 1080, (640, 384), id="upright"),
        pytest.param(1, 1, (512, 512), id="one pixel: 496 rounded up"),
        pytest.param(1, 8000, (32, 640), id="a line: at least one cell of the coarsest level"),
    ],
)
def test_input_is_the_smallest_that_holds_the_image(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert fitted_size(height, width, long_side=640) == expected


def test_letterbox_keeps_the_aspect_and_pads_with_gray_at_right_and_bottom() -> None:
    fitted = letterbox(np.full((20, 40, 3), 200, np.uint8), height=64, width=64)
    # 64 / 40 = 1.6: the image becomes 32 x 64
    assert (fitted.scale_x, fitted.scale_y) == (1.6, 1.6)
    assert (fitted.image[:32] == 200).all()
    assert (fitted.image[32:] == 114).all()


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    shares=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
)
def test_boxes_survive_the_way_into_the_input_and_back(height: int, width: int, shares: list[float]) -> None:
    fitted = letterbox(np.zeros((height, width, 3), np.uint8), height=96, width=160)
    box = np.array([shares], np.float32) * [width, height, width, height]
    there = fitted.to_input(box)
    assert (there[:, [0, 2]] <= 160.01).all()
    assert (there[:, [1, 3]] <= 96.01).all()
    np.testing.assert_allclose(fitted.to_image(there), box, atol=1e-2)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.zeros((0, 5, 3), np.uint8), id="no rows"),
        pytest.param(np.zeros((5, 5), np.uint8), id="gray"),
        pytest.param(np.zeros((5, 5, 3), np.float32), id="floats"),
    ],
)
def test_what_is_no_colour_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(StructureError, match="image: expected uint8"):
        letterbox(image, height=32, width=32)


def test_cells_decode_to_the_boxes_worked_out_by_hand() -> None:
    # A 32 x 64 input: 4 x 8 cells at stride 8, 2 x 4 at 16, 1 x 2 at 32; 42 in all.
    cells = np.zeros((42, 4), np.float32)
    cells[8 + 3] = [0.5, 0.25, np.log(2), np.log(4)]  # stride 8, row 1, column 3
    cells[32 + 7] = [0.5, 0.5, 0, 0]  # stride 16, row 1, column 3
    cells[41] = [-0.5, 0.5, np.log(0.5), np.log(0.25)]  # stride 32, row 0, column 1
    boxes = decode_cells(cells, height=32, width=64, strides=STRIDES)
    # centre (3.5, 1.25) x 8 = (28, 10), size 16 x 32
    np.testing.assert_allclose(boxes[11], [20, -6, 36, 26], atol=1e-4)
    # centre (3.5, 1.5) x 16 = (56, 24), size 16 x 16
    np.testing.assert_allclose(boxes[39], [48, 16, 64, 32], atol=1e-4)
    # centre (0.5, 0.5) x 32 = (16, 16), size 16 x 8
    np.testing.assert_allclose(boxes[41], [8, 12, 24, 20], atol=1e-4)


def test_absurd_sizes_stay_finite() -> None:
    cells = np.full((21, 4), 1e4, np.float32)
    assert np.isfinite(decode_cells(cells, height=32, width=32, strides=STRIDES)).all()


def test_cells_of_another_input_size_are_refused() -> None:
    with pytest.raises(StructureError, match=r"32x32 .* has 21 cells .* got shape \[20, 4\]"):
        decode_cells(np.zeros((20, 4), np.float32), height=32, width=32, strides=STRIDES)


@pytest.mark.parametrize(
    ("classes", "threshold", "kept"),
    [
        # Boxes 0 and 1 overlap by 9 x 10 over 110 = 0.818, boxes 0 and 2 not at all.
        pytest.param([0, 0, 0], 0.8, [1, 2], id="the weaker of two of one class goes"),
        pytest.param([0, 1, 0], 0.8, [1, 0, 2], id="another class never suppresses"),
        pytest.param([0, 0, 0], 0.82, [1, 0, 2], id="overlap under the threshold stays"),
    ],
)
def test_duplicates_are_dropped_within_each_class(
    classes: list[int], threshold: float, kept: list[int]
) -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.8, 0.9, 0.7], np.float32)
    result = suppress_duplicates(boxes, scores, np.array(classes), iou_threshold=threshold)
    assert result.tolist() == kept


def test_a_dropped_box_drops_nothing_itself() -> None:
    # A chain: 0 hits 1, 1 hits 2, 0 and 2 overlap by 4 x 10 over 160 = 0.25 only.
    boxes = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)
    kept = suppress_duplicates(boxes, np.array([0.9, 0.8, 0.7]), np.zeros(3, np.int64), iou_threshold=0.5)
    assert kept.tolist() == [0, 2]


def test_nothing_in_gives_nothing_out() -> None:
    kept = suppress_duplicates(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), iou_threshold=0.5)
    assert kept.shape == (0,)
