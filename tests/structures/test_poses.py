"""`Poses`: the people of one frame."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import ActivityError, StructureError
from activity.structures import Poses


def joints(people: int = 1) -> npt.NDArray[np.float32]:
    """People whose joints lie on the diagonal from 0 to 16, all certain."""
    array = np.ones((people, 17, 3), np.float32)
    array[..., :2] = np.arange(17)[None, :, None]
    return array


def test_nobody_is_an_empty_poses() -> None:
    nobody = Poses.empty()
    assert len(nobody) == 0
    assert (nobody.keypoints.shape, nobody.boxes.shape, nobody.scores.shape) == ((0, 17, 3), (0, 4), (0,))


def test_boxes_are_made_around_the_joints_that_were_found() -> None:
    array = joints(2)
    array[1, 10:, 2] = 0
    poses = Poses.from_keypoints(array, [0.9, 0.5])
    assert len(poses) == 2
    assert poses.boxes.tolist() == [[0, 0, 16, 16], [0, 0, 9, 9]]
    assert poses.scores.dtype == poses.boxes.dtype == poses.keypoints.dtype == np.float32


def test_a_later_change_by_the_caller_does_not_reach_the_poses() -> None:
    array = joints()
    poses = Poses.from_keypoints(array, [1.0])
    array[:] = 0
    assert poses.keypoints[0, 16, 0] == 16


def test_poses_cannot_be_changed() -> None:
    poses = Poses.from_keypoints(joints(), [1.0])
    with pytest.raises(ValueError, match="read-only"):
        poses.keypoints[0, 0, 0] = 5
    with pytest.raises(AttributeError):
        poses.scores = np.zeros(1, np.float32)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("keypoints", "boxes", "scores", "message"),
    [
        (
            np.zeros((1, 16, 3)),
            np.zeros((1, 4)),
            [1],
            r"keypoints: expected shape \[any, 17, 3\], got \[1, 16, 3\]",
        ),
        (joints(), np.zeros((2, 4)), [1], r"boxes: expected shape \[1, 4\], got \[2, 4\]"),
        (joints(), np.zeros((1, 4)), [1, 1], r"scores: expected shape \[1\], got \[2\]"),
        (joints(), np.zeros((1, 4)), [1.5], r"scores: expected values in \[0, 1\], got 1.5"),
        (joints(), np.zeros((1, 4)), [-0.1], "scores"),
        (joints() * 2, np.zeros((1, 4)), [1], r"keypoints\[..., 2\]: expected values in \[0, 1\]"),
        (joints(), [[0, 0, -1, 1]], [1], r"boxes\[0\]: expected x0 <= x1"),
        (
            joints() * math.nan,
            np.zeros((1, 4)),
            [1],
            "51 of 51 values are NaN or infinite; mark what is missing",
        ),
        (joints(), [[0, 0, math.inf, 1]], [1], "boxes: 1 of 4"),
        (joints(), np.zeros((1, 4)), [math.nan], "scores: 1 of 1"),
        ([["a"]], np.zeros((1, 4)), [1], "keypoints: expected an array of float32"),
        (3.0, np.zeros((1, 4)), [1], r"keypoints: expected shape \[any, 17, 3\], got \[\]"),
    ],
)
def test_what_does_not_fit_is_refused(
    keypoints: npt.ArrayLike, boxes: npt.ArrayLike, scores: npt.ArrayLike, message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        Poses(keypoints, boxes, scores)  # type: ignore[arg-type]


def test_a_structure_error_is_an_activity_error_and_a_value_error() -> None:
    assert issubclass(StructureError, ActivityError)
    assert issubclass(StructureError, ValueError)
