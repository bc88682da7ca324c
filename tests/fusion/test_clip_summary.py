from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.errors import StructureError
from activity.fusion.clip_summary import ClipVerdict, summarize_clip
from activity.structures import LEADING_RULE, ActivityScore

FIGHT = ("Fighting", "Normal")


def score(
    track_id: int, *probabilities: float, classes: Sequence[str] = FIGHT, start_s: float = 0.0
) -> ActivityScore:
    return ActivityScore(
        track_id=track_id,
        start_s=start_s,
        end_s=start_s + 2,
        classes=tuple(classes),
        probabilities=np.asarray(probabilities, dtype=np.float32),
    )


def test_the_three_people_who_stand_out_most_speak_for_the_clip() -> None:
    summary = summarize_clip(
        [score(1, 0.1, 0.9), score(2, 0.8, 0.2), score(3, 0.2, 0.8), score(4, 0.6, 0.4), score(5, 0.4, 0.6)]
    )
    assert summary.track_ids == (2, 4, 5)
    assert summary.label == "Fighting"
    assert summary.score == pytest.approx(0.6)
    assert summary.probabilities == pytest.approx({"Fighting": 0.6, "Normal": 0.4})
    assert summary.rule == LEADING_RULE
    assert "the 3 people" in LEADING_RULE
    assert summary.reason is None


def test_a_verdict_on_the_clip_counts_instead_of_its_people_who_are_still_named() -> None:
    verdict = ClipVerdict({"Fighting": 0.3, "Normal": 0.7}, "by the tracks")
    people = [score(1, 0.1, 0.9), score(2, 0.8, 0.2), score(3, 0.9, 0.1), score(4, 0.6, 0.4)]
    summary = summarize_clip(people, verdict=verdict)
    assert (summary.label, summary.score) == ("Normal", 0.7)
    assert summary.probabilities == {"Fighting": 0.3, "Normal": 0.7}
    assert summary.rule == "by the tracks"
    assert summary.track_ids == (3, 2, 4)


def test_a_verdict_stands_where_nobody_was_followed_for_a_segment() -> None:
    summary = summarize_clip([], verdict=ClipVerdict({"Fighting": 0.6, "Normal": 0.4}, "by the tracks"))
    assert (summary.label, summary.score, summary.track_ids) == ("Fighting", 0.6, ())
    assert summary.reason is None


def test_a_persons_segments_are_averaged_first() -> None:
    # person 1: (0.9 + 0.1) / 2 = 0.5; person 2: 0.3 -> (0.5 + 0.3) / 2 = 0.4
    summary = summarize_clip([score(1, 0.9, 0.1), score(1, 0.1, 0.9, start_s=1), score(2, 0.3, 0.7)])
    assert summary.label == "Normal"
    assert summary.probabilities["Fighting"] == pytest.approx(0.4)


def test_many_bystanders_do_not_outvote_a_fight() -> None:
    crowd = [score(track_id, 0.05, 0.95) for track_id in range(10, 60)]
    summary = summarize_clip([*crowd, score(1, 0.9, 0.1), score(2, 0.9, 0.1)])
    assert summary.label == "Fighting"  # (0.9 + 0.9 + 0.05) / 3 = 0.62


def test_one_person_speaks_alone() -> None:
    summary = summarize_clip([score(5, 0.55, 0.45)])
    assert (summary.label, summary.track_ids) == ("Fighting", (5,))


def test_nobody_is_no_answer_and_says_why() -> None:
    summary = summarize_clip([])
    assert (summary.label, summary.score, summary.track_ids) == (None, None, ())
    assert summary.probabilities == {}
    assert summary.reason


def test_without_a_background_class_the_surest_people_speak() -> None:
    classes = ("Arson", "Robbery", "Shooting")
    people = [(0.4, 0.3, 0.3), (0.1, 0.8, 0.1), (0.0, 0.3, 0.7), (0.1, 0.4, 0.5)]
    summary = summarize_clip(
        [score(track_id, *values, classes=classes) for track_id, values in enumerate(people, start=1)]
    )
    assert summary.track_ids == (2, 3, 4)
    assert summary.label == "Robbery"
    assert summary.probabilities == pytest.approx({"Arson": 0.2 / 3, "Robbery": 0.5, "Shooting": 1.3 / 3})


def test_different_classes_are_refused() -> None:
    with pytest.raises(StructureError, match="expected one set of classes"):
        summarize_clip([score(1, 0.5, 0.5), score(2, 0.5, 0.5, classes=("Normal", "Fighting"))])


@given(
    st.lists(st.tuples(st.integers(1, 6), st.floats(0, 1, width=32)), min_size=1, max_size=30),
    st.randoms(use_true_random=False),
)
def test_the_order_of_segments_does_not_matter_and_probabilities_sum_to_1(
    people: list[tuple[int, float]], random: object
) -> None:
    scores = [score(track_id, p, 1 - p) for track_id, p in people]
    summary = summarize_clip(scores)
    shuffled = list(scores)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = summarize_clip(shuffled)
    assert again.probabilities == pytest.approx(dict(summary.probabilities))
    assert again.track_ids == summary.track_ids
    assert sum(summary.probabilities.values()) == pytest.approx(1)
    assert summary.score == max(summary.probabilities.values())
