"""Poses made of the joints of others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from activity.structures import Poses, explained_by_others


def people(*joints: npt.NDArray[np.float64], scores: list[float]) -> Poses:
    return Poses.from_keypoints(np.concatenate(joints).astype(np.float32), np.array(scores))


def standing(x: float) -> npt.NDArray[np.float64]:
    """One person, 160 px high, its joints one below the other."""
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 0], keypoints[0, :, 2] = x, 1
    keypoints[0, :, 1] = np.arange(0, 170, 10)
    return keypoints


def test_the_head_of_one_on_the_legs_of_another_is_made_of_both() -> None:
    near, far = standing(0), standing(200)
    mixture = np.concatenate([near[:, :8], far[:, 8:]], axis=1)
    explained = explained_by_others(people(near, far, mixture, scores=[0.9, 0.8, 0.3]))
    assert explained == pytest.approx([0, 0, 1], abs=1e-6)


def test_joints_of_its_own_count_by_their_confidence() -> None:
    # The upper eight joints are another's, at confidence 0.9; the lower nine are its own, at 0.1: 7.2 of 8.1
    near, own = standing(0), standing(0)
    own[0, 8:, 0] = 500
    own[0, :, 2] = [0.9] * 8 + [0.1] * 9
    explained = explained_by_others(people(near, own, scores=[0.9, 0.3]))
    assert explained == pytest.approx([0, 7.2 / 8.1], abs=1e-6)


def test_of_two_equal_poses_the_better_one_is_not_explained() -> None:
    assert explained_by_others(people(standing(0), standing(0), scores=[0.3, 0.9])) == pytest.approx([1, 0])


def test_of_two_copies_of_one_score_the_first_stays() -> None:
    assert explained_by_others(people(standing(0), standing(0), scores=[0.5, 0.5])) == pytest.approx([0, 1])


def test_nobody_and_a_single_person_are_not_explained() -> None:
    assert explained_by_others(Poses.empty()).shape == (0,)
    assert explained_by_others(people(standing(0), scores=[0.9])).tolist() == [0]
