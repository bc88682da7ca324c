import numpy as np
import pytest

from activity.report.interpolation import pose_at, presence
from activity.structures import Track


def track(times_s: list[float], xs: list[float], confidences: list[float] | None = None) -> Track:
    n = len(times_s)
    keypoints = np.ones((n, 17, 3), np.float32)
    keypoints[..., 0] = np.array(xs)[:, None]
    if confidences is not None:
        keypoints[:, 9, 2] = confidences
    boxes = np.stack([xs, np.zeros(n), np.array(xs) + 10, np.full(n, 20)], axis=1)
    return Track(
        1, np.arange(n) * 3, np.array(times_s), keypoints, boxes.astype(np.float32), np.ones(n, np.float32)
    )


def test_between_two_frames_joints_lie_on_the_line() -> None:
    pose = pose_at(track([1.0, 1.1], [10, 20]), time_s=1.025, frame_index=1, max_gap_s=0.5)
    assert pose is not None
    np.testing.assert_allclose(pose.keypoints[:, 0], 12.5, rtol=1e-5)
    np.testing.assert_allclose(pose.box, [12.5, 0, 22.5, 20], rtol=1e-5)


def test_an_analysed_frame_is_drawn_as_it_was_analysed_whatever_its_rounded_time() -> None:
    pose = pose_at(track([1.0, 1.1], [10, 20]), time_s=1.0999, frame_index=3, max_gap_s=0.5)
    assert pose is not None
    assert pose.keypoints[0, 0] == 20


@pytest.mark.parametrize("confidences", [[0.8, 0.0], [0.0, 0.8]])
def test_a_joint_that_one_neighbour_lacks_is_missing_between_them(confidences: list[float]) -> None:
    pose = pose_at(track([0, 0.1], [0, 5], confidences), time_s=0.05, frame_index=1, max_gap_s=0.5)
    assert pose is not None
    assert pose.keypoints[9, 2] == 0
    assert pose.keypoints[10, 2] == 1


def test_the_lower_confidence_counts() -> None:
    pose = pose_at(track([0, 0.1], [0, 5], [0.8, 0.3]), time_s=0.05, frame_index=1, max_gap_s=0.5)
    assert pose is not None
    assert pose.keypoints[9, 2] == pytest.approx(0.3)


@pytest.mark.parametrize(("gap_s", "shown"), [(0.5, True), (0.51, False), (3.0, False)])
def test_nobody_is_drawn_across_a_long_gap(gap_s: float, shown: bool) -> None:
    pose = pose_at(track([1.0, 1.0 + gap_s], [0, 5]), time_s=1.2, frame_index=1, max_gap_s=0.5)
    assert (pose is not None) == shown


@pytest.mark.parametrize("time_s", [0.9, 1.2])
def test_nobody_is_drawn_before_or_after_the_track(time_s: float) -> None:
    assert pose_at(track([1.0, 1.1], [0, 5]), time_s=time_s, frame_index=99, max_gap_s=0.5) is None


def test_a_track_of_one_frame_is_drawn_in_that_frame() -> None:
    alone = track([1.0], [7])
    assert pose_at(alone, time_s=1.0, frame_index=0, max_gap_s=0.5) is not None
    assert pose_at(alone, time_s=1.03, frame_index=1, max_gap_s=0.5) is None
    assert presence(alone, max_gap_s=0.5) == [(1.0, 1.0)]


def test_presence_breaks_at_gaps() -> None:
    assert presence(track([0, 0.1, 0.2, 1.0, 1.1], [0] * 5), max_gap_s=0.5) == [(0.0, 0.2), (1.0, 1.1)]
