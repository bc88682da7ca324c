"""Alarms counted from predictions: the rules' answers, on people placed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from activity.evaluation.intervals import wilson_interval
from activity.evaluation.labelled_videos import LabelledVideo, Prediction
from activity.evaluation.recognizer_alarms import count_alarms
from activity.fusion.rule_book import Condition, Rule, default_rules
from activity.structures import ActivityScore, Track

CLASSES = ("Fighting", "Normal")


def person(track_id: int, *, x: float) -> Track:
    """Somebody 100 px tall who stands at `x` for two seconds."""
    keypoints = np.ones((24, 17, 3), np.float32)
    keypoints[:, :, 0] = x + np.linspace(-15, 15, 17)
    keypoints[:, :, 1] = np.linspace(100, 200, 17)
    boxes = np.tile(np.array([x - 20, 95, x + 20, 205], np.float32), (24, 1))
    return Track(track_id, np.arange(24), np.arange(24) / 12, keypoints, boxes, np.ones(24, np.float32))


def clip(category: str, *people: tuple[float, float]) -> Prediction:
    """People at a place, each with a probability of fighting."""
    tracks = tuple(person(number, x=x) for number, (x, _) in enumerate(people, start=1))
    scores = tuple(
        (ActivityScore(number, 0, 2, CLASSES, np.array([p, 1 - p], np.float32)),)
        for number, (_, p) in enumerate(people, start=1)
    )
    return Prediction(LabelledVideo("v", category, "g", (), tracks=tracks), scores)


def test_two_in_reach_or_one_very_sure_raise_an_alarm() -> None:
    counted = count_alarms(
        [
            clip("Fighting", (100, 0.8), (115, 0.75)),  # a pair at 0.775: from 0.7 on
            clip("Fighting", (100, 0.8), (600, 0.75)),  # nobody within reach of the other
            clip("Fighting", (100, 0.95)),  # alone: from 0.9 on
            clip("Normal", (100, 0.6), (115, 0.7)),  # a pair at 0.65
            clip("Normal"),
        ],
        CLASSES,
        default_rules(),
    )
    assert counted == {
        "Fighting": {
            "rate": pytest.approx(2 / 3),
            "interval": list(wilson_interval(2, 3)),
            "alarmed": 2,
            "n": 3,
        },
        "Normal": {"rate": 0, "interval": list(wilson_interval(0, 2)), "alarmed": 0, "n": 2},
    }


def test_rules_that_need_more_than_activities_have_no_part() -> None:
    armed = Rule(
        name="armed_fight",
        label="Fighting",
        agency="police",
        severity="severe",
        needs=(Condition(activity="Fighting"), Condition(weapon="held")),
    )
    at_the_door = Rule(
        name="door",
        label="Fighting",
        agency="police",
        severity="severe",
        needs=(Condition(activity="Fighting"),),
        zone="door",
    )
    assert count_alarms([clip("Fighting", (100, 0.99))], CLASSES, [armed, at_the_door]) is None


def test_rules_of_other_classes_have_no_part() -> None:
    assert count_alarms([clip("Normal")], ("Jumping", "Normal"), default_rules()) is None
