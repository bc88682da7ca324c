"""What a clip as a whole shows, from what every person does during every segment.

The label of a clip is that of its incident, and most people in view of an incident only watch. So the rule asks
the people who stand out most, not all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from activity.errors import StructureError
from activity.structures import ActivityScore, ClipSummary

BACKGROUND: Final = "Normal"
"""Name of the class that stands for "nothing happens"."""

LEADING_PEOPLE: Final = 3
"""How many people speak for a clip: two fight, and a third steadies the mean (chosen by cross-validation)."""

RULE: Final = (
    f"mean probabilities of the {LEADING_PEOPLE} people who stand out most; a person's probabilities are the mean "
    f'over the person\'s segments, and people stand out by how improbable "{BACKGROUND}" is for them '
    "(without such a class, by their most probable class)"
)


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
    """Apply `RULE` to all segments of a clip, in any order.

    Args:
        activities: Of all people.
        verdict: Counts instead of the people's probabilities, where a model judged the clip; the people who are named
            are still those who stand out most.

    Raises:
        StructureError: If the scores come from recognisers with different classes.
    """
    by_track: dict[int, list[ActivityScore]] = {}
    for activity in activities:
        by_track.setdefault(activity.track_id, []).append(activity)
    if not by_track and verdict is not None:
        return _as_summary(verdict.probabilities, verdict.rule, (), votes=verdict.votes)
    if not by_track:
        return ClipSummary(
            None, None, {}, RULE, reason="nobody was followed for long enough to judge an activity"
        )
    kinds = {activity.classes for parts in by_track.values() for activity in parts}
    if len(kinds) > 1:
        raise StructureError(f"activities: expected one set of classes, got {sorted(kinds)}")
    classes = kinds.pop()
    people = {
        track_id: np.stack([part.probabilities for part in parts]).astype(np.float64).mean(axis=0)
        for track_id, parts in by_track.items()
    }
    background = classes.index(BACKGROUND) if BACKGROUND in classes else None

    def salience(track_id: int) -> float:
        mean = people[track_id]
        return float(mean.max() if background is None else 1 - mean[background])

    leading = sorted(people, key=lambda track_id: (-salience(track_id), track_id))[:LEADING_PEOPLE]
    if verdict is not None:
        return _as_summary(verdict.probabilities, verdict.rule, leading, votes=verdict.votes)
    pooled = np.stack([people[track_id] for track_id in leading]).mean(axis=0)
    return _as_summary(dict(zip(classes, pooled.tolist(), strict=True)), RULE, leading)


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
