"""`SceneAlert` and `Evidence`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from activity.errors import StructureError
from activity.structures import Evidence, SceneAlert

EVIDENCE = Evidence("activity", "Person 1: Fighting, probability 0.93, from 2.0 s to 4.0 s", 0.93)


def alert(**change: Any) -> SceneAlert:
    fields: dict[str, Any] = {
        "rule": "fight",
        "label": "Fighting",
        "agency": "police",
        "severity": "severe",
        "start_s": 2.0,
        "end_s": 4.0,
        "score": 0.93,
        "track_ids": (1, 2),
        "explanation": (EVIDENCE,),
    }
    return SceneAlert(**{**fields, **change})


def test_equal_alerts_are_equal_and_can_be_counted_in_sets() -> None:
    assert len({alert(), alert(), alert(rule="other")}) == 2


def test_an_alert_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        alert().score = 0.1  # type: ignore[misc]


def test_a_fire_alert_needs_no_people() -> None:
    assert alert(label="Fire", agency="fire_department", track_ids=()).track_ids == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"explanation": ()}, "alert fight: expected at least one piece of evidence"),
        ({"start_s": 5.0}, "alert fight: expected finite start_s <= end_s, got 5.0 and 4.0"),
        ({"start_s": math.nan}, "alert fight"),
        ({"score": 1.1}, r"score: expected values in \[0, 1\]"),
        ({"score": math.nan}, "score"),
        ({"agency": "army"}, "agency: expected one of police, fire_department, got 'army'"),
        ({"severity": "bad"}, "severity: expected one of minor, moderate, severe, extreme, got 'bad'"),
    ],
)
def test_an_alert_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        alert(**change)


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_evidence_weighs_between_0_and_1(weight: float) -> None:
    with pytest.raises(StructureError, match="weight: expected values in"):
        Evidence("fire", "Fire seen", weight)
