"""What a clip as a whole shows: by a model of whole clips, or by the people who stand out most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from activity.structures import LEADING_RULE, ActivityScore, ClipSummary, find_leading_people


@dataclass(frozen=True, slots=True)
class ClipVerdict:
    """What a model says that was asked about the whole clip, not about its people.

    Attributes:
        probabilities: Class name to probability, in the recogniser's order.
        rule: How the model came to it, in a sentence.
        votes: What each part of the model says by itself: its name, and class name to probability.
    """

    probabilities: Mapping[str, float]
    rule: str
    votes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def summarize_clip(activities: Iterable[ActivityScore], *, verdict: ClipVerdict | None = None) -> ClipSummary:
    """Apply `LEADING_RULE` to all segments of a clip, in any order.

    Args:
        activities: Of all people.
        verdict: Counts instead of the people's probabilities, where a model judged the clip; the people who are named
            are still those who stand out most.

    Raises:
        StructureError: If the scores come from recognisers with different classes.
    """
    leading = find_leading_people(activities)
    if verdict is not None:
        named = () if leading is None else leading.track_ids
        return _as_summary(verdict.probabilities, verdict.rule, named, votes=verdict.votes)
    if leading is None:
        return ClipSummary(
            None, None, {}, LEADING_RULE, reason="nobody was followed for long enough to judge an activity"
        )
    probabilities = dict(zip(leading.classes, leading.probabilities.tolist(), strict=True))
    return _as_summary(probabilities, LEADING_RULE, leading.track_ids)


def _as_summary(
    probabilities: Mapping[str, float],
    rule: str,
    track_ids: Sequence[int],
    *,
    votes: Mapping[str, Mapping[str, float]] | None = None,
) -> ClipSummary:
    capped = {name: float(min(value, 1.0)) for name, value in probabilities.items()}
    best = max(capped, key=lambda name: capped[name])
    return ClipSummary(
        label=best,
        score=capped[best],
        probabilities=capped,
        rule=rule,
        track_ids=tuple(track_ids),
        votes=votes or {},
    )
