"""What smaller copies of a frame add to a look at the frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from activity.config import embedded_checkpoint
from activity.detection import open_detector
from activity.detection.pyramid import ScalePyramid, SmallObjects, smaller_sides, with_people_of_all_sizes
from activity.errors import ConfigurationError
from activity.structures import Detections

FRAME = np.zeros((36, 64, 3), np.uint8)


@dataclass
class Says:
    """A detector that answers the same whatever it sees."""

    found: Detections
    labels: tuple[str, ...] = ("person", "weapon")

    @property
    def score_thresholds(self) -> Mapping[str, float]:
        return dict.fromkeys(self.labels, 0.3)

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        assert image is FRAME
        return self.found


def objects(*rows: tuple[str, float, tuple[float, float, float, float]]) -> Detections:
    return Detections(
        np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in rows], np.float32),
        tuple(label for label, _, _ in rows),
    )


def test_a_weapon_that_only_a_smaller_frame_shows_is_added() -> None:
    first = objects(("person", 0.9, (0, 0, 10, 30)), ("weapon", 0.4, (20, 5, 24, 9)))
    smaller = objects(("weapon", 0.7, (30, 0, 60, 30)))
    found = ScalePyramid([Says(smaller)], label="weapon").complete(FRAME, first)
    assert found.labels == ("person", "weapon", "weapon")
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.4])
    assert found.boxes[1].tolist() == [30, 0, 60, 30]


def test_of_one_weapon_seen_at_several_sizes_the_surest_box_stays() -> None:
    first = objects(("weapon", 0.4, (20, 0, 40, 10)))
    # Shifted by 2 of 20 pixels: IoU 180 / 220 = 0.82, over 0.55.
    surer, weaker = objects(("weapon", 0.6, (22, 0, 42, 10))), objects(("weapon", 0.3, (20, 0, 40, 10)))
    found = ScalePyramid([Says(surer), Says(weaker)], label="weapon").complete(FRAME, first)
    assert found.scores.tolist() == pytest.approx([0.6])
    # Shifted by 8: IoU 120 / 280 = 0.43, two weapons.
    apart = objects(("weapon", 0.6, (28, 0, 48, 10)))
    assert len(ScalePyramid([Says(apart)], label="weapon").complete(FRAME, first)) == 2


def test_people_of_the_smaller_frames_are_not_looked_at() -> None:
    first = objects(("person", 0.5, (0, 0, 10, 30)))
    smaller = objects(("person", 0.9, (40, 0, 50, 30)))
    found = ScalePyramid([Says(smaller)], label="weapon").complete(FRAME, first)
    assert found.labels == ("person",)
    assert found.boxes.tolist() == first.boxes.tolist()


def test_nothing_anywhere_is_nothing() -> None:
    assert len(ScalePyramid([Says(objects())], label="weapon").complete(FRAME, objects())) == 0
    assert len(ScalePyramid([], label="weapon").complete(FRAME, objects())) == 0


def test_a_class_that_a_detector_does_not_know_is_an_error() -> None:
    with pytest.raises(
        ConfigurationError, match="expected a class that every detector of the pyramid knows, got 'knife'"
    ):
        ScalePyramid([Says(objects())], label="knife")
    with pytest.raises(ConfigurationError, match="iou_threshold"):
        ScalePyramid([], label="weapon", iou_threshold=1.5)


def test_the_smaller_sides_follow_the_side_of_the_whole_frame() -> None:
    checkpoint = embedded_checkpoint("detector_person_weapon.onnx")
    # 0.65 and 0.4 of 640 and of 320, to the next multiple of 32.
    assert smaller_sides(open_detector(checkpoint, input_size=640)) == [416, 256]
    assert smaller_sides(open_detector(checkpoint, input_size=320)) == [192, 128]


def test_a_file_of_one_input_size_has_no_smaller_ones() -> None:
    class Fixed(Says):
        sha256 = "0" * 64
        input_is_fixed = True

        def input_size(self, height: int, width: int) -> tuple[int, int]:
            return 416, 416

    assert smaller_sides(Fixed(objects())) == []


@dataclass
class FreeSized(Says):
    """One that scales a frame of 16:9 to `long_side` pixels."""

    long_side: int = 640
    sha256: str = "0" * 64
    input_is_fixed: bool = False

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        return 9 * self.long_side // 16, self.long_side


def test_only_what_is_small_in_the_networks_input_passes() -> None:
    # The input is ten times the frame: 16 rows are 160 pixels.
    found = objects(("person", 0.9, (0, 0, 9, 17)), ("person", 0.8, (0, 0, 9, 15)))
    small = SmallObjects(FreeSized(found), tallest_px=160)
    assert small.detect(FRAME).scores.tolist() == pytest.approx([0.8])
    assert small.labels == ("person", "weapon")
    assert small.score_thresholds == {"person": 0.3, "weapon": 0.3}


def test_people_of_other_sizes_are_added_and_weapons_are_not() -> None:
    answers = {
        416: objects(("person", 0.7, (0, 0, 30, 36)), ("weapon", 0.9, (5, 5, 9, 9))),
        960: objects(("person", 0.6, (50, 0, 60, 10)), ("person", 0.9, (30, 0, 45, 30))),
    }
    first = FreeSized(objects(("weapon", 0.4, (20, 5, 24, 9)), ("person", 0.8, (46, 20, 50, 30))))
    detector = with_people_of_all_sizes(
        first, lambda side: FreeSized(answers[side], long_side=side), label="person"
    )
    found = detector.detect(FRAME)
    # At 960 the input is 15 times the frame: 30 rows are 450 px, a part of somebody large; 10 are 150.
    assert found.of("person").scores.tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert found.of("weapon").scores.tolist() == pytest.approx([0.4])
    assert (detector.labels, detector.sha256, detector.input_is_fixed) == (first.labels, first.sha256, False)
    assert detector.score_thresholds == first.score_thresholds
    assert detector.input_size(360, 640) == (360, 640)


def test_a_detector_without_people_or_of_one_size_stays_as_it_is() -> None:
    def never(side: int) -> FreeSized:
        raise AssertionError(side)

    free, fixed = FreeSized(objects()), FreeSized(objects(), input_is_fixed=True)
    assert with_people_of_all_sizes(free, never, label="cat") is free
    assert with_people_of_all_sizes(fixed, never, label="person") is fixed
