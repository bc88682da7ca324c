"""Crops and heat maps: the way to the network and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.errors import StructureError
from activity.pose.heatmaps import FILL, crop_matrix, cut_crop, decode_heatmaps, to_frame


def gaussian(
    x: float, y: float, *, height: int = 12, width: int = 10, sigma: float = 1.5
) -> npt.NDArray[np.float32]:
    columns, rows = np.arange(width), np.arange(height)
    across = np.exp(-((columns - x) ** 2) / (2 * sigma**2))
    down = np.exp(-((rows - y) ** 2) / (2 * sigma**2))
    return np.asarray(down[:, None] * across, np.float32)


def test_the_centre_of_the_box_lands_in_the_centre_of_the_crop() -> None:
    matrix = crop_matrix([10, 20, 30, 80], size=(192, 160), padding=1.25)
    # The box covers pixels 10 to 29 and 20 to 79: its centre is pixel (19.5, 49.5).
    np.testing.assert_allclose(matrix @ [19.5, 49.5, 1], [79.5, 95.5])


def test_a_tall_box_fills_the_crop_but_for_the_padding() -> None:
    matrix = crop_matrix([0, 0, 20, 96], size=(192, 160), padding=1.0)
    np.testing.assert_allclose(matrix[0, 0], 2.0)  # 96 px become 192
    np.testing.assert_allclose(crop_matrix([0, 0, 20, 96], size=(192, 160), padding=2.0)[0, 0], 1.0)


def test_a_wide_box_is_bounded_by_the_crops_width() -> None:
    np.testing.assert_allclose(crop_matrix([0, 0, 320, 50], size=(192, 160), padding=1.0)[0, 0], 0.5)


def test_a_quarter_turn_carries_right_to_down() -> None:
    matrix = crop_matrix([0, 0, 10, 10], size=(10, 10), padding=1.0, rotation=np.pi / 2)
    np.testing.assert_allclose(matrix[:, :2] @ [1, 0], [0, 1], atol=1e-12)


@pytest.mark.parametrize("box", [[5, 5, 5, 5], [5, 5, 5, 50], [0, 0, 1, 1], [-1e4, -1e4, 1e4, 1e4]])
def test_any_box_has_an_invertible_crop(box: list[float]) -> None:
    matrix = crop_matrix(box, size=(192, 160), padding=1.3)
    assert np.isfinite(matrix).all()
    assert np.linalg.det(matrix[:, :2]) > 0


def test_a_crop_at_scale_one_is_the_picture_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    matrix = crop_matrix([16, 8, 48, 40], size=(32, 32), padding=1.0)
    np.testing.assert_array_equal(cut_crop(image, matrix, size=(32, 32)), image[8:40, 16:48])


def test_beyond_the_frame_is_filled() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    crop = cut_crop(image, crop_matrix([-32, 0, 32, 64], size=(64, 64), padding=1.0), size=(64, 64))
    assert tuple(crop[10, 5]) == FILL
    assert tuple(crop[10, 40]) == (0, 0, 0)
    assert tuple(crop[50, 40]) == FILL


@pytest.mark.parametrize("zoom", [2, 3, 8])
def test_shrinking_keeps_places_and_averages(zoom: int) -> None:
    """A soft dot in a large picture is found where the matrix says it is."""
    x, y = 40.0 * zoom, 60.0 * zoom
    dot = gaussian(x, y, height=96 * zoom, width=80 * zoom, sigma=2.5 * zoom)
    image = np.repeat((255 * dot).astype(np.uint8)[..., None], 3, axis=2)
    matrix = crop_matrix([0, 0, 80 * zoom, 96 * zoom], size=(96, 80), padding=1.0)
    crop = cut_crop(image, matrix, size=(96, 80)).astype(np.float32)
    found = decode_heatmaps(np.ascontiguousarray(crop[None, None, :, :, 0] / np.float32(255)))
    np.testing.assert_allclose(found[0, 0, :2], matrix @ [x, y, 1], atol=0.1)


def test_noise_is_averaged_not_sampled_when_the_crop_shrinks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    crop = cut_crop(image, crop_matrix([0, 0, 800, 800], size=(100, 100), padding=1.0), size=(100, 100))
    assert crop.std() < 15  # of 74 in the picture; 64 pixels make one


@settings(max_examples=60, deadline=None)
@given(x=st.floats(1.0, 8.0), y=st.floats(1.0, 10.0), height=st.floats(0.05, 1.0))
def test_the_peak_of_a_gaussian_is_found_exactly(x: float, y: float, height: float) -> None:
    found = decode_heatmaps((gaussian(x, y) * np.float32(height))[None, None], smoothing_cells=0)
    np.testing.assert_allclose(found[0, 0, :2], [x, y], atol=0.02)
    assert 0.85 * height <= found[0, 0, 2] <= height + 1e-6


def test_a_peak_on_the_border_stays_in_the_map() -> None:
    found = decode_heatmaps(gaussian(-2.0, 5.3)[None, None], smoothing_cells=0)
    assert found[0, 0, 0] == 0
    assert found[0, 0, 1] == pytest.approx(5.3, abs=0.02)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_map_has_no_fraction_to_find(value: float) -> None:
    found = decode_heatmaps(np.full((1, 17, 6, 5), value, np.float32), smoothing_cells=0)
    np.testing.assert_array_equal(found, np.tile([0, 0, value], (1, 17, 1)))


def test_a_smoothed_gaussian_keeps_its_place_and_its_own_height() -> None:
    found = decode_heatmaps(np.float32(0.6) * gaussian(12.3, 13.8, height=28, width=24)[None, None])
    np.testing.assert_allclose(found[0, 0, :2], [12.3, 13.8], atol=0.02)
    assert found[0, 0, 2] == pytest.approx(0.6, abs=0.03)


def test_a_broad_hill_outweighs_a_lone_spike() -> None:
    heatmap = np.float32(0.5) * gaussian(5, 4, height=24, width=20)
    heatmap[18, 15] = 0.55
    np.testing.assert_allclose(decode_heatmaps(heatmap[None, None])[0, 0], [5.0, 4.0, 0.5], atol=0.02)
    assert decode_heatmaps(heatmap[None, None], smoothing_cells=0)[0, 0, :2].tolist() == [15, 18]


def test_a_map_of_one_cell_and_nobody_are_decoded() -> None:
    np.testing.assert_allclose(decode_heatmaps(np.full((1, 1, 1, 1), 0.3, np.float32)), [[[0, 0, 0.3]]])
    assert decode_heatmaps(np.zeros((0, 17, 6, 5), np.float32)).shape == (0, 17, 3)


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(StructureError, match=r"\[17, 6, 5\]"):
        decode_heatmaps(np.zeros((17, 6, 5), np.float32))


@settings(max_examples=50, deadline=None)
@given(
    x=st.floats(0, 300),
    y=st.floats(0, 300),
    width=st.floats(5, 200),
    height=st.floats(5, 200),
    turn=st.floats(-3, 3),
)
def test_cells_go_back_to_the_pixels_they_came_from(
    x: float, y: float, width: float, height: float, turn: float
) -> None:
    matrix = crop_matrix([x, y, x + width, y + height], size=(192, 160), padding=1.3, rotation=turn)
    in_crop = matrix @ [x + 3, y + 4, 1]
    cell = (in_crop + 0.5) / 4 - 0.5
    back = to_frame(np.array([[[*cell, 0.7]]], np.float32), matrix[None], stride=4)
    np.testing.assert_allclose(back[0, 0], [x + 3, y + 4, 0.7], atol=0.01)
