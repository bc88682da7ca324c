"""A clip in windows of time: its people and the motion of its picture."""

from __future__ import annotations

import numpy as np
import pytest

from activity.scene import clip_windows
from activity.structures import MOTION_MEASURES, SceneMotion, Track
from activity.tubelets import TubeletSettings

SETTINGS = TubeletSettings(frames=24, stride=6, frame_rate_hz=12.0)


def standing(duration_s: float, *, start_s: float = 0.0, track_id: int = 1) -> Track:
    times_s = start_s + np.arange(round(duration_s * 24)) / 24
    keypoints = np.random.default_rng(track_id).uniform(10, 90, (1, 17, 3)).repeat(len(times_s), axis=0)
    keypoints[..., 2] = 1
    boxes = np.tile(np.array([10, 10, 90, 90], np.float32), (len(times_s), 1))
    frames = np.round(times_s * 24).astype(np.int64)
    return Track(
        track_id, frames, times_s, keypoints.astype(np.float32), boxes, np.ones(len(times_s), np.float32)
    )


def motion(duration_s: float) -> SceneMotion:
    times_s = np.arange(1, round(duration_s * 10) + 1) / 10
    return SceneMotion(times_s, np.ones((len(times_s), len(MOTION_MEASURES)), np.float32))


def test_a_clip_no_longer_than_a_window_is_one() -> None:
    (window,) = clip_windows([standing(4.0)], motion(4.0), SETTINGS, window_s=5.0)
    assert [track.track_id for track in window.tracks] == [1]
    assert window.motion is not None
    assert len(window.motion) == 40


def test_a_long_clip_comes_in_equal_windows() -> None:
    """From 0 to 12 s: three windows of 4 s; each row of motion is in one of them."""
    windows = list(
        clip_windows(
            [standing(2.0), standing(2.0, start_s=9.0, track_id=2)], motion(12.0), SETTINGS, window_s=5.0
        )
    )
    assert [[track.track_id for track in window.tracks] for window in windows] == [[1], [], [2]]
    counts = [len(window.motion) for window in windows if window.motion is not None]
    assert counts == [39, 40, 41]  # 4.0 and 8.0 s begin a window


def test_nothing_known_is_no_window_and_people_alone_are_one() -> None:
    assert list(clip_windows([], None, SETTINGS, window_s=5.0)) == []
    assert (
        list(
            clip_windows([], SceneMotion(np.empty(0), np.empty((0, 17), np.float32)), SETTINGS, window_s=5.0)
        )
        == []
    )
    (window,) = clip_windows([standing(1.0)], None, SETTINGS, window_s=5.0)
    assert window.motion is None
    assert not window.has_motion


@pytest.mark.parametrize("duration_s", [4.9, 5.0, 5.1, 17.3])
def test_no_window_is_longer_than_asked(duration_s: float) -> None:
    windows = list(clip_windows([], motion(duration_s), SETTINGS, window_s=5.0))
    for window in windows:
        assert window.motion is not None
        assert window.motion.times_s[-1] - window.motion.times_s[0] <= 5.0 + 1e-9
    assert sum(len(window.motion) for window in windows if window.motion) == round(duration_s * 10)
