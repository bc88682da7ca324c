from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.structures import Tubelet
from activity.tubelets import to_part_grids


def still_body() -> npt.NDArray[np.float64]:
    joints = np.random.default_rng(0).random((17, 2)) + 1
    joints[[5, 6]] = np.array([[2, 1], [2.4, 1]])
    joints[[11, 12]] = np.array([[2.1, 2], [2.3, 2]])
    return np.tile(joints, (12, 1, 1))


def features(joints: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return motion_features(Tubelet(1, 0.0, 1.0, to_part_grids(joints, padding="constant"), 1.0))


def test_somebody_who_stands_still_has_no_speed_and_an_upright_trunk() -> None:
    row = features(still_body())
    assert row.shape == (MOTION_FEATURES,)
    assert row[:28] == pytest.approx(
        np.zeros(28), abs=1e-6
    )  # 6 x 3 speeds, 3 x 2 accelerations, 4 of the centre
    assert row[28] == pytest.approx(0, abs=1e-6)
    assert row[-1] == 1  # all joints seen


def test_somebody_who_walks_off_moves_the_centre_and_nothing_else() -> None:
    joints = still_body() + np.linspace(0, 1.1, 12)[:, None, None] * [1, 0]
    row = features(joints)
    assert row[:18] == pytest.approx(np.zeros(18), abs=1e-5)
    assert row[24] == pytest.approx(0.1, abs=1e-5)  # a tenth of a body size a frame
    assert row[27] == pytest.approx(1.1, abs=1e-5)


def test_a_fast_wrist_shows_among_the_wrists_alone() -> None:
    joints = still_body()
    joints[::2, 9, 0] += 0.5
    row = features(joints)
    assert row[9] == pytest.approx(0.25, abs=1e-6)  # one of two wrists, 0.5 a frame
    assert row[:9] == pytest.approx(np.zeros(9), abs=1e-6)


@pytest.mark.parametrize("kept", [[], [0], [9, 10], list(range(5))])
def test_missing_joints_give_numbers_all_the_same(kept: list[int]) -> None:
    joints = np.zeros((12, 17, 2))
    joints[:, kept] = still_body()[:, kept]
    assert np.isfinite(features(joints)).all()
