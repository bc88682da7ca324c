"""`ClipSummary` refuses verdicts that contradict themselves."""

from __future__ import annotations

import pytest

from activity.errors import StructureError
from activity.structures import ClipSummary


def test_a_verdict_holds_its_label_score_and_rule() -> None:
    summary = ClipSummary(
        "Fighting", 0.75, {"Fighting": 0.75, "Normal": 0.25}, "mean of all", track_ids=(2, 1)
    )
    assert summary.label == "Fighting"
    assert summary.track_ids == (2, 1)


def test_no_verdict_needs_a_reason() -> None:
    assert ClipSummary(None, None, {}, "mean of all", "nobody was seen").reason == "nobody was seen"
    with pytest.raises(StructureError, match="needs a reason"):
        ClipSummary(None, None, {}, "mean of all")


@pytest.mark.parametrize(
    ("label", "score", "probabilities", "expected"),
    [
        ("Fighting", None, {"Fighting": 1.0}, "go together"),
        (None, 0.5, {}, "go together"),
        ("Fighting", 0.5, {"Normal": 0.5}, "no probability"),
        ("Fighting", 0.5, {"Fighting": 1.5}, "expected values in"),
        ("Fighting", 1.5, {"Fighting": 0.5}, "expected values in"),
        ("Fighting", float("nan"), {"Fighting": 0.5}, "expected values in"),
        (None, None, {"Normal": 1.0}, "no probabilities"),
    ],
)
def test_contradictions_are_refused(
    label: str | None, score: float | None, probabilities: dict[str, float], expected: str
) -> None:
    with pytest.raises(StructureError, match=expected):
        ClipSummary(label, score, probabilities, "mean of all", "a reason" if label is None else None)
