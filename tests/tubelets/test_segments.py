from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.errors import ConfigurationError, StructureError
from activity.structures import Track, boxes_around_keypoints
from activity.tubelets import TubeletSettings, make_tubelets

STANDING = np.array(
    [
        *([50, 10], [52, 8], [48, 8], [55, 10], [45, 10]),  # nose, eyes, ears
        *([62, 30], [38, 30], [68, 50], [32, 50], [70, 68], [30, 68]),  # shoulders, elbows, wrists
        *([57, 70], [43, 70], [58, 100], [42, 100], [58, 130], [42, 130]),  # hips, knees, ankles
    ],
    dtype=np.float64,
)


def walking(times_s: npt.NDArray[np.float64], *, amplitude_px: float = 15.0) -> npt.NDArray[np.float64]:
    """[N, 17, 3]: a person who walks to the right and swings the wrists, all joints seen."""
    positions = np.repeat(STANDING[None], len(times_s), axis=0)
    positions[:, :, 0] += 20 * times_s[:, None]
    positions[:, 9, 1] += amplitude_px * np.sin(2 * np.pi * times_s)
    positions[:, 10, 1] -= amplitude_px * np.sin(2 * np.pi * times_s)
    return np.concatenate([positions, np.ones((len(times_s), 17, 1))], axis=2)


def track_of(times_s: npt.ArrayLike, keypoints: npt.ArrayLike, track_id: int = 1) -> Track:
    points = np.asarray(keypoints, dtype=np.float32)
    return Track(
        track_id=track_id,
        frame_indices=np.arange(len(points)),
        times_s=np.asarray(times_s, dtype=np.float64),
        keypoints=points,
        boxes=boxes_around_keypoints(points),
        scores=np.ones(len(points), dtype=np.float32),
    )


def walk(seconds: float, rate_hz: float) -> Track:
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return track_of(times_s, walking(times_s))


BODY = TubeletSettings(frames=24, stride=6, frame_rate_hz=12.0)


def test_two_seconds_at_25_hz_are_one_segment_of_24_frames_at_12_hz() -> None:
    (tubelet,) = make_tubelets(walk(2.0, 25), BODY)
    assert tubelet.grids.shape == (5, 2, 24, 3, 3)
    assert tubelet.start_s == 0
    assert tubelet.end_s == pytest.approx(23 / 12)
    assert tubelet.observed == 1


def test_segments_slide_by_the_stride_and_the_last_one_ends_with_the_track() -> None:
    # 3.25 s at 12 Hz: samples 0 to 39 -> starts 0, 6, 12 and, flush with the end, 16
    times_s = np.arange(40) / 12
    tubelets = make_tubelets(track_of(times_s, walking(times_s)), BODY)
    assert [round(tubelet.start_s * 12) for tubelet in tubelets] == [0, 6, 12, 16]
    assert tubelets[-1].end_s == pytest.approx(39 / 12)


@pytest.mark.parametrize("frames", [24, 60])
@pytest.mark.parametrize("stride", [1, 5, 100])
def test_any_length_and_stride_covers_the_track_from_end_to_end(frames: int, stride: int) -> None:
    times_s = np.arange(77) / 12
    chosen = TubeletSettings(frames=frames, stride=stride, frame_rate_hz=12.0)
    tubelets = make_tubelets(track_of(times_s, walking(times_s)), chosen)
    assert all(tubelet.frames == frames for tubelet in tubelets)
    assert tubelets[0].start_s == 0
    assert tubelets[-1].end_s == pytest.approx(76 / 12)
    starts = [tubelet.start_s for tubelet in tubelets]
    assert starts == sorted(set(starts))


def test_a_segment_knows_its_track() -> None:
    times_s = np.arange(30) / 12
    assert {t.track_id for t in make_tubelets(track_of(times_s, walking(times_s), track_id=7), BODY)} == {7}


def test_body_coordinates_by_hand() -> None:
    # hips at y = 70, x = 57 and 43 -> centre (50, 70); torso 40 px; box height 122 px x 0.3 = 36.6 < 40
    still = np.concatenate([np.repeat(STANDING[None], 24, axis=0), np.ones((24, 17, 1))], axis=2)
    (tubelet,) = make_tubelets(track_of(np.arange(24) / 12, still), BODY)
    torso = tubelet.grids[0]
    assert torso[:, 0, 0, 0].tolist() == pytest.approx([0, -60 / 40])  # nose at (50, 10)
    assert torso[:, 0, 2, 1].tolist() == pytest.approx([7 / 40, 0])  # left hip at (57, 70)
    assert tubelet.grids[4][:, 0, 1, 2].tolist() == pytest.approx([-8 / 40, 60 / 40])  # right ankle


def test_the_motion_of_a_person_within_a_segment_is_kept() -> None:
    (tubelet,) = make_tubelets(walk(2.0, 12), BODY)
    nose_x = tubelet.grids[0, 0, :, 0, 0]
    # 20 px a second over 23/12 s at a torso of 40 px
    assert nose_x[-1] - nose_x[0] == pytest.approx(20 * 23 / 12 / 40, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.2, 8),
    x=st.floats(-2000, 2000),
    y=st.floats(-2000, 2000),
    missing=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 16)), max_size=60),
)
def test_neither_place_nor_size_in_the_picture_changes_a_body_segment(
    scale: float, x: float, y: float, missing: list[tuple[int, int]]
) -> None:
    times_s = np.arange(30) / 12
    keypoints = walking(times_s)
    for frame, joint in missing:
        keypoints[frame, joint, 2] = 0
    moved = keypoints.copy()
    moved[:, :, :2] = moved[:, :, :2] * scale + [x, y]
    original = make_tubelets(track_of(times_s, keypoints), BODY)
    changed = make_tubelets(track_of(times_s, moved), BODY)
    assert len(original) == len(changed) > 0
    for a, b in zip(original, changed, strict=True):
        np.testing.assert_allclose(
            a.grids, b.grids, atol=0.01
        )  # pixels are float32: 2000 px are exact to 1e-4
        assert a.observed == b.observed


@settings(max_examples=25, deadline=None)
@given(rate_hz=st.sampled_from([24.0, 25.0, 30.0, 50.0, 60.0]), amplitude_px=st.floats(0, 20))
def test_halving_the_frame_rate_of_a_smooth_motion_changes_little(
    rate_hz: float, amplitude_px: float
) -> None:
    times_s = np.arange(round(3 * rate_hz)) / rate_hz
    keypoints = walking(times_s, amplitude_px=amplitude_px)
    whole = make_tubelets(track_of(times_s, keypoints), BODY)
    half = make_tubelets(track_of(times_s[::2], keypoints[::2]), BODY)
    for a, b in zip(whole, half, strict=False):
        # linear interpolation at 12 Hz misses at most A (2 pi f)^2 dt^2 / 8 = 3.5 % of the amplitude, over 40 px
        np.testing.assert_allclose(a.grids, b.grids, atol=0.05)


def test_what_stands_in_a_missing_joint_has_no_influence() -> None:
    times_s = np.arange(24) / 12
    keypoints = walking(times_s)
    keypoints[5:8, 9, 2] = 0
    nonsense = keypoints.copy()
    nonsense[5:8, 9, :2] = 1e5
    (a,), (b,) = (make_tubelets(track_of(times_s, points), BODY) for points in (keypoints, nonsense))
    np.testing.assert_array_equal(a.grids, b.grids)
    assert a.observed == pytest.approx(1 - 3 / (24 * 17))


def test_a_long_absence_splits_the_track_and_no_segment_spans_it() -> None:
    times_s = np.concatenate([np.arange(30) / 12, 10 + np.arange(30) / 12])
    tubelets = make_tubelets(track_of(times_s, walking(times_s)), BODY)
    assert [tubelet.start_s for tubelet in tubelets] == pytest.approx([0, 0.5, 10, 10.5])
    assert all(tubelet.end_s - tubelet.start_s < 2 for tubelet in tubelets)


def test_frames_without_any_joint_are_an_absence() -> None:
    times_s = np.arange(72) / 12
    keypoints = walking(times_s)
    keypoints[24:48, :, 2] = 0
    tubelets = make_tubelets(track_of(times_s, keypoints), BODY)
    assert [tubelet.start_s for tubelet in tubelets] == pytest.approx([0, 4])
    assert [tubelet.end_s for tubelet in tubelets] == pytest.approx([23 / 12, 71 / 12])


def test_a_short_absence_is_bridged() -> None:
    times_s = np.delete(np.arange(24) / 12, [10, 11, 12])
    (tubelet,) = make_tubelets(track_of(times_s, walking(times_s)), BODY)
    assert tubelet.observed == pytest.approx(21 / 24)


def test_a_short_track_is_held_on_its_last_pose_and_says_so() -> None:
    times_s = np.arange(12) / 12
    (tubelet,) = make_tubelets(track_of(times_s, walking(times_s)), BODY)
    assert tubelet.observed == 0.5
    assert tubelet.end_s == pytest.approx(11 / 12)
    np.testing.assert_array_equal(tubelet.grids[:, :, 12:], np.repeat(tubelet.grids[:, :, 11:12], 12, axis=2))


def test_a_short_track_is_dropped_on_request() -> None:
    dropping = TubeletSettings(frames=24, stride=6, frame_rate_hz=12.0, short_tracks="drop")
    assert make_tubelets(walk(1.9, 12), dropping) == []
    assert len(make_tubelets(walk(2.0, 12), dropping)) == 1


@pytest.mark.parametrize(
    "keypoints",
    [
        pytest.param(walking(np.zeros(1)), id="one frame"),
        pytest.param(np.zeros((30, 17, 3)), id="no joint at all"),
        pytest.param(np.tile([5.0, 5.0, 1.0], (30, 17, 1)), id="all joints at one point"),
        pytest.param(
            np.concatenate([walking(np.arange(30) / 12)[:, :3], np.zeros((30, 14, 3))], axis=1), id="3 joints"
        ),
    ],
)
def test_a_track_that_shows_too_little_yields_no_segment(keypoints: npt.NDArray[np.float64]) -> None:
    assert make_tubelets(track_of(np.arange(len(keypoints)) / 12, keypoints), BODY) == []


def test_a_person_without_legs_in_view_yields_a_segment_with_zeros_for_them() -> None:
    times_s = np.arange(24) / 12
    keypoints = walking(times_s)
    keypoints[:, 13:] = 0
    (tubelet,) = make_tubelets(track_of(times_s, keypoints), BODY)
    assert not tubelet.grids[3:].any()
    assert tubelet.observed == pytest.approx(13 / 17)


def test_joints_at_or_under_the_threshold_count_as_missing() -> None:
    times_s = np.arange(24) / 12
    keypoints = walking(times_s)
    keypoints[:, 9, 2] = 0.25
    strict = TubeletSettings(frame_rate_hz=12.0, keypoint_threshold=0.25)
    (tubelet,) = make_tubelets(track_of(times_s, keypoints), strict)
    assert tubelet.observed == pytest.approx(16 / 17)
    assert not tubelet.grids[2, :, :, 1, 1].any()


def test_nan_keypoints_never_reach_a_segment() -> None:
    keypoints = walking(np.arange(24) / 12)
    keypoints[3, 4, 0] = np.nan
    with pytest.raises(StructureError, match="NaN"):
        track_of(np.arange(24) / 12, keypoints)


def test_paper_segments_are_raw_pixels_frame_by_frame_with_empty_frames_filled() -> None:
    times_s = np.concatenate([np.arange(10), 500 + np.arange(15)]) / 30  # gaps are not looked at
    keypoints = walking(times_s)
    keypoints[4] = 0
    tubelets = make_tubelets(track_of(times_s, keypoints), TubeletSettings.paper())
    assert len(tubelets) == 2
    nose = tubelets[0].grids[0, :, :, 0, 0]
    assert nose[:, 0].tolist() == pytest.approx(keypoints[0, 0, :2])
    assert nose[:, 4].tolist() == pytest.approx((keypoints[3, 0, :2] + keypoints[5, 0, :2]) / 2)
    assert nose[:, 23].tolist() == pytest.approx(keypoints[23, 0, :2])
    assert tubelets[1].grids[0, :, 3, 0, 0].tolist() == pytest.approx(nose[:, 4].tolist())
    assert tubelets[0].observed == pytest.approx(23 / 24)


def test_paper_segments_keep_a_single_missing_joint_at_0() -> None:
    times_s = np.arange(24) / 30
    keypoints = walking(times_s)
    keypoints[7, 9] = [33, 44, 0]
    (tubelet,) = make_tubelets(track_of(times_s, keypoints), TubeletSettings.paper())
    assert tubelet.grids[2, :, 7, 1, 1].tolist() == [0, 0]


def test_paper_mode_drops_tracks_under_t_frames() -> None:
    assert make_tubelets(walk(23 / 30, 30), TubeletSettings.paper()) == []
    assert len(make_tubelets(walk(60 / 30, 30), TubeletSettings.paper(frames=60, stride=1))) == 1


def test_settings_survive_a_checkpoint_header() -> None:
    for chosen in (TubeletSettings(), BODY, TubeletSettings.paper(frames=60)):
        assert TubeletSettings.from_mapping(chosen.to_mapping()) == chosen


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 1}, "tubelets.frames: expected a whole number from 2, got 1"),
        ({"frames": 24.5}, "tubelets.frames: expected a whole number"),
        ({"stride": 0}, "tubelets.stride: expected a whole number from 1"),
        ({"normalization": "none"}, "tubelets.normalization: expected one of body, paper, got 'none'"),
        ({"padding": "wrap"}, "tubelets.padding"),
        ({"max_gap_s": float("nan")}, "tubelets.max_gap_s"),
        ({"min_observed": 1.1}, "tubelets.min_observed"),
        ({"keypoint_threshold": 1.0}, "tubelets.keypoint_threshold"),
        ({"frame_rate_hz": 0.0}, "tubelets.frame_rate_hz"),
        ({"normalization": "paper"}, "use frame_rate_hz null and short_tracks 'drop'"),
        ({"fps": 12}, "tubelets: unknown fps; known are"),
        ({"max_gap_s": "long"}, "a value has the wrong type"),
    ],
)
def test_settings_out_of_bounds_say_what_was_expected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TubeletSettings.from_mapping(values)
