"""What a clip as a whole shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from activity.errors import StructureError
from activity.structures._validation import check_unit_interval


@dataclass(frozen=True, slots=True)
class ClipSummary:
    """One verdict on a whole clip, by a stated rule.

    Attributes:
        label: The most probable class, or `None` where nothing could be judged.
        score: Its probability in [0, 1]; `None` exactly where `label` is.
        probabilities: Class name to probability in [0, 1], in the recogniser's order; empty exactly where `label`
            is `None`.
        rule: A sentence that says how the people's segments became this verdict.
        reason: Why there is no label, for a person to read; `None` where there is one.
        track_ids: The people who spoke for the clip, most outstanding first.
        votes: Where several judges were asked, what each says by itself: its name, and class name to probability.

    Raises:
        StructureError: If a label comes without score, probability, or the lack of one without a reason.
    """

    label: str | None
    score: float | None
    probabilities: Mapping[str, float]
    rule: str
    reason: str | None = None
    track_ids: tuple[int, ...] = ()
    votes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.label is None) != (self.score is None):
            raise StructureError(
                f"summary: label and score go together, got {self.label!r} with {self.score}"
            )
        if self.label is None and not self.reason:
            raise StructureError("summary: a clip without a label needs a reason")
        if self.label is None and self.probabilities:
            raise StructureError("summary: a clip without a label has no probabilities")
        if self.label is not None and self.label not in self.probabilities:
            raise StructureError(
                f"summary: label {self.label!r} has no probability in {list(self.probabilities)}"
            )
        for name, value in self.probabilities.items():
            check_unit_interval(f"summary.probabilities[{name!r}]", value)
        for judge, vote in self.votes.items():
            for name, value in vote.items():
                check_unit_interval(f"summary.votes[{judge!r}][{name!r}]", value)
        if self.score is not None:
            check_unit_interval("summary.score", self.score)
