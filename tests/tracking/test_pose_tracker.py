from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from activity.errors import ConfigurationError, StructureError
from activity.structures import Poses
from activity.tracking import ByteTrackPoseTracker, PoseTracker

Tracker = PoseTracker | ByteTrackPoseTracker
MakeScene = Callable[..., Any]
BOTH = pytest.mark.parametrize("tracker_class", [PoseTracker, ByteTrackPoseTracker])


def follow(tracker: Tracker, scene: Any) -> dict[int, list[int]]:
    """The ids that each true person was given, frame by frame, 0 while unconfirmed."""
    given_ids: dict[int, list[int]] = {}
    for frame in scene.frames():
        ids = tracker.update(frame_index=frame.index, time_s=frame.time_s, poses=frame.poses)
        for number, track_id in zip(frame.numbers.tolist(), ids.tolist(), strict=True):
            given_ids.setdefault(number, []).append(track_id)
    return given_ids


def ids_of(given_ids: dict[int, list[int]]) -> dict[int, set[int]]:
    return {number: set(ids) - {0} for number, ids in given_ids.items()}


def standing(count: int = 1, *, x: float = 0, score: float = 0.9) -> Poses:
    """People side by side, 100 px high, every joint seen."""
    keypoints = np.zeros((count, 17, 3), np.float32)
    keypoints[..., 0] = x + 20 + np.arange(count)[:, None] * 200 + np.linspace(-15, 15, 17)
    keypoints[..., 1] = np.linspace(10, 110, 17)
    keypoints[..., 2] = 0.9
    return Poses.from_keypoints(keypoints, np.full(count, score))


def test_people_who_cross_keep_their_ids(crossing: MakeScene) -> None:
    tracker = PoseTracker(frame_rate_hz=15)
    ids = ids_of(follow(tracker, crossing()))
    assert [len(ids[1]), len(ids[2])] == [1, 1]
    assert ids[1] != ids[2]
    assert len(tracker.finish()) == 2


@pytest.mark.parametrize("rate_hz", [7.5, 15, 30])
@pytest.mark.parametrize("seed", range(5))
def test_people_who_cross_with_one_hidden_behind_the_other_keep_their_ids(
    crossing: MakeScene, seed: int, rate_hz: float
) -> None:
    scene = crossing(seed=seed, rate_hz=rate_hz, occlusion=0.5, missed=0.05)
    ids = ids_of(follow(PoseTracker(frame_rate_hz=rate_hz), scene))
    assert [len(ids[1]), len(ids[2])] == [1, 1]
    assert ids[1] != ids[2]


def test_fifteen_frames_out_of_sight_keep_the_id(make_scene: MakeScene, make_walker: Any) -> None:
    walker = make_walker(1, lambda t: (100 + 50 * t, 300))
    scene = make_scene([walker], seconds=6, rate_hz=15, hidden=[(1, 2.0, 3.0)])  # 15 frames
    tracker = PoseTracker(frame_rate_hz=15)
    assert len(ids_of(follow(tracker, scene))[1]) == 1
    (track,) = tracker.finish()
    assert max(np.diff(track.frame_indices)) == 16


def test_who_comes_back_after_too_long_is_a_new_person(make_scene: MakeScene, make_walker: Any) -> None:
    walker = make_walker(1, lambda _: (100, 300))
    scene = make_scene([walker], seconds=6, hidden=[(1, 2.0, 4.0)])
    assert ids_of(follow(PoseTracker(frame_rate_hz=15, max_gap_s=1.2), scene))[1] == {1, 2}
    assert ids_of(follow(PoseTracker(frame_rate_hz=15, max_gap_s=2.5), scene))[1] == {1}


def test_gaps_count_in_seconds_and_not_in_frames() -> None:
    # 5 empty frames in 0.5 s, then 5 empty frames in 5 s
    tracker = PoseTracker(frame_rate_hz=10, max_gap_s=1.0)
    times = [
        0.0,
        0.1,
        0.2,
        *[0.3 + 0.1 * k for k in range(5)],
        0.8,
        0.9,
        *[1.9 + k for k in range(5)],
        7.0,
        7.1,
        7.2,
    ]
    seen = [0, 1, 2, 8, 9, 15, 16, 17]
    ids = {}
    for index, time_s in enumerate(times):
        poses = standing() if index in seen else Poses.empty()
        given_ids = tracker.update(frame_index=index, time_s=time_s, poses=poses)
        ids[index] = given_ids.tolist()
    assert (ids[2], ids[8], ids[9]) == ([1], [1], [1])
    assert (ids[15], ids[17]) == ([0], [2])


def test_uneven_times_do_not_lose_anyone(crossing: MakeScene) -> None:
    ids = ids_of(follow(PoseTracker(frame_rate_hz=15), crossing(irregular=0.9)))
    assert [len(ids[1]), len(ids[2])] == [1, 1]


def test_a_person_who_scores_low_while_half_hidden_is_continued() -> None:
    tracker = PoseTracker(frame_rate_hz=10)
    scores = [0.9, 0.9, 0.9, 0.12, 0.09, 0.12, 0.9]
    ids = [
        tracker.update(frame_index=k, time_s=k / 10, poses=standing(score=score)).tolist()
        for k, score in enumerate(scores)
    ]
    assert ids == [[0], [0], [1], [1], [1], [1], [1]]


def test_low_scores_alone_start_nobody() -> None:
    tracker = PoseTracker(frame_rate_hz=10)
    for k in range(10):
        tracker.update(frame_index=k, time_s=k / 10, poses=standing(score=0.19))
    assert tracker.finish() == []


def test_who_was_seldom_sure_was_nobody_and_who_is_half_hidden_for_a_while_stays() -> None:
    tracker = PoseTracker(frame_rate_hz=15, high_score=0.2, low_score=0.1)
    for frame in range(20):
        nobody = standing(x=0, score=0.25 if frame % 5 == 0 else 0.12)
        hidden = standing(x=300, score=0.6 if frame < 5 else 0.12)
        poses = Poses(
            np.concatenate([nobody.keypoints, hidden.keypoints]),
            np.concatenate([nobody.boxes, hidden.boxes]),
            np.concatenate([nobody.scores, hidden.scores]),
        )
        ids = tracker.update(frame_index=frame, time_s=frame / 15, poses=poses)
    assert sorted(ids.tolist()) == [1, 2]
    (track,) = tracker.finish()
    assert (track.track_id, len(track)) == (ids[1], 20)  # 0.146 on average is left out, 0.24 is not


def test_a_track_reaches_back_to_the_frames_before_its_confirmation() -> None:
    tracker = PoseTracker(frame_rate_hz=10, confirm_hits=3)
    ids = [tracker.update(frame_index=2 * k, time_s=k / 10, poses=standing()).tolist() for k in range(4)]
    assert ids == [[0], [0], [1], [1]]
    (track,) = tracker.finish()
    assert track.frame_indices.tolist() == [0, 2, 4, 6]
    assert track.times_s.tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(track.keypoints[3], standing().keypoints[0])
    np.testing.assert_array_equal(track.boxes[0], standing().boxes[0])
    assert track.scores.tolist() == pytest.approx([0.9] * 4)


def test_a_flash_of_a_person_is_dropped() -> None:
    tracker = PoseTracker(frame_rate_hz=10)
    for k in range(10):
        tracker.update(frame_index=k, time_s=k / 10, poses=standing() if k in (4, 5) else Poses.empty())
    assert tracker.finish() == []


def test_in_a_clip_of_one_frame_everyone_is_confirmed_by_it() -> None:
    tracker = PoseTracker(frame_rate_hz=25)
    assert tracker.update(frame_index=0, time_s=0.0, poses=standing(3)).tolist() == [0, 0, 0]
    tracks = tracker.finish()
    assert [track.track_id for track in tracks] == [1, 2, 3]
    assert [len(track) for track in tracks] == [1, 1, 1]


def test_a_second_copy_of_a_person_starts_nobody_else() -> None:
    one = standing()
    twice = Poses(
        np.concatenate([one.keypoints, one.keypoints + np.array([1, 1, 0], np.float32)]),
        np.concatenate([one.boxes, one.boxes + 1]),
        np.array([0.9, 0.8], np.float32),
    )
    tracker = PoseTracker(frame_rate_hz=10)
    for k in range(5):
        ids = tracker.update(frame_index=k, time_s=k / 10, poses=twice)
    assert sorted(ids.tolist()) == [0, 1]
    assert len(tracker.finish()) == 1


@BOTH
def test_no_frames_and_empty_frames_give_no_tracks(tracker_class: type[Tracker]) -> None:
    assert tracker_class(frame_rate_hz=15).finish() == []
    tracker = tracker_class(frame_rate_hz=15)
    for k in range(5):
        assert tracker.update(frame_index=k, time_s=k / 15, poses=Poses.empty()).shape == (0,)
    assert tracker.finish() == []


@BOTH
def test_one_far_away_person_of_a_few_pixels_is_followed(
    tracker_class: type[Tracker], make_scene: MakeScene, make_walker: Any
) -> None:
    walker = make_walker(1, lambda t: (300 + 4 * t, 200), height_px=14)
    assert len(ids_of(follow(tracker_class(frame_rate_hz=15), make_scene([walker])))[1]) == 1


@BOTH
def test_people_without_any_joint_are_followed_by_their_boxes(tracker_class: type[Tracker]) -> None:
    tracker = tracker_class(frame_rate_hz=10)
    for k in range(6):
        boxes = np.array([[10 + 5 * k, 10, 60 + 5 * k, 130], [300 - 5 * k, 10, 350 - 5 * k, 130]], np.float32)
        poses = Poses(np.zeros((2, 17, 3), np.float32), boxes, np.full(2, 0.9, np.float32))
        ids = tracker.update(frame_index=k, time_s=k / 10, poses=poses)
    assert sorted(ids.tolist()) == [1, 2]


@BOTH
def test_boxes_without_area_do_no_harm(tracker_class: type[Tracker]) -> None:
    tracker = tracker_class(frame_rate_hz=10)
    for k in range(5):
        ids = tracker.update(
            frame_index=k, time_s=k / 10, poses=Poses.from_keypoints(np.zeros((2, 17, 3)), [0.9, 0.9])
        )
        assert ids.shape == (2,)
    tracker.finish()


@BOTH
def test_two_trackers_side_by_side_share_nothing(tracker_class: type[Tracker], crossing: MakeScene) -> None:
    alone = tracker_class(frame_rate_hz=15)
    expected = follow(alone, crossing(seed=3))
    first, second = tracker_class(frame_rate_hz=15), tracker_class(frame_rate_hz=15)
    frames, others = list(crossing(seed=3).frames()), list(crossing(seed=4).frames())
    found: dict[int, list[int]] = {}
    for frame, other in zip(frames, others, strict=True):
        ids = first.update(frame_index=frame.index, time_s=frame.time_s, poses=frame.poses)
        second.update(frame_index=other.index, time_s=other.time_s, poses=other.poses)
        for number, track_id in zip(frame.numbers.tolist(), ids.tolist(), strict=True):
            found.setdefault(number, []).append(track_id)
    assert found == expected
    assert [track.track_id for track in second.finish()] == [1, 2]


@BOTH
@pytest.mark.parametrize(("index", "time_s"), [(1, 0.3), (0, 0.3), (2, 0.1), (2, 0.05), (2, float("nan"))])
def test_frames_out_of_order_are_refused(tracker_class: type[Tracker], index: int, time_s: float) -> None:
    tracker = tracker_class(frame_rate_hz=10)
    tracker.update(frame_index=0, time_s=0.0, poses=standing())
    tracker.update(frame_index=1, time_s=0.1, poses=standing())
    with pytest.raises(StructureError, match="in order of index and time"):
        tracker.update(frame_index=index, time_s=time_s, poses=standing())


@BOTH
def test_a_finished_tracker_takes_no_more_frames(tracker_class: type[Tracker]) -> None:
    tracker = tracker_class(frame_rate_hz=10)
    tracker.finish()
    with pytest.raises(StructureError, match="after finish"):
        tracker.update(frame_index=0, time_s=0.0, poses=standing())


@pytest.mark.parametrize(
    "setting",
    [
        {"frame_rate_hz": 0},
        {"frame_rate_hz": float("nan")},
        {"max_gap_s": -1},
        {"confirm_hits": 0},
        {"high_score": 1.5},
        {"low_score": 0.9},
        {"pose_weight": -0.1},
        {"least_similarity": 0},
    ],
)
def test_settings_out_of_bounds_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        PoseTracker(**{"frame_rate_hz": 15, **setting})


@pytest.mark.parametrize("setting", [{"frame_rate_hz": 0}, {"max_gap_s": -1}, {"confirm_hits": 0}])
def test_settings_of_bytetrack_out_of_bounds_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        ByteTrackPoseTracker(**{"frame_rate_hz": 15, **setting})


@st.composite
def anyone(draw: st.DrawFn) -> Poses:
    """Any people: piled up, without joints, without area, far outside, of any score."""
    people = draw(st.integers(0, 5))
    place = st.floats(-50, 400, width=32)
    keypoints: npt.NDArray[np.float32] = draw(arrays(np.float32, (people, 17, 3), elements=place))
    keypoints[..., 2] = draw(arrays(np.float32, (people, 17), elements=st.sampled_from([0.0, 0.3, 1.0])))
    corners = draw(arrays(np.float32, (people, 2, 2), elements=place))
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1) if people else np.zeros((0, 4))
    scores = draw(arrays(np.float32, people, elements=st.floats(0, 1, width=32)))
    return Poses(keypoints, boxes.astype(np.float32), scores)


@BOTH
@settings(max_examples=40, deadline=None)
@given(clip=st.lists(anyone(), max_size=10), gaps=st.lists(st.floats(1e-3, 3), min_size=10, max_size=10))
def test_whatever_comes_each_pose_has_one_track_and_each_track_one_pose_a_frame(
    tracker_class: type[Tracker], clip: list[Poses], gaps: list[float]
) -> None:
    tracker = tracker_class(frame_rate_hz=10)
    time_s, reported = 0.0, 0
    for index, poses in enumerate(clip):
        time_s += gaps[index]
        ids = tracker.update(frame_index=index, time_s=time_s, poses=poses)
        assert ids.shape == (len(poses),)
        confirmed = ids[ids > 0].tolist()
        assert len(set(confirmed)) == len(confirmed)
        reported += len(confirmed)
    tracks = tracker.finish()  # a Track refuses NaN and frames that do not increase
    assert len({track.track_id for track in tracks}) == len(tracks)
    assert reported <= sum(len(track) for track in tracks) <= sum(len(poses) for poses in clip)
