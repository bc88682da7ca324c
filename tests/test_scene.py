"""What the posture of a weapon's holder adds to the scene: a sentence, a little strength, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from activity.association import ArmedPosture
from activity.association.posture import POSTURE_FEATURES
from activity.fusion.episodes import Persistence
from activity.fusion.findings import SceneFindings
from activity.fusion.incidents import raise_alerts
from activity.fusion.rule_book import default_rules
from activity.scene import find_armed_postures, find_holders
from activity.structures import Detections, SceneAlert, Track

STAYS = Persistence(3, window_s=1.5, max_gap_s=1.0)
TIMES = np.arange(0, 3, 0.1)


def person(track_id: int, x: float, *, arms_seen: bool = True) -> Track:
    """Stands at x for three seconds, the right arm held out to the left."""
    joints = np.zeros((17, 3), np.float32)
    joints[5], joints[6], joints[11], joints[12] = (
        (x + 12, 80, 0.9),
        (x - 12, 80, 0.9),
        (x + 8, 140, 0.9),
        (x - 8, 140, 0.9),
    )
    if arms_seen:
        joints[8], joints[10] = (x - 35, 85, 0.9), (x - 60, 85, 0.9)
    else:
        joints[5] = 0
    keypoints = np.tile(joints, (len(TIMES), 1, 1))
    boxes = np.tile(np.array([x - 60, 50, x + 30, 250], np.float32), (len(TIMES), 1))
    return Track(track_id, np.arange(len(TIMES)), TIMES, keypoints, boxes, np.full(len(TIMES), 0.9))


def machine(logit: float) -> ArmedPosture:
    """Says the same of everybody."""
    width = len(POSTURE_FEATURES)
    return ArmedPosture(
        np.zeros(width),
        np.ones(width),
        np.zeros((1, width)),
        np.zeros(1),
        logit,
        1.0,
        1.0,
        0.0,
        {"balanced_accuracy": 0.66},
    )


def weapons(x: float) -> list[tuple[int, float, Detections]]:
    """A pistol in the hand of who stands at x, five looks."""
    box = np.array([[x - 76, 80, x - 60, 90]], np.float32)
    return [(5 * n, n * 0.5, Detections(box, np.array([0.7]), ("weapon",))) for n in range(5)]


def alerts(logit: float | None, tracks: list[Track], sightings: Any) -> list[SceneAlert]:
    judge = None if logit is None else machine(logit)
    found = find_holders(sightings, tracks, STAYS, posture=judge)
    hints = (
        []
        if judge is None
        else find_armed_postures(found.episodes, balanced_accuracy=judge.balanced_accuracy)
    )
    findings = SceneFindings(640, 360, tracks, [], weapons=found.episodes, hints=hints)
    return raise_alerts(findings, default_rules())


def test_the_holders_posture_stands_on_every_link_and_nobody_elses_does() -> None:
    tracks = [person(1, 150), person(2, 400)]
    found = find_holders([*weapons(150), (30, 2.9, weapons(600)[0][2])], tracks, STAYS, posture=machine(0.9))
    assert [link.track_id for link in found.links] == [1] * 5 + [None]
    assert [link.posture for link in found.links] == [pytest.approx(1 / (1 + np.exp(-0.9)))] * 5 + [None]
    assert [link.posture for link in found.episodes[0].holders] == [link.posture for link in found.links[:5]]
    without = find_holders(weapons(150), tracks, STAYS)
    assert all(link.posture is None for link in without.links)


def test_an_alert_quotes_the_posture_with_its_quality_and_gains_little_by_it() -> None:
    (plain,) = alerts(None, [person(1, 150)], weapons(150))
    (armed,) = alerts(2.0, [person(1, 150)], weapons(150))
    (evidence,) = [item for item in armed.explanation if item.kind == "armed_posture"]
    probability = 1 / (1 + np.exp(-2.0))
    assert evidence.text.startswith(
        "posture: 0.88 armed, mean of person 1 in 5 sightings (weak evidence: balanced accuracy 0.66"
    )
    assert evidence.weight == pytest.approx(0.05 * (2 * probability - 1))
    assert armed.score == pytest.approx(1 - (1 - plain.score) * (1 - evidence.weight))
    assert (armed.rule, armed.start_s, armed.end_s, armed.severity) == (
        plain.rule, plain.start_s, plain.end_s, plain.severity,
    )  # fmt: skip


def test_an_unarmed_posture_is_told_and_takes_nothing_away() -> None:
    (plain,) = alerts(None, [person(1, 150)], weapons(150))
    (unarmed,) = alerts(-3.0, [person(1, 150)], weapons(150))
    evidence = unarmed.explanation[-1]
    assert evidence.text.startswith("posture: 0.05 armed")
    assert evidence.weight == 0
    assert unarmed.score == plain.score


def test_the_most_armed_of_postures_raises_nothing_without_a_weapon_in_a_hand() -> None:
    assert alerts(9.0, [person(1, 150)], []) == []
    assert alerts(9.0, [person(1, 150)], weapons(600)) == []


def test_a_holder_whose_arms_were_not_seen_has_no_posture() -> None:
    (alert,) = alerts(2.0, [person(1, 150, arms_seen=False)], [
        (n, t, Detections(np.array([[140, 120, 160, 130]], np.float32), found.scores, found.labels))
        for n, t, found in weapons(150)
    ])  # fmt: skip
    assert {item.kind for item in alert.explanation} == {"weapon", "holder"}
