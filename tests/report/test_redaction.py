"""Heads are covered in every frame, also in those that missed the person."""

from __future__ import annotations

import numpy as np
import pytest

from activity.report.redaction import HeadRedactor, head_circles
from activity.structures import Track


def person(times: list[float], *, face: bool = True) -> Track:
    """Walks 100 px a second to the right; the nose is 20 px under the top of a box 200 px high."""
    count = len(times)
    keypoints = np.zeros((count, 17, 3), np.float32)
    if face:
        keypoints[:, 0] = [(100 + 100 * t, 60, 0.9) for t in times]
    boxes = np.array([[70 + 100 * t, 40, 130 + 100 * t, 240] for t in times], np.float32)
    return Track(1, np.arange(count), np.array(times), keypoints, boxes, np.full(count, 0.9, np.float32))


def test_a_nose_alone_places_the_head() -> None:
    track = person([0.0])
    ((x, y, radius),) = head_circles(track.keypoints, track.boxes)
    assert (x, y) == (100, 60)
    assert radius == pytest.approx(1.35 * 0.09 * 200)


def test_without_a_face_the_head_is_above_the_shoulders_and_without_those_at_the_top_of_the_box() -> None:
    track = person([0.0], face=False)
    keypoints = track.keypoints.copy()
    keypoints[0, [5, 6]] = [(80, 90, 0.9), (120, 90, 0.9)]
    ((x, y, _),) = head_circles(keypoints, track.boxes)
    assert (x, y) == pytest.approx((100, 90 - 0.6 * 40))
    ((x, y, _),) = head_circles(track.keypoints, track.boxes)
    assert (x, y) == pytest.approx((100, 40 + 0.09 * 200))


def test_a_missed_frame_is_covered_on_the_line_and_by_a_larger_circle() -> None:
    redactor = HeadRedactor([person([0.0, 1.0])])
    seen, missed = redactor.circles_at(0.0)[0], redactor.circles_at(0.5)[0]
    assert missed[:2] == pytest.approx([150, 60])
    assert missed[2] == pytest.approx(seen[2] + 0.8 * 0.5 * 200)


@pytest.mark.parametrize(("time_s", "covered"), [(-0.5, 4), (-0.7, 0), (1.5, 4), (1.7, 0)])
def test_the_head_stays_covered_a_while_before_and_after_the_track(time_s: float, covered: int) -> None:
    assert len(HeadRedactor([person([0.0, 1.0])]).circles_at(time_s)) == covered


def test_a_face_that_the_pose_puts_on_somebody_else_is_covered_at_the_top_of_its_own_box() -> None:
    track = person([0.0])
    keypoints = track.keypoints.copy()
    keypoints[0, 0] = (300, 70, 0.9)
    moved = Track(1, track.frame_indices, track.times_s, keypoints, track.boxes, track.scores)
    by_face, *by_box = HeadRedactor([moved]).circles_at(0.0)
    assert by_face[:2] == pytest.approx([300, 70])
    for circle in by_box:
        assert circle == pytest.approx([100, 40 + 0.09 * 200, 1.35 * 1.3 * 0.09 * 200])


def test_a_wide_box_is_covered_at_both_ends_of_its_top_for_somebody_may_lean() -> None:
    track = person([0.0])
    boxes = np.array([[50, 40, 150, 240]], np.float32)  # 100 of 200 px, over 0.4; a head's radius is 1.3 * 18
    leaning = Track(1, track.frame_indices, track.times_s, track.keypoints, boxes, track.scores)
    _, *by_box = HeadRedactor([leaning]).circles_at(0.0)
    assert [circle[0] for circle in by_box] == pytest.approx([50 + 23.4, 100, 150 - 23.4])


def test_people_who_were_detected_but_never_followed_are_covered_too() -> None:
    boxes = [(t / 10, np.array([[300, 40, 360, 240]], np.float32)) for t in range(3)]
    redactor = HeadRedactor([], boxes)
    assert redactor.circles_at(0.1)[0, :2] == pytest.approx([330, 58])
    assert len(redactor.circles_at(0.9)) == 0


def test_nothing_of_a_head_can_be_told_and_the_rest_of_the_picture_stays() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)
    redacted = HeadRedactor([person([0.0])]).redact(image, 0.0)
    head = (slice(50, 70), slice(90, 110))
    assert redacted[head].std() < 0.2 * image[head].std()
    np.testing.assert_array_equal(redacted[150:], image[150:])
    assert (redacted != image).any(axis=2).sum() > 1000


def test_a_head_at_the_edge_or_outside_of_the_picture_is_no_error() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    for time_s in (-0.3, 0.0, 0.5):
        assert HeadRedactor([person([0.0, 0.5])]).redact(image, time_s).shape == image.shape
    assert (HeadRedactor([]).redact(image, 0.0) == image).all()
