"""Rules: which evidence is one incident, and what its alert says."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activity.errors import ConfigurationError
from activity.fusion.cameras import Camera, check_camera, inside
from activity.fusion.findings import Episode, PostureHint, SceneFindings, Sighting
from activity.fusion.incidents import raise_alerts
from activity.fusion.rule_book import Condition, Rule, RuleBook, default_rules
from activity.structures import ActivityScore, HolderCandidate, HolderLink, Track


def rule(name: str = "fighting", **changes: Any) -> Rule:
    values: dict[str, Any] = {
        "name": name, "alert": "Fighting", "for": "police", "severity": "severe",
        "needs": [{"activity": "Fighting", "at_least": 0.6}], "merge_gap_s": 1.0, "cool_down_s": 0.0,
    }  # fmt: skip
    return Rule.model_validate(values | changes)


WEAPON: dict[str, Any] = {
    "name": "weapon_held",
    "alert": "Armed person",
    "needs": [{"weapon": "held", "at_least": 0.4}],
}
FIRE: dict[str, Any] = {
    "name": "fire",
    "alert": "Fire",
    "for": "fire_department",
    "needs": [{"fire": "seen", "at_least": 0.6}],
}


def score(track_id: int, start_s: float, end_s: float, fighting: float) -> ActivityScore:
    probabilities = np.array([fighting, 1 - fighting], np.float32)
    return ActivityScore(track_id, start_s, end_s, ("Fighting", "Normal"), probabilities)


def track(track_id: int, *, start_s: float = 0.0, end_s: float = 20.0, x: float = 100.0) -> Track:
    times = np.arange(start_s, end_s + 1e-6, 0.5)
    boxes = np.tile(np.array([x - 20, 100, x + 20, 200], np.float32), (len(times), 1))
    return Track(
        track_id, np.arange(len(times)), times, np.zeros((len(times), 17, 3), np.float32), boxes,
        np.full(len(times), 0.9, np.float32),
    )  # fmt: skip


def weapon(*scores: float, holder: int | None, start_s: float = 1.0, x: float = 100.0) -> Episode:
    times = [start_s + 0.1 * i for i in range(len(scores))]
    box = (x - 5, 140.0, x + 5, 150.0)
    candidates = () if holder is None else (HolderCandidate(holder, 0.01, 0.02, 0.01, 0.9),)
    links = [
        HolderLink(i, t, np.array(box, np.float32), s, holder, "none" if holder is None else "hand_distance", candidates)
        for i, (t, s) in enumerate(zip(times, scores, strict=True))
    ]  # fmt: skip
    return Episode([Sighting(t, s, box) for t, s in zip(times, scores, strict=True)], links)


def fire(*scores: float, start_s: float = 1.0, x: float = 100.0) -> Episode:
    return Episode([Sighting(start_s + i, s, (x - 9, 50, x + 9, 90)) for i, s in enumerate(scores)])


def scene(*activities: ActivityScore, people: int = 4, **found: Any) -> SceneFindings:
    values: dict[str, Any] = {"tracks": [track(i + 1, x=100.0 * (i + 1)) for i in range(people)]}
    return SceneFindings(width=640, height=360, activities=activities, **(values | found))


def test_nothing_at_or_above_the_threshold_raises_nothing() -> None:
    assert raise_alerts(scene(score(1, 0, 2, 0.59), score(2, 0, 2, 0.1)), [rule()]) == []
    assert raise_alerts(scene(), [rule()]) == []


def test_no_rule_means_no_alert() -> None:
    assert raise_alerts(scene(score(1, 0, 2, 1.0), weapons=[weapon(0.9, holder=1)]), []) == []


def test_people_who_overlap_in_time_are_one_incident() -> None:
    found = scene(score(2, 1, 3, 0.9), score(1, 0, 2, 0.7), score(3, 0, 2, 0.2))
    (alert,) = raise_alerts(found, [rule()])
    assert (alert.start_s, alert.end_s) == (0, 3)
    assert alert.track_ids == (1, 2)
    assert alert.score == pytest.approx(0.9)
    assert [evidence.weight for evidence in alert.explanation] == pytest.approx([0.9, 0.7])
    assert alert.explanation[0].text.startswith(
        "person 2: Fighting with probability up to 0.90 from 1.0 s to 3.0 s"
    )
    assert (alert.rule, alert.label, alert.agency, alert.severity) == (
        "fighting",
        "Fighting",
        "police",
        "severe",
    )


@pytest.mark.parametrize(("begin", "incidents"), [(4.0, 1), (4.1, 2)], ids=["at the gap", "beyond the gap"])
def test_segments_further_apart_than_the_gap_are_two_incidents(begin: float, incidents: int) -> None:
    found = scene(score(1, 0, 2, 0.9), score(2, begin, begin + 2, 0.8))
    assert len(raise_alerts(found, [rule(merge_gap_s=2.0)])) == incidents


def test_a_short_segment_inside_a_long_one_does_not_end_the_incident() -> None:
    found = scene(score(1, 0, 10, 0.9), score(2, 1, 2, 0.9), score(3, 10.5, 12, 0.9))
    assert len(raise_alerts(found, [rule()])) == 1


def test_a_rule_may_need_several_people() -> None:
    pair = rule(people=2)
    assert raise_alerts(scene(score(1, 0, 2, 0.9), score(1, 1, 3, 0.9)), [pair]) == []
    assert len(raise_alerts(scene(score(1, 0, 2, 0.9), score(2, 1, 3, 0.9)), [pair])) == 1


def test_a_label_that_the_recogniser_does_not_know_raises_nothing() -> None:
    arson = rule("arson", needs=[{"activity": "Arson", "at_least": 0.1}])
    assert raise_alerts(scene(score(1, 0, 2, 0.9)), [arson]) == []


def test_what_comes_again_within_the_cool_down_belongs_to_the_alert() -> None:
    found = scene(score(1, 0, 2, 0.9), score(1, 20, 22, 0.95), score(2, 100, 102, 0.9))
    first, second = raise_alerts(found, [rule(cool_down_s=30)])
    assert (first.start_s, first.end_s, second.start_s) == (0, 22, 100)
    assert first.score == pytest.approx(0.95)
    assert first.explanation[-1].kind == "again"
    assert "20.0 s to 22.0 s, within the cool-down of 30 s" in first.explanation[-1].text


def test_a_held_weapon_names_its_holder_and_the_evidence() -> None:
    (alert,) = raise_alerts(scene(weapons=[weapon(0.5, 0.7, 0.3, holder=3)]), [rule(**WEAPON)])
    assert alert.track_ids == (3,)
    assert alert.score == pytest.approx(0.6), "the mean of the better half: 0.7 and 0.5"
    assert [evidence.kind for evidence in alert.explanation] == ["holder", "weapon"]
    assert "person 3 in 3 of 3 sightings, the hand is 0.02 of the person's size" in alert.explanation[0].text
    assert "seen in 3 frames from 1.0 s to 1.2 s, detector's score up to 0.70" in alert.explanation[1].text


@pytest.mark.parametrize(
    "episode", [weapon(0.9, 0.9, holder=None), weapon(0.3, 0.3, holder=1)], ids=["nobody's", "too unsure"]
)
def test_a_weapon_of_nobody_or_below_the_threshold_raises_nothing(episode: Episode) -> None:
    assert raise_alerts(scene(weapons=[episode]), [rule(**WEAPON)]) == []


def test_a_weapon_that_nobody_holds_raises_a_rule_that_asks_only_that_it_is_seen() -> None:
    seen = rule(**(WEAPON | {"needs": [{"weapon": "seen"}]}))
    (alert,) = raise_alerts(scene(weapons=[weapon(0.9, holder=None)]), [seen])
    assert alert.track_ids == ()


def test_fire_goes_to_the_fire_department() -> None:
    (alert,) = raise_alerts(scene(fires=[fire(0.8, 0.9)]), [rule(**FIRE)])
    assert (alert.agency, alert.label) == ("fire_department", "Fire")
    assert alert.explanation[0].text.startswith("fire: seen in 2 examined frames from 1.0 s to 2.0 s")


def test_all_needed_evidence_must_be_there_at_the_same_time() -> None:
    both = rule(
        "armed_fight", needs=[{"activity": "Fighting", "at_least": 0.6}, {"weapon": "held"}], within_s=1.0
    )
    together = scene(score(1, 0, 2, 0.9), weapons=[weapon(0.7, holder=2, start_s=2.5)])
    (alert,) = raise_alerts(together, [both])
    assert alert.score == pytest.approx(0.7), "the weaker of 0.9 and 0.7"
    assert alert.track_ids == (1, 2)
    apart = scene(score(1, 0, 2, 0.9), weapons=[weapon(0.7, holder=2, start_s=3.5)])
    assert raise_alerts(apart, [both]) == []
    assert raise_alerts(scene(score(1, 0, 2, 0.9)), [both]) == []


def test_strengthening_evidence_takes_its_weight_of_the_remaining_doubt_away() -> None:
    strengthened = rule(strengthened_by=[{"weapon": "held", "at_least": 0.4, "weight": 0.5}])
    found = scene(score(1, 0, 2, 0.8), weapons=[weapon(0.6, holder=2)])
    (alert,) = raise_alerts(found, [strengthened])
    assert alert.score == pytest.approx(1 - 0.2 * (1 - 0.5 * 0.6))
    assert [(e.kind, round(e.weight, 3)) for e in alert.explanation] == [
        ("activity", 0.8), ("weapon", 0.3), ("holder", 0.45),
    ]  # fmt: skip
    (alone,) = raise_alerts(scene(score(1, 0, 2, 0.8)), [strengthened])
    assert alone.score == pytest.approx(0.8)


def test_a_posture_strengthens_only_an_alert_on_the_same_person() -> None:
    hinted = rule(**(WEAPON | {"strengthened_by": [{"posture": "aiming", "weight": 0.1}]}))
    hints = [PostureHint("aiming", 3, 0.5, 2.0, 0.8, "person 3 points at person 1 (weak evidence)")]
    (same,) = raise_alerts(scene(weapons=[weapon(0.6, holder=3)], hints=hints), [hinted])
    (other,) = raise_alerts(scene(weapons=[weapon(0.6, holder=2)], hints=hints), [hinted])
    assert same.score == pytest.approx(1 - 0.4 * (1 - 0.1 * 0.8))
    assert "weak evidence" in same.explanation[-1].text
    assert other.score == pytest.approx(0.6)


def test_a_number_of_people_in_view_can_be_asked_for() -> None:
    crowd = rule("crowd", needs=[{"in_view": 3}])
    tracks = [track(1, end_s=10), track(2, start_s=2, end_s=8), track(3, start_s=4, end_s=6)]
    (alert,) = raise_alerts(scene(tracks=tracks), [crowd])
    assert (alert.start_s, alert.end_s) == (4, 6)
    assert raise_alerts(scene(tracks=tracks[:2]), [crowd]) == []


def test_an_absorbed_alert_becomes_evidence() -> None:
    robbery = rule("robbery", absorbs=["weapon_held"])
    found = scene(
        score(1, 0, 2, 0.9), weapons=[weapon(0.7, 0.7, holder=2), weapon(0.7, holder=3, start_s=15)]
    )
    alerts = raise_alerts(found, [rule(**WEAPON), robbery])
    assert [alert.rule for alert in alerts] == ["robbery", "weapon_held"]
    assert alerts[0].track_ids == (1, 2)
    assert {evidence.kind for evidence in alerts[0].explanation} == {"activity", "weapon", "holder"}


HR_CRIME = {
    "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery", "Shooting",
    "Shoplifting", "Stealing", "Vandalism",
}  # fmt: skip
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def test_what_happens_in_an_ignored_area_does_not_count() -> None:
    found = scene(
        score(1, 0, 2, 0.9), score(4, 0, 2, 0.8), weapons=[weapon(0.9, holder=1)], fires=[fire(0.9, x=500)]
    )
    camera = Camera(ignore=(LEFT_HALF,))
    alerts = raise_alerts(found, [rule(), rule(**WEAPON), rule(**FIRE)], camera=camera)
    assert [(alert.rule, alert.track_ids) for alert in alerts] == [("fighting", (4,)), ("fire", ())]


def test_only_watched_areas_count_where_there_are_any() -> None:
    found = scene(score(1, 0, 2, 0.9), score(4, 0, 2, 0.8))
    (alert,) = raise_alerts(found, [rule()], camera=Camera(watch=(LEFT_HALF,)))
    assert alert.track_ids == (1,)


def test_a_rule_may_speak_of_one_zone_only() -> None:
    camera = Camera(zones={"door": LEFT_HALF})
    found = scene(score(1, 0, 2, 0.9), score(4, 0, 2, 0.8))
    (alert,) = raise_alerts(found, [rule(zone="door")], camera=camera)
    assert alert.track_ids == (1,)
    for nowhere in (None, Camera()):
        with pytest.raises(ConfigurationError, match="door"):
            raise_alerts(found, [rule(zone="door")], camera=nowhere)


def test_a_cameras_threshold_replaces_the_rules() -> None:
    found = scene(score(1, 0, 2, 0.7), weapons=[weapon(0.5, holder=1)])
    rules = [rule(), rule(**WEAPON)]
    strict = Camera(thresholds={"Fighting": 0.8, "weapon": 0.6})
    assert len(raise_alerts(found, rules)) == 2
    assert raise_alerts(found, rules, camera=strict) == []


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"Dancing": 0.5}, "would have no effect.*Fighting, fire, weapon"),
        ({"Arson": 0.5}, "would have no effect"),
        ({"weapon": 0.2}, "under the network's own 0.35"),
    ],
    ids=["no class", "no network knows it", "below the detector's"],
)
def test_a_threshold_without_effect_is_refused(thresholds: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_camera(
            "lobby",
            Camera(thresholds=thresholds),
            default_rules(),
            classes=("Fighting", "Normal"),
            floors={"weapon": 0.35},
        )


def test_a_camera_without_the_zone_that_a_rule_asks_for_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="asks for the zone 'door'"):
        check_camera("lobby", Camera(), [rule(zone="door")], classes=("Fighting",), floors={})


@pytest.mark.parametrize(
    ("begin", "end", "raised"), [("22:00", "06:00", True), ("06:00", "22:00", False)], ids=["night", "day"]
)
def test_a_rule_may_speak_of_a_time_of_day(begin: str, end: str, raised: bool) -> None:
    nightly = rule(hours=[begin, end])
    found = scene(score(1, 30, 32, 0.9))
    started_at = datetime(2026, 1, 2, 23, 59, 45)
    assert bool(raise_alerts(found, [nightly], started_at=started_at)) == raised
    with pytest.raises(ConfigurationError, match="recorded-at"):
        raise_alerts(found, [nightly])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"needs": []}, "needs"),
        ({"needs": [{"weapon": "held", "fire": "seen"}]}, "expected one of activity"),
        ({"needs": [{}]}, "got none"),
        ({"needs": [{"posture": "aiming"}]}, "weak evidence"),
        ({"needs": [{"posture": "armed_posture", "at_least": 0}]}, "weak evidence"),
        ({"strengthened_by": [{"weapon": "held", "at_least": 0}]}, "only a posture"),
        ({"needs": [{"activity": "Fighting", "at_least": 0}]}, "at_least"),
        ({"needs": [{"activity": "Fighting", "atleast": 0.5}]}, "atleast"),
        ({"needs": [{"fire": "seen"}], "people": 2}, "in_view"),
        ({"merge_gap_s": -1}, "merge_gap_s"),
        ({"for": "army"}, "for"),
        ({"name": "Two words"}, "name"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rule(**changes)


def test_two_rules_of_one_name_and_absorbing_a_stranger_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="one rule a name"):
        raise_alerts(scene(), [rule(), rule()])
    with pytest.raises(ValidationError, match="absorbs"):
        RuleBook(rules=(rule(absorbs=["nobody"]),))


def test_every_class_of_hr_crime_has_a_default_rule() -> None:
    labels = {c.activity for r in default_rules() for c in r.needs if c.kind == "activity"}
    assert labels == HR_CRIME
    assert {"weapon_held", "fire"} <= {r.name for r in default_rules()}


def test_polygons_hold_what_is_inside_and_a_line_is_none() -> None:
    triangle = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    points = np.array([[0.2, 0.2], [0.8, 0.8], [0.45, 0.5], [-0.1, 0.5]])
    assert inside(triangle, points).tolist() == [True, False, True, False]
    with pytest.raises(ValidationError, match="no area"):
        Camera(watch=(((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)),))


def test_a_condition_knows_under_which_name_a_camera_may_change_it() -> None:
    assert Condition(weapon="held").threshold_name == "weapon"
    assert Condition(activity="Arson").threshold_name == "Arson"
    assert Condition(in_view=2).threshold_name is None


segments = st.lists(
    st.tuples(st.integers(1, 4), st.floats(0, 50), st.floats(0.1, 5), st.floats(0, 1)), max_size=25
)


@given(segments)
def test_incidents_hold_every_segment_that_counts_and_lie_apart(
    parts: list[tuple[int, float, float, float]],
) -> None:
    activities = [score(t, start, start + length, p) for t, start, length, p in parts]
    one = rule(merge_gap_s=2.0)
    alerts = raise_alerts(scene(*activities), [one])
    counted = [a for a in activities if a.probability("Fighting") >= 0.6]
    for activity in counted:
        assert any(a.start_s <= activity.start_s and activity.end_s <= a.end_s for a in alerts)
    assert bool(alerts) == bool(counted)
    for first, second in itertools.pairwise(alerts):
        assert second.start_s > first.end_s
    assert all(0 <= alert.score <= 1 for alert in alerts)
