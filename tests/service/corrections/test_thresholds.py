"""Fitted thresholds: numbers worked by hand, refusals, and that reviews can only raise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from activity.cli.thresholds import app
from activity.errors import DatasetError
from activity.service.corrections.thresholds import Case, cases_of_reviews, fit_thresholds, read_cases
from activity.service.database import Incident


def cases(*groups: tuple[float, bool, int]) -> list[Case]:
    """So many cases of each score, each from a source of its own."""
    return [
        Case(label="Fighting", score=score, correct=correct, source=f"{score}-{correct}-{number}")
        for score, correct, count in groups
        for number in range(count)
    ]


# 10 right above 0.9, 10 wrong below it
CLEAR = cases((0.95, True, 10), (0.87, False, 10))


def test_a_threshold_goes_up_to_where_right_and_wrong_part() -> None:
    (found,) = fit_thresholds(CLEAR, {"Fighting": 0.85})
    assert (found.verdict, found.after.threshold) == ("raised", 0.95)
    assert (found.before.precision, found.before.recall) == (0.5, 1.0)
    assert (found.after.precision, found.after.recall) == (1.0, 1.0)
    content = found.to_json()
    assert content["before"]["precision_interval"] == pytest.approx([0.2993, 0.7007], abs=1e-4)
    assert content["after"]["recall_interval"] == pytest.approx([0.7225, 1.0], abs=1e-4)
    assert content["held_out"]["precision"] == 1.0
    assert content["held_out"]["alerts"] == 10
    assert "threshold" not in content["held_out"]
    json.dumps(content, allow_nan=False)


def test_reviews_never_lower_a_threshold_and_labelled_cases_may() -> None:
    low = cases((0.7, True, 15), (0.2, False, 15))
    (kept,) = fit_thresholds(low, {"Fighting": 0.85})
    assert (kept.verdict, kept.after.threshold) == ("kept", 0.85)
    (lowered,) = fit_thresholds(low, {"Fighting": 0.85}, may_lower=True)
    assert (lowered.verdict, lowered.after.threshold, lowered.after.recall) == ("lowered", 0.7, 1.0)


def test_a_threshold_is_as_short_as_a_person_would_write_it() -> None:
    (found,) = fit_thresholds(
        cases((0.93127, True, 10), (0.93021, False, 10)), {"Fighting": 0.85}, may_lower=True
    )
    assert found.after.threshold == 0.931
    assert found.after.precision == 1.0


def test_the_least_threshold_with_the_precision_that_was_asked_for() -> None:
    mixed = cases((0.9, True, 8), (0.9, False, 8), (0.95, True, 9), (0.95, False, 1), (0.99, True, 3))
    (found,) = fit_thresholds(mixed, {"Fighting": 0.85}, min_precision=0.9)
    assert (found.after.threshold, found.after.alerts, found.after.right) == (0.95, 13, 12)
    (none,) = fit_thresholds(cases((0.9, True, 10), (0.95, False, 10)), {"Fighting": 0.85}, min_precision=0.9)
    assert (none.verdict, none.after.threshold) == ("refused", 0.85)
    assert "precision" in none.reason


@pytest.mark.parametrize(
    ("given_cases", "why"),
    [
        (cases((0.9, True, 10), (0.95, False, 9)), "19 cases"),
        (cases((0.9, True, 30), (0.95, False, 4)), "4 wrong"),
        (cases((0.9, True, 30)), "0 wrong"),
        ([case.model_copy(update={"source": "one clip"}) for case in CLEAR], "sources"),
    ],
)
def test_too_little_is_refused_and_the_threshold_stays(given_cases: list[Case], why: str) -> None:
    (found,) = fit_thresholds(given_cases, {"Fighting": 0.85})
    assert (found.verdict, found.after.threshold, found.held_out) == ("refused", 0.85, None)
    assert why in found.reason


def test_held_out_figures_are_honest_where_scores_say_nothing() -> None:
    """Right and wrong alternate: whatever is fitted, held out about half of the alerts are right."""
    noise = [
        Case(label="Fighting", score=0.85 + number / 1000, correct=number % 2 == 0, source=str(number))
        for number in range(100)
    ]
    (found,) = fit_thresholds(noise, {"Fighting": 0.85}, min_precision=0.5)
    assert found.held_out is not None
    assert found.held_out.precision == pytest.approx(0.5, abs=0.15)


def test_reviews_from_before_the_threshold_was_raised_do_no_harm() -> None:
    old = cases((0.7, True, 5), (0.72, False, 25))
    (found,) = fit_thresholds(old, {"Fighting": 0.85})
    assert (found.verdict, found.after.threshold, found.after.alerts) == ("kept", 0.85, 0)
    assert found.to_json()["after"]["precision"] is None


def test_classes_without_a_rule_are_passed_over_and_no_case_is_no_class() -> None:
    assert fit_thresholds(CLEAR, {"Robbery": 0.7}) == []
    assert fit_thresholds([], {"Fighting": 0.85}) == []


@given(
    st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=20, max_size=60),
    st.none() | st.floats(0, 1),
)
def test_a_fit_is_never_worse_than_what_was_there_by_its_own_measure(
    pairs: list[tuple[float, bool]], min_precision: float | None
) -> None:
    given_cases = [
        Case(label="a", score=score, correct=correct, source=str(number))
        for number, (score, correct) in enumerate(pairs)
    ]
    (found,) = fit_thresholds(given_cases, {"a": 0.5}, min_precision=min_precision)
    assert found.after.threshold >= 0.5
    if found.verdict == "refused":
        assert found.after == found.before
    elif min_precision is None:
        for quality in (found.before, found.after):
            assert quality.alerts + quality.positives > 0
        before, after = (2 * q.right / (q.alerts + q.positives) for q in (found.before, found.after))
        assert after >= before
    else:
        assert (found.after.precision or 0.0) >= min_precision


def incident(state: str, corrected: str | None = None, weight: float = 0.9) -> Incident:
    return Incident(
        clip_id="c",
        label="Fighting",
        state=state,
        label_corrected=corrected,
        score=0.97,
        explanation=[
            {"kind": "activity", "text": "", "weight": weight},
            {"kind": "posture", "text": "", "weight": 1.0},
        ],
    )


def test_reviews_become_cases_with_the_probability_that_the_threshold_judges() -> None:
    found = cases_of_reviews(
        [
            incident("new"),
            incident("confirmed"),
            incident("dismissed", weight=0.86),
            incident("corrected", "Robbery"),
            incident("corrected", "Fighting"),
        ]
    )
    assert [(case.score, case.correct) for case in found] == [
        (0.9, True),
        (0.86, False),
        (0.9, False),
        (0.9, True),
    ]


@pytest.mark.parametrize(
    "content", ["", "{}", '[{"label": "a"}]', '[{"label": "a", "score": 2, "correct": true}]', "[[]]"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"cases\.json"):
        read_cases(path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["fit", *arguments])


def test_the_command_shows_before_and_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVITY_HOME", str(tmp_path))
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([case.model_dump() for case in CLEAR]))
    answer = run("--cases", str(path), "--json")
    assert answer.exit_code == 0, answer.output
    (found,) = json.loads(answer.stdout)["classes"]
    assert (found["label"], found["verdict"]) == ("Fighting", "raised")
    assert found["before"]["threshold"] == 0.7  # of the default rule for fights
    told = run("--cases", str(path), "--current", "Fighting=0.9")
    assert "held out" in told.stderr
    assert run("--cases", str(path), "--current", "Fighting").exit_code == 2
