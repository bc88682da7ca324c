"""Rules: which segments are one incident, and what its alert says."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.errors import ConfigurationError
from activity.fusion.rules import ActivityRule, raise_alerts
from activity.structures import ActivityScore

RULE = ActivityRule("Fighting", "police", "severe", min_score=0.6, merge_gap_s=1.0)


def score(track_id: int, start_s: float, end_s: float, fighting: float) -> ActivityScore:
    probabilities = np.array([fighting, 1 - fighting], np.float32)
    return ActivityScore(track_id, start_s, end_s, ("Fighting", "Normal"), probabilities)


def test_nothing_at_or_above_the_threshold_raises_nothing() -> None:
    assert raise_alerts([score(1, 0, 2, 0.59), score(2, 0, 2, 0.1)], [RULE]) == []
    assert raise_alerts([], [RULE]) == []


def test_no_rule_means_no_alert() -> None:
    assert raise_alerts([score(1, 0, 2, 1.0)], []) == []


def test_people_who_overlap_in_time_are_one_incident() -> None:
    (alert,) = raise_alerts([score(2, 1, 3, 0.9), score(1, 0, 2, 0.7), score(3, 0, 2, 0.2)], [RULE])
    assert (alert.start_s, alert.end_s) == (0, 3)
    assert alert.track_ids == (1, 2)
    assert alert.score == pytest.approx(0.9)
    assert [evidence.weight for evidence in alert.explanation] == pytest.approx([0.9, 0.7])
    assert alert.explanation[0].text.startswith(
        "person 2: Fighting with probability up to 0.90 from 1.0 s to 3.0 s"
    )
    assert (alert.agency, alert.severity, alert.label) == ("police", "severe", "Fighting")


@pytest.mark.parametrize(("begin", "incidents"), [(3.0, 1), (3.1, 2)], ids=["at the gap", "beyond the gap"])
def test_segments_further_apart_than_the_gap_are_two_incidents(begin: float, incidents: int) -> None:
    alerts = raise_alerts([score(1, 0, 2, 0.9), score(1, begin, begin + 2, 0.8)], [RULE])
    assert len(alerts) == incidents


def test_a_short_segment_inside_a_long_one_does_not_end_the_incident() -> None:
    alerts = raise_alerts([score(1, 0, 10, 0.9), score(2, 1, 2, 0.9), score(3, 10.5, 12, 0.9)], [RULE])
    assert len(alerts) == 1


def test_a_rule_may_need_several_people() -> None:
    pair = ActivityRule("Fighting", "police", "severe", min_score=0.6, min_people=2)
    assert raise_alerts([score(1, 0, 2, 0.9), score(1, 1, 3, 0.9)], [pair]) == []
    assert len(raise_alerts([score(1, 0, 2, 0.9), score(2, 1, 3, 0.9)], [pair])) == 1


def test_a_label_that_the_recogniser_does_not_know_raises_nothing() -> None:
    arson = ActivityRule("Arson", "fire_department", "extreme", min_score=0.1)
    assert raise_alerts([score(1, 0, 2, 0.9)], [arson]) == []


@pytest.mark.parametrize(
    "values", [{"min_score": 0}, {"min_score": 1.1}, {"min_people": 0}, {"merge_gap_s": -1}]
)
def test_rules_out_of_bounds_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        dataclasses.replace(RULE, **values)  # type: ignore[arg-type]


def test_two_rules_for_one_label_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="one rule a label"):
        raise_alerts([], [RULE, RULE])


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.floats(0, 50, width=32),
            st.floats(0, 5, width=32),
            st.floats(0, 1, width=32),
        ),
        max_size=25,
    )
)
def test_every_segment_that_counts_lies_in_exactly_one_alert(
    segments: list[tuple[int, float, float, float]],
) -> None:
    scores = [score(track, start, start + length, value) for track, start, length, value in segments]
    alerts = raise_alerts(scores, [RULE])
    for item in scores:
        around = [a for a in alerts if a.start_s <= item.start_s and item.end_s <= a.end_s]
        counted = item.probability("Fighting") >= RULE.min_score
        assert len(around) <= 1
        assert not counted or item.track_id in around[0].track_ids
    for first, second in itertools.pairwise(alerts):
        assert second.start_s > first.end_s + RULE.merge_gap_s
