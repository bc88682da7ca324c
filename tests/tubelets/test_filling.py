from __future__ import annotations

import numpy as np
import pytest

from activity.errors import StructureError
from activity.tubelets.filling import fill_empty_frames, resample


def test_an_empty_frame_is_the_mean_of_its_neighbours() -> None:
    assert fill_empty_frames([[10.0, 20.0], [0.0, 0.0], [14.0, 30.0]]).tolist() == [
        [10, 20],
        [12, 25],
        [14, 30],
    ]


def test_a_value_stays_0_where_either_neighbour_is_0() -> None:
    assert fill_empty_frames([[10.0, 0.0], [0.0, 0.0], [14.0, 30.0]])[1].tolist() == [12, 0]
    assert fill_empty_frames([[10.0, 8.0], [0.0, 0.0], [14.0, 0.0]])[1].tolist() == [12, 0]


def test_a_frame_with_one_value_is_not_empty() -> None:
    frames = [[10.0, 20.0], [0.0, 1.0], [14.0, 30.0]]
    assert fill_empty_frames(frames).tolist() == frames


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([[0.0], [5.0], [6.0]], id="first frame has no frame before it"),
        pytest.param([[5.0], [6.0], [0.0]], id="last frame has no frame after it"),
        pytest.param([[5.0], [0.0], [0.0], [6.0]], id="two empty frames are each other's neighbour"),
        pytest.param([[0.0]], id="one frame"),
        pytest.param([[0.0], [0.0]], id="two frames"),
    ],
)
def test_frames_without_two_seen_neighbours_stay_as_they_are(frames: list[list[float]]) -> None:
    assert fill_empty_frames(frames).tolist() == frames


def test_no_frames_stay_no_frames() -> None:
    assert fill_empty_frames(np.zeros((0, 34))).shape == (0, 34)


def test_values_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(StructureError, match=r"expected shape \[any, any\], got \[3\]"):
        fill_empty_frames([1.0, 2.0, 3.0])


def _one_joint(values: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    positions = np.zeros((len(values), 1, 2))
    positions[:, 0, 0] = values
    return positions


def test_a_joint_is_interpolated_over_a_short_gap_and_missing_in_a_long_one() -> None:
    times_s = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    seen = np.array([1, 0, 1, 0, 0, 0, 0, 1, 1], dtype=bool)[:, None]
    poses = resample(
        times_s, _one_joint([0, 99, 2, 99, 99, 99, 99, 7, 8]), seen, frame_rate_hz=10, max_gap_s=0.25
    )
    assert poses.positions[:, 0, 0].tolist() == pytest.approx([0, 1, 2, 0, 0, 0, 0, 7, 8])
    assert poses.present[:, 0].tolist() == [True, True, True, False, False, False, False, True, True]
    assert poses.observed[:, 0].tolist() == [True, False, True, False, False, False, False, True, True]


def test_a_joint_is_held_before_and_after_its_sightings_no_longer_than_the_gap_allows() -> None:
    times_s = np.arange(7) / 10
    seen = np.array([0, 0, 1, 1, 0, 0, 0], dtype=bool)[:, None]
    poses = resample(times_s, _one_joint([9, 9, 3, 4, 9, 9, 9]), seen, frame_rate_hz=10, max_gap_s=0.2)
    assert poses.positions[:, 0, 0].tolist() == pytest.approx([3, 3, 3, 4, 4, 4, 0])
    assert poses.observed[:, 0].tolist() == [False, False, True, True, False, False, False]


def test_samples_lie_at_equal_intervals_whatever_the_frames_do() -> None:
    times_s = np.array([0.0, 0.03, 0.1, 0.14, 0.2, 0.3])
    seen = np.ones((6, 1), dtype=bool)
    poses = resample(times_s, _one_joint((times_s * 50).tolist()), seen, frame_rate_hz=20, max_gap_s=0.5)
    assert poses.times_s.tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
    assert poses.positions[:, 0, 0].tolist() == pytest.approx([0, 2.5, 5, 7.5, 10, 12.5, 15])


def test_a_joint_that_was_never_seen_is_missing_everywhere() -> None:
    poses = resample(
        np.arange(4) / 10,
        _one_joint([5, 5, 5, 5]),
        np.zeros((4, 1), dtype=bool),
        frame_rate_hz=10,
        max_gap_s=1,
    )
    assert not poses.present.any()
    assert not poses.positions.any()


def test_one_frame_is_one_sample() -> None:
    poses = resample(
        np.array([3.0]), _one_joint([5]), np.ones((1, 1), dtype=bool), frame_rate_hz=12, max_gap_s=0.5
    )
    assert poses.times_s.tolist() == [3.0]
    assert poses.positions[0, 0, 0] == 5
    assert poses.observed.all()
