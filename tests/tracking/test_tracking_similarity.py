from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from activity.structures import COCO_SIGMAS
from activity.tracking import pose_similarity
from activity.tracking.motion import BoxMotion
from activity.tracking.similarity import assign, person_similarity


def pose(*, x: float = 0, y: float = 0) -> npt.NDArray[np.float64]:
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 0], keypoints[0, :, 1], keypoints[0, :, 2] = x, y, 1
    return keypoints


def test_a_pose_is_fully_like_itself() -> None:
    likeness, common = pose_similarity(pose(), pose(), np.array([[100.0]]))
    assert (likeness.item(), common.item()) == (1.0, 17)


def test_likeness_falls_with_the_distance_of_each_joint_as_in_oks() -> None:
    # 3-4-5: every joint is 5 px away, area 900, sigmas as they stand
    likeness, _ = pose_similarity(pose(), pose(x=3, y=4), np.array([[900.0]]), sigma_scale=1)
    by_hand = np.mean([np.exp(-25 / (2 * 900 * (2 * sigma) ** 2)) for sigma in COCO_SIGMAS])
    assert likeness.item() == pytest.approx(by_hand)


def test_only_joints_that_both_have_count() -> None:
    first, second = pose(), pose(x=1000)
    second[0, 5, 0] = 0  # one shoulder agrees
    first[0, 6:, 2] = 0
    second[0, :5, 2] = 0
    likeness, common = pose_similarity(first, second, np.array([[100.0]]))
    assert (likeness.item(), common.item()) == (1.0, 1)


def test_without_a_common_joint_there_is_no_likeness() -> None:
    first, second = pose(), pose()
    first[0, 8:, 2] = 0
    second[0, :8, 2] = 0
    likeness, common = pose_similarity(first, second, np.array([[100.0]]))
    assert (likeness.item(), common.item()) == (0.0, 0)


def test_the_pose_counts_less_where_few_joints_are_common() -> None:
    # boxes overlap by 1/3; the poses are one; 2 joints of confidence 1 are half of what full trust takes
    boxes, others = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])
    few = pose()
    few[0, 2:, 2] = 0
    similarity = person_similarity(boxes, few, others, pose(), pose_weight=0.5)
    assert similarity.item() == pytest.approx(0.75 / 3 + 0.25)


def test_unsure_joints_say_less_than_sure_ones() -> None:
    # 17 joints at the geometric mean sqrt(0.04 * 1) = 0.2 weigh 3.4 of 4; at 0.5 they have their whole say
    boxes, others = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])
    unsure, sure = pose(), pose()
    unsure[..., 2], sure[..., 2] = 0.04, 0.25
    weight = 0.5 * 3.4 / 4
    assert person_similarity(boxes, unsure, others, pose(), pose_weight=0.5).item() == pytest.approx(
        (1 - weight) / 3 + weight
    )
    assert person_similarity(boxes, sure, others, pose(), pose_weight=0.5).item() == pytest.approx(
        0.5 / 3 + 0.5
    )


def test_the_pose_tells_apart_two_people_in_one_box() -> None:
    box = np.array([[0.0, 0, 100, 200]])
    known = np.concatenate([pose(x=30, y=100), pose(x=70, y=100)])
    similarity = person_similarity(box.repeat(2, 0), known, box, pose(x=68, y=100), pose_weight=0.5)
    assert similarity[1, 0] > similarity[0, 0] + 0.1


def test_assignment_makes_the_sum_largest_and_not_each_choice() -> None:
    assert assign(np.array([[0.9, 0.8], [0.8, 0.1]]), least=0.2) == [(0, 1), (1, 0)]


def test_assignment_leaves_out_what_is_too_unlike() -> None:
    assert assign(np.array([[0.9, 0.0], [0.0, 0.19]]), least=0.2) == [(0, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody_is_assigned_to_nobody(shape: tuple[int, int]) -> None:
    assert assign(np.zeros(shape), least=0.2) == []


def test_a_person_who_walks_steadily_is_expected_ahead() -> None:
    # 10 px every 0.1 s: after ten observations the next is expected within 1 px
    motion = BoxMotion(np.array([0.0, 0, 40, 100]), coasting_s=0.6)
    for step in range(1, 11):
        motion.predict(0.1, unseen=False)
        motion.correct(np.array([10.0 * step, 0, 10.0 * step + 40, 100]))
    motion.predict(0.1, unseen=False)
    np.testing.assert_allclose(motion.box, [110, 0, 150, 100], atol=1)


def test_steps_of_any_length_add_up() -> None:
    once, often = (BoxMotion(np.array([0.0, 0, 40, 100]), coasting_s=0.6) for _ in range(2))
    for motion in (once, often):
        motion.predict(0.1, unseen=False)
        motion.correct(np.array([8.0, 0, 48, 100]))
    once.predict(0.4, unseen=False)
    for _ in range(4):
        often.predict(0.1, unseen=False)
    np.testing.assert_allclose(once.box, often.box)


def test_the_speed_of_an_unseen_person_fades() -> None:
    motion = BoxMotion(np.array([0.0, 0, 40, 100]), coasting_s=0.5)
    motion.velocity[:] = (100, 0, 0, 0)
    motion.predict(0.5, unseen=True)
    assert motion.velocity[0] == pytest.approx(100 / np.e)


def test_nobody_knows_where_the_unseen_are() -> None:
    motion = BoxMotion(np.array([0.0, 0, 40, 100]), coasting_s=0.5)
    before = motion.uncertainty_px
    motion.predict(0.5, unseen=True)
    assert motion.uncertainty_px > 2 * before
    motion.correct(np.array([0.0, 0, 40, 100]))
    assert motion.uncertainty_px < 1.1 * before
