"""A magnified second look at hands: where it looks, and that what it finds comes back in the picture's own pixels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pytest

from activity.detection.magnified import MagnifyingGlass, merge_detections
from activity.errors import StructureError
from activity.structures import Detections, Hands


class BrightSpotDetector:
    """Finds the bright pixels of an image as one weapon."""

    labels = ("person", "weapon")
    score_thresholds: ClassVar[dict[str, float]] = {"person": 0.5, "weapon": 0.5}

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        self.seen.append(image.shape[:2])
        rows, columns = np.nonzero(image[..., 0] > 200)
        if len(rows) == 0:
            return Detections.empty()
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        return Detections(box, np.array([0.7], np.float32), ("weapon",))


def glass(detector: BrightSpotDetector, **changes: int) -> MagnifyingGlass:
    return MagnifyingGlass(detector, label="weapon", input_px=320, frame_input_px=640, **changes)


def boxes(*rows: tuple[float, float, float, float]) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def no_hands(count: int) -> Hands:
    return Hands(
        np.zeros((count, 2, 2), np.float32), np.zeros((count, 2), np.float32), np.zeros((count, 2), bool)
    )


def two_hands(left: tuple[float, float], right: tuple[float, float]) -> Hands:
    return Hands(np.array([[left, right]], np.float32), np.full((1, 2), 2, np.float32), np.ones((1, 2), bool))


def picture(*spots: tuple[int, int]) -> npt.NDArray[np.uint8]:
    image = np.zeros((360, 640, 3), np.uint8)
    for x, y in spots:
        image[y : y + 6, x : x + 10] = 255
    return image


def test_an_object_near_a_small_person_is_found_where_it_is() -> None:
    found = glass(BrightSpotDetector()).look(picture((330, 150)), boxes((280, 100, 320, 200)), no_hands(1))
    assert found.boxes.tolist() == [[330, 150, 340, 156]]
    assert found.labels == ("weapon",)


def test_an_object_far_from_everybody_is_not_looked_at() -> None:
    assert (
        len(glass(BrightSpotDetector()).look(picture((600, 300)), boxes((280, 100, 320, 200)), no_hands(1)))
        == 0
    )


def test_a_person_who_fills_the_picture_is_not_looked_at_twice() -> None:
    detector = BrightSpotDetector()
    glass(detector).look(picture((330, 150)), boxes((100, 10, 300, 350)), no_hands(1))
    assert detector.seen == []


def test_hands_far_apart_get_a_square_each_and_hands_together_share_one() -> None:
    apart, together = BrightSpotDetector(), BrightSpotDetector()
    person = boxes((280, 100, 320, 200))
    found = glass(apart).look(picture((215, 150)), person, two_hands((220, 150), (380, 150)))
    assert found.boxes.tolist() == [[215, 150, 225, 156]]
    assert len(apart.seen) == 2
    glass(together).look(picture(), person, two_hands((290, 150), (310, 150)))
    assert len(together.seen) == 1


def test_hands_of_other_people_are_refused() -> None:
    with pytest.raises(StructureError, match="expected those of 1 people, got 2"):
        glass(BrightSpotDetector()).look(picture(), boxes((280, 100, 320, 200)), no_hands(2))


def test_nobody_and_a_person_outside_of_the_picture_are_no_error() -> None:
    detector = BrightSpotDetector()
    assert len(glass(detector).look(picture(), boxes(), no_hands(0))) == 0
    assert len(glass(detector).look(picture(), boxes((900, 900, 950, 1000)), no_hands(1))) == 0
    assert detector.seen == []


def test_a_square_is_cut_at_the_edge_of_the_picture() -> None:
    detector = BrightSpotDetector()
    found = glass(detector).look(picture((2, 40)), boxes((0, 0, 40, 100)), no_hands(1))
    assert found.boxes.tolist() == [[2, 40, 12, 46]]
    assert detector.seen == [(112, 82)]  # 125 px around (20, 50)


def test_one_object_seen_in_two_squares_is_one() -> None:
    found = glass(BrightSpotDetector()).look(
        picture((330, 150)), boxes((280, 100, 320, 200), (330, 100, 370, 200)), no_hands(2)
    )
    assert len(found) == 1


def test_with_too_many_people_each_look_takes_the_next_ones() -> None:
    people = boxes(*((60 * i, 100, 60 * i + 20, 150) for i in range(5)))
    spots = [(60 * i + 5, 120) for i in range(5)]
    looks = [
        glass(BrightSpotDetector(), most_squares=2).look(picture(*spots), people, no_hands(5), turn=turn)
        for turn in range(3)
    ]
    assert all(len(look) for look in looks)
    # Squares of 70 px see the neighbour's hand as well; three looks of two people have seen everybody.
    seen = {round(float(box[0]) / 60) for look in looks for box in look.boxes}
    assert seen >= {0, 2, 4} or len(seen) >= 3


def test_merging_keeps_the_surest_of_one_place_and_both_of_two() -> None:
    first = Detections(boxes((0, 0, 10, 10)), np.array([0.4], np.float32), ("weapon",))
    second = Detections(
        boxes((1, 0, 11, 10), (50, 0, 60, 10)), np.array([0.6, 0.3], np.float32), ("weapon", "weapon")
    )
    merged = merge_detections([first, second])
    assert merged.scores.tolist() == pytest.approx([0.6, 0.3])
    assert merged.boxes[0].tolist() == [1, 0, 11, 10]
    assert len(merge_detections([])) == 0
