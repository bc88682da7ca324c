"""Where an arm points: angles and targets worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from activity.association import find_pointing
from activity.evaluation.pointing import evaluate_pointing
from activity.structures import Poses

WEAPON = np.array([156, 96, 168, 104], np.float32)


def people(
    *arms: tuple[tuple[float, float], tuple[float, float], tuple[float, float]], standing: float = 300
) -> Poses:
    """The first person holds out an arm (shoulder, elbow, wrist); the second stands at `standing`."""
    joints = np.zeros((2, 17, 3), np.float32)
    for k, point in zip((6, 8, 10), arms[0], strict=True):
        joints[0, k] = (*point, 0.9)
    boxes = np.array([[80, 60, 170, 260], [standing - 20, 60, standing + 20, 260]], np.float32)
    return Poses(joints, boxes, np.full(2, 0.9, np.float32))


def test_a_straight_arm_points_at_the_person_in_its_line() -> None:
    aim = find_pointing(people(((100, 100), (130, 100), (160, 100))), 0, WEAPON)
    assert aim is not None
    assert aim.direction == pytest.approx((1, 0))
    assert aim.targets == (1,)


@pytest.mark.parametrize(
    "arm",
    [((100, 100), (130, 100), (130, 70)), ((100, 100), (102, 130), (104, 160))],
    ids=["bent", "hanging"],
)
def test_an_arm_that_is_bent_or_hangs_does_not_point(arm: tuple[tuple[float, float], ...]) -> None:
    assert find_pointing(people(arm), 0, WEAPON) is None  # type: ignore[arg-type]


def test_nobody_behind_or_beside_the_line_is_a_target() -> None:
    behind = find_pointing(people(((100, 100), (130, 100), (160, 100)), standing=20), 0, WEAPON)
    above = find_pointing(people(((100, 100), (125, 70), (150, 40))), 0, WEAPON)
    assert behind is not None
    assert behind.targets == ()
    assert above is not None
    assert above.targets == ()


def test_an_arm_that_is_not_seen_whole_tells_nothing() -> None:
    crowd = people(((100, 100), (130, 100), (160, 100)))
    hidden = crowd.keypoints.copy()
    hidden[0, 8] = 0
    assert find_pointing(Poses(hidden, crowd.boxes, crowd.scores), 0, WEAPON) is None


def test_the_line_of_an_arm_is_right_more_often_than_not_in_rendered_scenes() -> None:
    figures = evaluate_pointing(scenes=60, seed=3)
    assert figures["precision"] > 0.5
    assert 0.2 < figures["recall"] < 0.9
