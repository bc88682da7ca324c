"""Two who are near each other, for longer than a moment: what a fight takes beside a probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activity.fusion.cameras import Camera
from activity.fusion.findings import SceneFindings
from activity.fusion.incidents import raise_alerts
from activity.fusion.interaction import Interaction, course_of, distances, find_interactions
from activity.fusion.rule_book import Rule, default_rules
from activity.structures import ActivityScore, SceneAlert, Track

HEIGHT = 100.0


def segment(track_id: int, start_s: float, end_s: float, fighting: float) -> ActivityScore:
    probabilities = np.array([fighting, 1 - fighting], np.float32)
    return ActivityScore(track_id, start_s, end_s, ("Fighting", "Normal"), probabilities)


def segments(track_id: int, *fighting: float, start_s: float = 0.0) -> list[ActivityScore]:
    """A little under two seconds each, every half a second, as the recogniser's are."""
    begins = [start_s + 0.5 * k for k in range(len(fighting))]
    return [segment(track_id, begin, begin + 1.9, p) for begin, p in zip(begins, fighting, strict=True)]


def person(
    track_id: int,
    x: float,
    *,
    until_s: float = 4.0,
    feet: float = 300.0,
    joint: bool = False,
    speed: float = 0.0,
) -> Track:
    """Stands at `x`, 100 px high and 20 px wide, seen ten times a second; a lone joint is in the box's middle."""
    times = np.arange(0, until_s + 1e-6, 0.1)
    middle = x + speed * times
    boxes = np.stack([middle - 10, 0 * times + feet - HEIGHT, middle + 10, 0 * times + feet], axis=1)
    keypoints = np.zeros((len(times), 17, 3), np.float32)
    if joint:
        keypoints[:, 11] = np.stack([middle, 0 * times + feet - 50, 0 * times + 0.9], axis=1)
    rows = np.arange(len(times))
    return Track(track_id, rows, times, keypoints, boxes.astype(np.float32), np.full(len(times), 0.9))


def interactions(tracks: list[Track], *activities: list[ActivityScore]) -> list[Interaction]:
    flat = [activity for parts in activities for activity in parts]
    return find_interactions("Fighting", flat, tracks, counts=lambda track: np.ones(len(track), bool))


def rule(**condition: object) -> Rule:
    need = {"activity": "Fighting", "in_reach": True, "at_least": 0.7} | condition
    return Rule.model_validate(
        {"name": "fighting", "alert": "Fighting", "for": "police", "severity": "severe", "needs": [need]}
    )


def alerts(tracks: list[Track], *activities: list[ActivityScore], **condition: object) -> list[SceneAlert]:
    flat = [activity for parts in activities for activity in parts]
    found = SceneFindings(width=640, height=360, tracks=tracks, activities=flat)
    return raise_alerts(found, [rule(**condition)])


def test_distances_are_between_nearest_joints_and_between_lower_edges_in_body_sizes() -> None:
    rows = np.arange(3)
    gap, floor = distances(person(1, 100, joint=True), person(2, 140, joint=True, feet=320), rows, rows)
    assert gap == pytest.approx(np.hypot(40, 20) / 100)
    assert floor == pytest.approx(0.2)


def test_where_one_has_no_joint_the_gap_is_between_the_boxes() -> None:
    rows = np.arange(3)
    gap, _ = distances(person(1, 100, joint=True), person(2, 140), rows, rows)
    assert gap == pytest.approx(0.2), "from 110 to 130 px"


def test_a_segment_counts_with_those_that_overlap_it_by_half() -> None:
    parts = [segment(1, 0, 2, 0.3), segment(1, 1, 3, 0.9), segment(1, 2, 4, 0.6)]
    course = course_of("Fighting", parts, np.array([-0.1, 0.2, 2.0, 3.9, 4.1]))
    assert course[1:4] == pytest.approx([(0.3 + 0.9) / 2, (0.3 + 0.9 + 0.6) / 3, (0.9 + 0.6) / 2])
    assert np.isnan(course[[0, 4]]).all(), "nothing is known before and after"


def test_two_in_reach_count_by_the_mean_of_both_and_the_alert_names_them() -> None:
    tracks = [person(1, 100), person(2, 125), person(3, 400)]
    (alert,) = alerts(tracks, segments(1, *[0.9] * 5), segments(2, *[0.6] * 5), segments(3, *[0.2] * 5))
    assert alert.track_ids == (1, 2)
    assert alert.score == pytest.approx(0.75)
    assert (alert.start_s, alert.end_s) == pytest.approx((0, 3.9))
    proximity = next(e for e in alert.explanation if e.kind == "proximity")
    assert proximity.text.startswith("people 1 and 2: within reach of each other in 100% of the frames")
    assert "0.05 body sizes apart; both together Fighting with 0.75" in proximity.text
    assert [e.weight for e in alert.explanation if e.kind == "activity"] == pytest.approx([0.9, 0.6])


@pytest.mark.parametrize(
    ("second", "raised"),
    [
        (person(2, 144), True),
        (person(2, 147), False),
        (person(2, 125, feet=334), True),
        (person(2, 125, feet=337), False),
    ],
    ids=["24 % of a body apart", "27 % apart", "feet 34 % lower", "feet 37 % lower"],
)
def test_who_is_further_away_or_stands_before_the_other_is_not_in_reach(second: Track, raised: bool) -> None:
    found = alerts([person(1, 100), second], segments(1, *[0.8] * 5), segments(2, *[0.8] * 5))
    assert bool(found) == raised


def test_one_improbable_person_makes_the_pair_improbable() -> None:
    tracks = [person(1, 100), person(2, 125)]
    assert alerts(tracks, segments(1, *[0.95] * 5), segments(2, *[0.3] * 5), alone_at_least=0.9) == []


def test_a_single_loud_segment_of_a_walker_raises_nothing_and_a_lasting_one_does() -> None:
    walker = [person(1, 100, speed=40)]
    once = segments(1, 0.3, 0.4, 0.98, 0.5, 0.3)
    assert alerts(walker, once, alone_at_least=0.9) == []
    (alert,) = alerts(walker, segments(1, 0.3, 0.95, 0.98, 0.92, 0.3), alone_at_least=0.9)
    assert alert.track_ids == (1,)
    assert alert.score == pytest.approx((0.95 + 0.98 + 0.92) / 3)
    assert "nobody else was followed within reach" in alert.explanation[-1].text
    assert alerts(walker, segments(1, *[0.99] * 5)) == [], "without alone_at_least nobody fights alone"


def test_who_passes_by_is_in_reach_for_a_moment_and_is_not_named() -> None:
    fighters = [person(1, 300), person(2, 325)]
    passer = person(3, 100, speed=100, feet=320)
    loud = [segments(i, *[0.9] * 5) for i in (1, 2, 3)]
    (alert,) = alerts([*fighters, passer], *loud)
    assert alert.track_ids == (1, 2)
    slow = person(3, 250, speed=25, feet=320)
    (brawl,) = alerts([*fighters, slow], *loud)
    assert brawl.track_ids == (1, 2, 3), "who stays is one of them"


def test_a_probability_must_hold_for_half_a_second() -> None:
    for until_s, count in ((0.3, 0), (0.4, 1)):
        tracks = [person(1, 100, until_s=until_s), person(2, 125, until_s=until_s)]
        found = interactions(tracks, [segment(1, 0, 0.5, 0.9)], [segment(2, 0, 0.5, 0.9)])
        assert len(found) == count, "five frames of a tenth of a second are half a second"


def test_two_who_step_back_for_a_second_are_one_interaction_and_for_longer_two() -> None:
    first, second = person(1, 100, until_s=6), person(2, 125, until_s=6)
    for away, count in ((slice(30, 39), 1), (slice(25, 40), 2)):
        boxes = second.boxes.copy()
        boxes[away, ::2] += 60
        moved = Track(2, second.frame_indices, second.times_s, second.keypoints, boxes, second.scores)
        found = interactions([first, moved], segments(1, *[0.9] * 9), segments(2, *[0.9] * 9))
        pairs = [item for item in found if len(item.track_ids) == 2]
        assert len(pairs) == count


def test_a_person_alone_does_not_lengthen_the_alert_of_a_pair() -> None:
    tracks = [person(1, 100, until_s=6), person(2, 125, until_s=3)]
    (alert,) = alerts(tracks, segments(1, *[0.95] * 9), segments(2, *[0.95] * 3), alone_at_least=0.9)
    assert alert.track_ids == (1, 2)
    assert alert.end_s == pytest.approx(2.9)


def test_only_frames_where_the_camera_counts_people_count() -> None:
    tracks = [person(1, 100), person(2, 125)]
    found = SceneFindings(
        width=640, height=360, tracks=tracks, activities=segments(1, *[0.9] * 5) + segments(2, *[0.9] * 5)
    )
    left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    assert raise_alerts(found, [rule()], camera=Camera(ignore=(left,))) == []
    assert len(raise_alerts(found, [rule()], camera=Camera(watch=(left,)))) == 1
    strict = Camera(thresholds={"Fighting": 0.95})
    assert raise_alerts(found, [rule(alone_at_least=0.8)], camera=strict) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"activity": None, "fire": "seen"}, "in_reach speaks of an activity"),
        ({"in_reach": False, "alone_at_least": 0.9}, "give in_reach"),
        ({"alone_at_least": 0.6}, "asks less of one person"),
    ],
)
def test_conditions_that_cannot_be_meant_are_refused(condition: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rule(**condition)


def test_the_default_rule_for_fights_asks_for_two_and_for_more_of_one() -> None:
    (condition,) = next(r for r in default_rules() if r.name == "fighting").needs
    assert condition.in_reach
    assert condition.alone_at_least is not None
    assert condition.alone_at_least > condition.at_least


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
    st.floats(0, 300),
)
def test_no_interaction_is_more_probable_than_its_people_or_longer_than_their_segments(
    first: list[float], second: list[float], apart: float
) -> None:
    tracks = [person(1, 100, until_s=8), person(2, 100 + apart, until_s=8)]
    for item in interactions(tracks, segments(1, *first), segments(2, *second)):
        assert item.probability <= max(item.peaks) + 1e-6
        assert max(item.peaks) <= max(*first, *second) + 1e-6
        assert 0 <= item.start_s <= item.end_s <= 2 + 0.5 * (max(len(first), len(second)) - 1) + 1e-6
        assert 0.5 <= item.probability <= 1
