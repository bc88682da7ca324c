"""Clothes: how they are described, and what they do for people who cross, hide and come back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from activity.structures import Poses
from activity.tracking import PoseTracker
from activity.tracking.appearance import appearance_similarity, describe_appearance
from activity.tracking.history import TrackHistory
from activity.tracking.similarity import are_alone, box_containment

RED, GREEN, BLUE = (180, 40, 40), (40, 150, 60), (40, 60, 170)
Image = npt.NDArray[np.uint8]


def street() -> Image:
    return np.full((240, 640, 3), 120, np.uint8)


def paint(image: Image, box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = colour


def poses(*boxes: tuple[int, int, int, int], score: float = 0.9) -> Poses:
    """People without joints, so that box and clothes alone decide."""
    return Poses(
        np.zeros((len(boxes), 17, 3), np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), score, np.float32),
    )


def test_clothes_are_like_themselves_in_other_light_and_unlike_other_clothes() -> None:
    image = street()
    paint(image, (0, 0, 40, 100), RED)
    paint(image, (100, 0, 140, 100), (170, 36, 38))  # the same, a little darker
    paint(image, (200, 0, 240, 100), BLUE)
    described = describe_appearance(
        image, np.array([[0, 0, 40, 100], [100, 0, 140, 100], [200, 0, 240, 100]])
    )
    similarity = appearance_similarity(described, described)
    assert np.diag(similarity) == pytest.approx(np.ones(3), abs=1e-5)
    assert similarity[0, 1] > 0.9
    assert similarity[0, 2] < 0.2


def test_chest_and_legs_are_told_apart() -> None:
    image = street()
    paint(image, (0, 0, 40, 50), RED)
    paint(image, (0, 50, 40, 100), BLUE)
    paint(image, (100, 0, 140, 50), BLUE)
    paint(image, (100, 50, 140, 100), RED)
    one, other = describe_appearance(image, np.array([[0, 0, 40, 100], [100, 0, 140, 100]]))
    assert appearance_similarity(one[None], other[None]).item() < 0.2


@pytest.mark.parametrize("box", [(-90, 0, -50, 100), (10, 10, 10, 10), (700, 0, 740, 100)])
def test_who_is_not_in_the_picture_looks_like_nothing(box: tuple[int, int, int, int]) -> None:
    assert not describe_appearance(street(), np.array([box])).any()


def test_nobody_has_no_appearance() -> None:
    assert describe_appearance(street(), np.zeros((0, 4))).shape[0] == 0


def walk_out_and_back(
    back_colour: tuple[int, int, int], *, gone_frames: int, reentry_s: float = 4.0
) -> list[int]:
    """Ids in the last frame of one in red who is away for a while, and comes back 100 px further on."""
    tracker = PoseTracker(frame_rate_hz=10, max_gap_s=0.5, reentry_s=reentry_s)
    ids = np.zeros(0, np.int64)
    for frame in range(10 + gone_frames + 6):
        image, box = street(), (100, 50, 140, 170)
        if frame >= 10 + gone_frames:
            box = (200, 50, 240, 170)
        there = not 10 <= frame < 10 + gone_frames
        if there:
            paint(image, box, RED if frame < 10 else back_colour)
        seen = poses(box) if there else Poses.empty()
        ids = tracker.update(frame_index=frame, time_s=frame / 10, poses=seen, image=image)
    tracks = tracker.finish()
    assert sum(len(track) for track in tracks) == 16
    return ids.tolist()


def test_who_comes_back_in_the_same_clothes_keeps_the_id() -> None:
    assert walk_out_and_back(RED, gone_frames=20) == [1]


@pytest.mark.parametrize(
    ("colour", "gone_frames", "reentry_s"), [(BLUE, 20, 4.0), (RED, 60, 4.0), (RED, 20, 1.0)]
)
def test_other_clothes_or_too_long_an_absence_are_a_new_person(
    colour: tuple[int, int, int], gone_frames: int, reentry_s: float
) -> None:
    assert walk_out_and_back(colour, gone_frames=gone_frames, reentry_s=reentry_s) == [2]


def test_of_two_absent_people_dressed_alike_neither_is_guessed() -> None:
    tracker = PoseTracker(frame_rate_hz=10, max_gap_s=0.5)
    ids = np.zeros(0, np.int64)
    for frame in range(40):
        image = street()
        boxes = [(100, 50, 140, 170), (240, 50, 280, 170)] if frame < 10 else []
        boxes = boxes if frame < 30 else [(170, 50, 210, 170)]
        for box in boxes:
            paint(image, box, RED)
        ids = tracker.update(frame_index=frame, time_s=frame / 10, poses=poses(*boxes), image=image)
    assert ids.tolist() == [3]


def test_people_who_meet_and_turn_back_are_told_apart_by_their_clothes() -> None:
    # red and blue meet, are one box for three frames, and part to where they came from: motion alone would swap them
    tracker = PoseTracker(frame_rate_hz=10)
    ids = np.zeros(0, np.int64)
    for frame in range(31):
        image, step = street(), abs(15 - frame)
        left, right = (300 - 8 * step, 50, 340 - 8 * step, 170), (304 + 8 * step, 50, 344 + 8 * step, 170)
        paint(image, right, BLUE)
        paint(image, left, RED)
        seen = poses(left, right) if step > 1 else poses(left)
        ids = tracker.update(frame_index=frame, time_s=frame / 10, poses=seen, image=image)
        if frame == 5:
            first = ids.tolist()
    assert ids.tolist() == first == [1, 2]


def test_a_person_half_hidden_for_a_moment_is_known_when_whole_again() -> None:
    # only the upper third shows for five frames; then the box is three times as high again, 60 px further
    tracker = PoseTracker(frame_rate_hz=10)
    ids = []
    for frame in range(20):
        x = 100 + 6 * frame
        box = (x, 50, x + 40, 90 if 8 <= frame < 13 else 170)
        ids.append(tracker.update(frame_index=frame, time_s=frame / 10, poses=poses(box)).tolist())
    assert ids[2:] == [[1]] * 18


def test_a_person_who_stays_low_is_believed_after_a_second() -> None:
    tracker = PoseTracker(frame_rate_hz=10)
    for frame in range(40):
        box = (100, 50 if frame < 10 else 130, 140, 170)
        ids = tracker.update(frame_index=frame, time_s=frame / 10, poses=poses(box))
    assert ids.tolist() == [1]
    (track,) = tracker.finish()
    assert track.boxes[-1].tolist() == [
        100,
        130,
        140,
        170,
    ]  # tracks hold what was seen, completed boxes stay inside


def test_a_box_around_two_people_starts_nobody() -> None:
    tracker = PoseTracker(frame_rate_hz=10)
    apart = ((100, 50, 140, 170), (150, 50, 190, 170))
    for frame in range(12):
        seen = poses(*apart, (100, 50, 190, 170)) if frame > 4 else poses(*apart)
        ids = tracker.update(frame_index=frame, time_s=frame / 10, poses=seen)
    assert ids.tolist() == [1, 2, 0]


def test_containment_is_a_share_of_the_smaller_box() -> None:
    box, others = (
        np.array([0, 0, 10, 10]),
        np.array([[5, 0, 15, 10], [0, 0, 5, 5], [20, 20, 30, 30], [1, 1, 1, 1]]),
    )
    assert box_containment(box, others).tolist() == [0.5, 1, 0, 0]


def test_alone_is_who_overlaps_nobody_much() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10], [50, 0, 60, 10]])
    assert are_alone(boxes).tolist() == [False, False, True]
    assert are_alone(np.zeros((0, 4))).tolist() == []


def test_a_history_goes_on_where_another_began() -> None:
    first, second = TrackHistory(), TrackHistory()
    for frame in range(20):
        first.append(frame, frame / 10, poses((frame, 0, frame + 10, 20)), 0)
    for frame in range(30, 75):
        second.append(frame, frame / 10, poses((frame, 0, frame + 10, 20)), 0)
    first.extend(second)
    track = first.to_track(1)
    assert track.frame_indices.tolist() == [*range(20), *range(30, 75)]
    assert track.boxes[:, 0].tolist() == [*range(20), *range(30, 75)]
