from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from activity.errors import StructureError
from activity.tubelets import to_part_grids


def _numbered() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """One frame in which joint j stands at x = j + 1, y = -(j + 1), so that no joint is 0."""
    numbers = np.arange(1, 18, dtype=np.float64)
    return np.stack([numbers, -numbers], axis=1)[None]


def test_the_torso_fills_its_grid_row_by_row() -> None:
    torso = to_part_grids(_numbered(), padding="constant")[0, 0, 0]
    # nose, eyes | ears, left shoulder | right shoulder, hips; joint numbers plus one
    assert torso.tolist() == [[1, 2, 3], [4, 5, 6], [7, 12, 13]]


@pytest.mark.parametrize(("part", "joints"), [(1, (8, 9)), (2, (10, 11)), (3, (14, 15)), (4, (16, 17))])
def test_a_two_joint_part_stands_in_the_middle_row_at_columns_1_and_2(
    part: int, joints: tuple[int, int]
) -> None:
    grid = to_part_grids(_numbered(), padding="constant")[part, 0, 0]
    assert grid.tolist() == [[0, 0, 0], [0, *joints], [0, 0, 0]]


def test_replicate_padding_repeats_the_edge_of_the_strip() -> None:
    wrists = to_part_grids(_numbered(), padding="replicate")[2, 0, 0]
    assert wrists.tolist() == [[10, 10, 11]] * 3


@pytest.mark.parametrize("axis", [0, 1])
def test_each_joint_appears_exactly_once_in_the_cells_that_are_not_padding(axis: int) -> None:
    grids = to_part_grids(_numbered(), padding="constant")
    values = grids[:, axis][grids[:, axis] != 0]
    assert sorted(np.abs(values).tolist()) == list(range(1, 18))


def test_x_and_y_are_the_two_channels_and_frames_keep_their_order() -> None:
    frames = np.concatenate([_numbered(), 10 * _numbered()])
    grids = to_part_grids(frames, padding="constant")
    assert grids.shape == (5, 2, 2, 3, 3)
    assert grids.dtype == np.float32
    np.testing.assert_array_equal(grids[:, 1], -grids[:, 0])
    np.testing.assert_array_equal(grids[:, :, 1], 10 * grids[:, :, 0])


@pytest.mark.parametrize("padding", ["constant", "replicate"])
def test_no_frames_make_empty_grids(padding: Literal["constant", "replicate"]) -> None:
    assert to_part_grids(np.zeros((0, 17, 2)), padding=padding).shape == (5, 2, 0, 3, 3)


def test_missing_joint_columns_are_refused() -> None:
    with pytest.raises(StructureError, match=r"expected shape \[any, 17, 2\], got \[24, 16, 2\]"):
        to_part_grids(np.zeros((24, 16, 2)), padding="constant")


def test_an_unknown_padding_is_refused() -> None:
    with pytest.raises(StructureError, match="expected constant or replicate, got 'wrap'"):
        to_part_grids(np.zeros((24, 17, 2)), padding="wrap")  # type: ignore[arg-type]
