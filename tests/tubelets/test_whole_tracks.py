from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import ConfigurationError
from activity.structures import Track, boxes_around_keypoints
from activity.tubelets import TubeletSettings, whole_track, whole_tracks

SETTINGS = TubeletSettings(frame_rate_hz=12.0, keypoint_threshold=0.1)


def track_of(times_s: npt.ArrayLike, keypoints: npt.NDArray[np.float64], track_id: int = 1) -> Track:
    points = keypoints.astype(np.float32)
    return Track(
        track_id=track_id,
        frame_indices=np.arange(len(points)),
        times_s=np.asarray(times_s, dtype=np.float64),
        keypoints=points,
        boxes=boxes_around_keypoints(points),
        scores=np.ones(len(points), dtype=np.float32),
    )


def standing(seconds: float, *, start_s: float = 0.0, rate_hz: float = 24, track_id: int = 1) -> Track:
    """Somebody who moves 6 px to the right in every second."""
    times_s = start_s + np.arange(round(seconds * rate_hz)) / rate_hz
    body = np.random.default_rng(track_id).uniform(20, 80, size=(17, 2))
    points = np.ones((len(times_s), 17, 3))
    points[:, :, :2] = body + np.stack([6 * times_s, 0 * times_s], axis=1)[:, None]
    return track_of(times_s, points, track_id)


def test_a_track_of_three_seconds_is_one_tubelet_of_its_own_length() -> None:
    tubelet = whole_track(standing(3.0), SETTINGS)
    assert tubelet is not None
    assert tubelet.grids.shape == (5, 2, 36, 3, 3)
    assert (tubelet.start_s, tubelet.end_s) == pytest.approx((0, 35 / 12))
    assert tubelet.observed == 1
    steps = np.diff(tubelet.grids[0, 0, :, 0, 0])  # the nose: half a pixel a frame, in body sizes
    np.testing.assert_allclose(steps, steps[0], atol=1e-6)
    assert steps[0] > 0


def test_half_a_second_is_enough_and_less_is_not() -> None:
    assert whole_track(standing(6 / 12, rate_hz=12), SETTINGS) is not None
    assert whole_track(standing(5 / 12, rate_hz=12), SETTINGS) is None


def test_a_long_absence_leaves_empty_frames_and_does_not_end_the_track() -> None:
    early, late = standing(1.0, rate_hz=12), standing(1.0, start_s=3.0, rate_hz=12)
    track = track_of(
        np.concatenate([early.times_s, late.times_s]), np.concatenate([early.keypoints, late.keypoints])
    )
    tubelet = whole_track(track, SETTINGS)
    assert tubelet is not None
    assert tubelet.frames == 48
    empty = ~tubelet.grids.any(axis=(0, 1, 3, 4))
    assert np.flatnonzero(empty).tolist() == list(range(12, 36))
    assert tubelet.observed == 0.5


def test_joints_under_the_threshold_count_as_missing() -> None:
    track = standing(1.0)
    doubted = track.keypoints.copy()
    doubted[:, :, 2] = 0.09
    assert whole_track(track_of(track.times_s, doubted.astype(np.float64)), SETTINGS) is None


def test_people_at_one_point_have_no_size() -> None:
    points = np.ones((24, 17, 3))
    assert whole_track(track_of(np.arange(24) / 24, points), SETTINGS) is None


def test_tracks_are_cut_where_a_window_ends() -> None:
    long, short = standing(11.0, track_id=1), standing(1.0, start_s=4.0, track_id=2)
    windows = list(whole_tracks([long, short], SETTINGS, edges_s=[11 / 3, 22 / 3]))
    assert [[t.track_id for t in window] for window in windows] == [[1], [1, 2], [1]]
    edges = [(window[0].start_s, window[0].end_s) for window in windows]
    assert edges[0] == pytest.approx((0, 11 / 3), abs=0.1)
    assert edges[2][1] == pytest.approx(11, abs=0.1)
    for (_, end), (start, _) in pairwise(edges):
        assert 0 < start - end < 0.1


def test_without_edges_there_is_one_window_and_it_may_be_empty() -> None:
    (window,) = whole_tracks([standing(5.0), standing(2.0, track_id=2)], SETTINGS)
    assert [t.frames for t in window] == [60, 24]
    assert list(whole_tracks([], SETTINGS)) == [()]
    assert list(whole_tracks([standing(0.1)], SETTINGS, edges_s=[3.0])) == [(), ()]


def test_tracks_that_are_taken_frame_by_frame_have_no_common_rate() -> None:
    with pytest.raises(ConfigurationError, match="need a frame_rate_hz"):
        whole_track(standing(1.0), TubeletSettings.paper())
