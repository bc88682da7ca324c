from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.errors import StructureError
from activity.pose.hands import find_hands
from activity.structures import Hands

DEMO = Path(__file__).parents[2] / "docs" / "demo"
LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = 7, 8, 9, 10
BOX = [[0.0, 0.0, 30.0, 40.0]]  # diagonal 50, root of the area 34.64


def person(**joints: tuple[float, float, float]) -> npt.NDArray[np.float64]:
    keypoints = np.zeros((1, 17, 3))
    for name, values in joints.items():
        keypoints[0, globals()[name.upper()]] = values
    return keypoints


def test_a_hand_lies_beyond_the_wrist_on_the_line_of_the_forearm() -> None:
    hands = find_hands(person(left_elbow=(10, 10, 1), left_wrist=(10, 20, 1)), BOX)

    assert hands.points[0, 0].tolist() == [10, 23]
    assert hands.found.tolist() == [[True, False]]
    assert hands.std_px[0, 1] == 0


def test_the_standard_deviation_adds_joints_grip_and_bend() -> None:
    # Joints: wrist 0.5 * 0.062 * 34.64 / 0.5 = 2.148 px, 1.3 times; elbow 0.5 * 0.072 * 34.64 / 1 = 1.247, 0.3 times.
    # The forearm alone would suggest a stature of 68 px; the box says at most 50, so it is 7.3 px long at most.
    # Hand: 0.1 of it along, 0.3 sin(0.5) of it across: 0.1752 * 7.3 = 1.279.
    hands = find_hands(person(left_elbow=(10, 10, 1), left_wrist=(10, 20, 0.5)), BOX)

    expected = np.sqrt((1.3 * 2.1477) ** 2 + (0.3 * 1.2471) ** 2 + 1.2787**2)
    assert hands.std_px[0, 0] == pytest.approx(expected, rel=1e-3)


def test_an_unseen_elbow_leaves_the_wrist_and_the_whole_reach_as_doubt() -> None:
    hands = find_hands(person(right_wrist=(12, 20, 1)), BOX)

    assert hands.points[0, 1].tolist() == [12, 20]
    assert hands.std_px[0, 1] == pytest.approx(np.hypot(0.5 * 0.062 * 34.641, 0.3 * 0.146 * 50), rel=1e-4)


def test_without_a_wrist_there_is_no_hand() -> None:
    hands = find_hands(person(left_elbow=(10, 10, 1)), BOX)

    assert not hands.found.any()
    assert not hands.points.any()


def test_nobody_has_no_hands() -> None:
    assert len(find_hands(np.zeros((0, 17, 3)), [])) == 0


def test_a_person_of_no_area_has_hands_of_some_doubt() -> None:
    hands = find_hands(person(left_wrist=(3, 4, 1)), [[3, 4, 3, 4]])

    assert hands.std_px[0, 0] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("keypoints", "boxes"),
    [
        (np.zeros((2, 17, 2)), np.zeros((2, 4))),
        (np.zeros((2, 17, 3)), np.zeros((1, 4))),
        (np.full((1, 17, 3), np.nan), np.zeros((1, 4))),
    ],
)
def test_wrong_shapes_and_nan_are_refused(
    keypoints: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]
) -> None:
    with pytest.raises(StructureError):
        find_hands(keypoints, boxes)


def test_a_hand_without_doubt_is_refused() -> None:
    with pytest.raises(StructureError, match="std_px"):
        Hands(
            np.zeros((1, 2, 2), np.float32),
            np.array([[0, 1]], np.float32),
            np.array([[True, True]]),
        )


@given(st.floats(0.05, 0.95), st.floats(0.01, 0.05))
def test_less_confidence_is_more_doubt(confidence: float, step: float) -> None:
    sure, unsure = (
        find_hands(person(left_elbow=(10, 10, 0.5), left_wrist=(10, 20, value)), BOX).std_px[0, 0]
        for value in (confidence + step, confidence)
    )
    assert unsure > sure


@given(st.floats(0.5, 8), st.floats(-300, 300))
def test_a_larger_picture_only_scales_hands(scale: float, shift: float) -> None:
    keypoints = person(left_elbow=(10, 10, 0.8), left_wrist=(14, 20, 0.6), right_wrist=(25, 15, 0.7))
    moved = keypoints.copy()
    moved[..., :2] = moved[..., :2] * scale + shift
    moved[moved[..., 2] == 0] = 0

    hands, larger = find_hands(keypoints, BOX), find_hands(moved, np.array(BOX) * scale + shift)

    np.testing.assert_allclose(larger.std_px, hands.std_px * scale, rtol=1e-4)
    expected = np.where(hands.found[..., None], hands.points * scale + shift, 0)
    np.testing.assert_allclose(larger.points, expected, rtol=1e-4, atol=1e-3)


def test_the_pistol_of_the_demo_is_in_its_holders_hand() -> None:
    # exact joints of the rendered truth: the box of the pistol starts within a few deviations of one hand
    content = json.loads((DEMO / "truth.json").read_text())
    people: dict[int, dict[int, dict[str, list[float]]]] = {}
    weapons = []
    for entry in content["annotations"]:
        if entry["category_id"] == 1:
            people.setdefault(entry["image_id"], {})[entry["track_id"]] = entry
        elif entry["category_id"] == 2:
            weapons.append(entry)
    nearer = 0
    for weapon in weapons:
        x, y, width, height = weapon["bbox"]
        distances = {}
        for track_id, entry in people[weapon["image_id"]].items():
            keypoints = np.array(entry["keypoints"]).reshape(1, 17, 3)
            keypoints[..., 2] /= 2
            left, top, w, h = entry["bbox"]
            hands = find_hands(keypoints, [[left, top, left + w, top + h]])
            outside = np.maximum(0, np.maximum([x, y] - hands.points, hands.points - [x + width, y + height]))
            distances[track_id] = np.linalg.norm(outside[0], axis=1)[hands.found[0]].min(initial=np.inf)
        nearer += min(distances, key=lambda name: distances[name]) == weapon["holder"]
    assert len(weapons) > 50
    assert nearer / len(weapons) > 0.9
