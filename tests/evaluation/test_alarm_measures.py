from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import ConfigurationError, DatasetError
from activity.evaluation.alarms import (
    AlarmRule,
    WatchedClip,
    looks_for_objects,
    measure_alarms,
    read_true_boxes,
    watch_clip,
)
from activity.structures import Detections
from activity.video import VideoWriter


def flags(text: str) -> npt.NDArray[np.bool_]:
    return np.array([letter == "x" for letter in text])


def clip(present: str, found: str, wrong: str | None = None, *, rate_hz: float = 10) -> WatchedClip:
    times = np.arange(len(present)) / rate_hz
    return WatchedClip(times, flags(present), flags(found), flags(wrong or "." * len(present)))


def test_alarm_comes_with_the_fifth_success_in_a_row() -> None:
    #                 the weapon appears at 0.2 s; frames 2-4 are found, 5 is not, 6-10 are: the alarm is at 1.0 s
    metrics = measure_alarms([clip("..xxxxxxxxxxxx", "..xxx.xxxxx...")], AlarmRule())
    assert metrics.aatpi_s == pytest.approx(0.8)
    assert (metrics.intervals, metrics.missed, metrics.false_alarms) == (1, 0, 0)


def test_four_of_six_forgive_what_five_in_a_row_do_not() -> None:
    found = clip("xxxxxxxx", "xx.xx.xx")
    assert measure_alarms([found], AlarmRule()).missed == 1
    metrics = measure_alarms([found], AlarmRule(needed=4, within=6))
    assert list(metrics.delays_s) == pytest.approx([0.4])


def test_missed_intervals_stand_beside_the_mean_of_the_others() -> None:
    easy = clip("xxxxx", "xxxxx")
    slow = clip("xxxxxxxxx", "....xxxxx")
    blind = clip("xxxxx", "xx.xx")
    metrics = measure_alarms([easy, slow, blind], AlarmRule())
    assert metrics.aatpi_s == pytest.approx((0.4 + 0.8) / 2)
    assert (metrics.intervals, metrics.missed) == (3, 1)
    nothing = measure_alarms([blind], AlarmRule())
    assert nothing.aatpi_s is None
    assert json.loads(json.dumps(nothing.as_json()))["aatpi_s"] is None


def test_short_absence_does_not_make_two_intervals() -> None:
    seen = clip("xx.......xx............xx", "x" * 25)
    assert measure_alarms([seen], AlarmRule(longest_gap_s=1.0)).intervals == 2
    assert measure_alarms([seen], AlarmRule(longest_gap_s=0.5)).intervals == 3


def test_success_before_the_object_appears_does_not_count() -> None:
    assert measure_alarms([clip("...xx", "xxxxx")], AlarmRule()).missed == 1


def test_false_alarm_counts_once_while_it_lasts() -> None:
    quiet = "." * 36
    wrong = "xxxxxxxxxx....xxxxx....xxxx........."
    metrics = measure_alarms([clip(quiet, quiet, wrong)], AlarmRule())
    assert metrics.false_alarms == 2
    assert metrics.hours == pytest.approx(3.6 / 3600)
    assert metrics.false_alarms_per_hour == pytest.approx(2000)


def test_clip_of_one_frame_and_none_at_all() -> None:
    one = WatchedClip(np.array([0.0]), np.array([True]), np.array([True]), np.array([False]))
    assert measure_alarms([one], AlarmRule(needed=1, within=1)).aatpi_s == 0
    with pytest.raises(DatasetError, match="at least one clip"):
        measure_alarms([], AlarmRule())
    nothing = np.zeros(0, bool)
    with pytest.raises(DatasetError, match="frames in every clip"):
        measure_alarms([WatchedClip(np.zeros(0), nothing, nothing, nothing)], AlarmRule())


def test_rules_that_no_frames_can_meet_are_refused() -> None:
    wrong: dict[str, Any]
    for wrong in ({"needed": 0}, {"needed": 6}, {"longest_gap_s": -1.0}):
        with pytest.raises(ConfigurationError, match="1 <= needed <= within"):
            AlarmRule(**wrong)


@given(st.text(alphabet="x.", min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 4))
def test_asking_for_more_never_makes_an_alarm_sooner(found: str, needed: int, slack: int) -> None:
    seen = clip("x" * len(found), found)
    easy = measure_alarms([seen], AlarmRule(needed=needed, within=needed + slack))
    hard = measure_alarms([seen], AlarmRule(needed=needed + 1, within=needed + 1 + slack))
    assert hard.missed >= easy.missed
    if hard.aatpi_s is not None:
        assert easy.aatpi_s is not None
        assert easy.aatpi_s <= hard.aatpi_s


class Everywhere:
    """Finds a weapon in the upper left quarter of every frame."""

    labels = ("weapon",)
    score_thresholds: ClassVar = {"weapon": 0.5}

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        height, width = image.shape[:2]
        return Detections(np.array([[0, 0, width / 2, height / 2]]), np.array([0.9]), ("weapon",))


@pytest.fixture
def filmed(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve frames at 10 Hz, and a truth that places a weapon at the upper left in frames 4 to 11."""
    path, truth = tmp_path / "clip.mp4", tmp_path / "truth.json"
    with VideoWriter(path, width=64, height=48, frame_rate_hz=10) as writer:
        for index in range(12):
            writer.write(np.full((48, 64, 3), 128, np.uint8), index / 10)
    truth.write_text(
        json.dumps(
            {
                "images": [{"id": i + 1, "frame": i} for i in range(12)],
                "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "weapon"}],
                "annotations": [
                    {"image_id": i + 1, "category_id": 2, "bbox": [0, 0, 30, 24]} for i in range(4, 12)
                ]
                + [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}],
            }
        )
    )
    return path, truth


def test_detector_is_watched_over_a_clip(filmed: tuple[Path, Path]) -> None:
    truth = read_true_boxes(filmed[1], label="weapon")
    assert sorted(truth) == list(range(4, 12))
    np.testing.assert_array_equal(truth[4], [[0, 0, 30, 24]])
    look = looks_for_objects(Everywhere(), label="weapon", least_iou=0.25)
    watched = watch_clip(filmed[0], look, truth=truth)
    np.testing.assert_array_equal(watched.found, flags("....xxxxxxxx"))
    np.testing.assert_array_equal(watched.wrong, flags("xxxx........"))
    metrics = measure_alarms([watched], AlarmRule(needed=3, within=3))
    assert metrics.aatpi_s == pytest.approx(0.2, abs=1e-3)
    assert metrics.false_alarms == 1
    with pytest.raises(ConfigurationError, match="knows \\['weapon'\\], got 'fire'"):
        looks_for_objects(Everywhere(), label="fire", least_iou=0.5)


def test_truth_of_another_kind_is_refused(filmed: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\['person', 'weapon'\], not 'fire'"):
        read_true_boxes(filmed[1], label="fire")
    (tmp_path / "odd.json").write_text('{"images": []}')
    with pytest.raises(DatasetError, match=r"odd\.json: expected a COCO file"):
        read_true_boxes(tmp_path / "odd.json", label="weapon")


@pytest.mark.slow
def test_command_prints_one_object_with_the_promised_keys(filmed: tuple[Path, Path]) -> None:
    asked = ["evaluate", "alarms", "--clip", str(filmed[0]), "--truth", str(filmed[1]), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert {"aatpi_s", "intervals", "missed", "false_alarms_per_hour"} <= figures.keys()
    assert (figures["intervals"], figures["missed"]) == (1, 1)  # nobody holds a weapon before a gray wall
