"""Thresholds that fit what people decided of alerts.

A threshold is judged by precision (how many of the alerts that it lets through are right) and by recall among the
reviewed alerts that are right. Alerts below the threshold that was in force were never raised and so never reviewed:
from reviews alone a threshold can only go up, and recall is that among what was raised. A file of scored cases from a
labelled data set has no such edge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from activity.errors import DatasetError
from activity.evaluation.intervals import wilson_interval
from activity.service.database import Incident

FOLDS: Final = 5
LEAST_CASES: Final = 20
LEAST_OF_EACH: Final = 5

Verdict = Literal["raised", "lowered", "kept", "refused"]


class Case(BaseModel):
    """One alert, or one labelled clip: what the model said of a class, and whether it was right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Annotated[str, Field(min_length=1, max_length=100)]
    score: Annotated[float, Field(ge=0, le=1)]
    correct: bool
    source: str = Field(
        "", description="What the case was taken from; cases of one source are not independent."
    )


@dataclass(frozen=True, slots=True)
class Quality:
    """What a threshold does to the cases.

    Attributes:
        threshold: The least score that raises an alert.
        alerts: Cases at or above it.
        right: Those of them that are right.
        positives: All cases that are right.
    """

    threshold: float
    alerts: int
    right: int
    positives: int

    @property
    def precision(self) -> float | None:
        """Share of alerts that are right; `None` without any alert."""
        return self.right / self.alerts if self.alerts else None

    @property
    def recall(self) -> float | None:
        """Share of right cases that are alerts; `None` without any right case."""
        return self.right / self.positives if self.positives else None

    def to_json(self) -> dict[str, Any]:
        """Shares with their 95 % Wilson intervals."""
        return {
            "threshold": self.threshold,
            "alerts": self.alerts,
            "precision": self.precision,
            "precision_interval": list(wilson_interval(self.right, self.alerts)),
            "recall": self.recall,
            "recall_interval": list(wilson_interval(self.right, self.positives)),
        }


@dataclass(frozen=True, slots=True)
class FittedThreshold:
    """The threshold of one class before and after.

    Attributes:
        label: The class.
        cases: How many were judged.
        positives: How many of them are right.
        before: With the threshold that was in force.
        after: With the fitted one, on the cases that it was fitted to: flattering.
        held_out: With thresholds fitted to the other folds, on each fold in turn; `None` where refused.
        verdict: What to do.
        reason: In words.
    """

    label: str
    cases: int
    positives: int
    before: Quality
    after: Quality
    held_out: Quality | None
    verdict: Verdict
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As `activity thresholds fit --json` prints it."""
        held_out = None if self.held_out is None else self.held_out.to_json()
        if held_out is not None:
            del held_out["threshold"]  # each fold has its own
        return {
            "label": self.label,
            "cases": self.cases,
            "positives": self.positives,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "held_out": held_out,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def fit_thresholds(
    cases: Iterable[Case],
    current: Mapping[str, float],
    *,
    min_precision: float | None = None,
    may_lower: bool = False,
    least_cases: int = LEAST_CASES,
) -> list[FittedThreshold]:
    """Fit one threshold a class.

    Args:
        cases: Of any number of classes.
        current: Class to the threshold that is in force; cases of other classes are passed over.
        min_precision: Take the least threshold whose precision reaches this; `None` takes the one with the best F1.
        may_lower: Whether the cases reach below the thresholds in force, as those of reviews do not.
        least_cases: With fewer cases, or fewer than 5 right or wrong ones, nothing is fitted.

    Returns:
        One entry for each class with cases, by name.
    """
    by_label: dict[str, list[Case]] = {}
    for case in cases:
        if case.label in current:
            by_label.setdefault(case.label, []).append(case)
    return [
        _fit_class(
            label,
            of_label,
            current[label],
            min_precision=min_precision,
            may_lower=may_lower,
            least_cases=least_cases,
        )
        for label, of_label in sorted(by_label.items())
    ]


def _fit_class(
    label: str,
    cases: Sequence[Case],
    current: float,
    *,
    min_precision: float | None,
    may_lower: bool,
    least_cases: int,
) -> FittedThreshold:
    scores = np.array([case.score for case in cases])
    right = np.array([case.correct for case in cases])
    before = _quality(scores, right, current)
    floor = 0.0 if may_lower else current
    sources = np.array([case.source or str(number) for number, case in enumerate(cases)])

    def refuse(reason: str) -> FittedThreshold:
        return FittedThreshold(label, len(cases), int(right.sum()), before, before, None, "refused", reason)

    few = min(int(right.sum()), int((~right).sum()))
    if len(cases) < least_cases or few < LEAST_OF_EACH:
        return refuse(
            f"{len(cases)} cases, {int(right.sum())} right and {int((~right).sum())} wrong: expected at least "
            f"{least_cases}, and {LEAST_OF_EACH} of each; the threshold stays"
        )
    if len(set(sources.tolist())) < FOLDS:
        return refuse(f"all cases come from fewer than {FOLDS} sources; the threshold stays")
    fitted = _best_threshold(scores, right, floor, min_precision)
    if fitted is None:
        return refuse(
            f"no threshold reaches a precision of {min_precision}; look at the model, not the threshold"
        )
    after = _quality(scores, right, fitted)
    held_out = _cross_validate(
        scores, right, sources, current=current, floor=floor, min_precision=min_precision
    )
    if fitted == current:
        verdict: Verdict = "kept"
    else:
        verdict = "raised" if fitted > current else "lowered"
    reason = "best F1" if min_precision is None else f"least threshold with a precision of {min_precision}"
    return FittedThreshold(label, len(cases), int(right.sum()), before, after, held_out, verdict, reason)


def _best_threshold(
    scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], floor: float, min_precision: float | None
) -> float | None:
    """The floor or one of the scores above it; of equally good ones the least, which misses least."""
    candidates = sorted({floor, *scores[scores > floor].tolist()})
    if floor == 0.0:
        candidates = candidates[1:] or candidates  # 0 lets everything through: no threshold
    qualities = [_quality(scores, right, threshold) for threshold in candidates]
    if min_precision is not None:
        good = [q.threshold for q in qualities if q.precision is not None and q.precision >= min_precision]
        return _rounded(good[0], scores) if good else None
    best = max(qualities, key=lambda quality: (_f1(quality), -quality.threshold))
    return _rounded(best.threshold, scores)


def _rounded(threshold: float, scores: npt.NDArray[np.float64]) -> float:
    """The shortest decimal number that parts the scores as `threshold` does, a threshold that a person can write."""
    below = scores[scores < threshold]
    lowest = float(below.max()) if len(below) else 0.0
    for decimals in range(2, 8):
        step = 10.0**-decimals
        short = round(float(np.floor(threshold / step + 1e-9)) * step, decimals)
        if lowest < short <= threshold:
            return short
    return threshold


def _f1(quality: Quality) -> float:
    total = quality.alerts + quality.positives
    return 2 * quality.right / total if total else 0.0


def _quality(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], threshold: float) -> Quality:
    raised = scores >= threshold
    return Quality(threshold, int(raised.sum()), int((raised & right).sum()), int(right.sum()))


def _cross_validate(
    scores: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    sources: npt.NDArray[np.str_],
    *,
    current: float,
    floor: float,
    min_precision: float | None,
) -> Quality:
    """Pooled over folds of whole sources, each judged by the threshold of the others."""
    names = sorted(set(sources.tolist()))
    np.random.default_rng(0).shuffle(names)
    alerts = hits = 0
    for fold in range(FOLDS):
        inside = np.isin(sources, names[fold::FOLDS])
        threshold = _best_threshold(scores[~inside], right[~inside], floor, min_precision)
        found = _quality(scores[inside], right[inside], current if threshold is None else threshold)
        alerts, hits = alerts + found.alerts, hits + found.right
    return Quality(float("nan"), alerts, hits, int(right.sum()))


def cases_of_reviews(incidents: Iterable[Incident]) -> list[Case]:
    """Reviewed incidents as cases: right if confirmed, or corrected to the same label, wrong otherwise.

    A correction to another activity makes the alert wrong; that it was missed under its own name has no score, and
    counts for no class.
    """
    cases = []
    for incident in incidents:
        if incident.state == "new":
            continue
        corrected = incident.label_corrected if incident.state == "corrected" else None
        correct = incident.state == "confirmed" or corrected == incident.label
        weights = [
            float(item["weight"])
            for item in incident.explanation
            if item["kind"] in ("activity", "weapon", "fire")
        ]
        score = max(weights, default=incident.score)
        cases.append(Case(label=incident.label, score=score, correct=correct, source=incident.clip_id))
    return cases


def read_cases(path: Path) -> list[Case]:
    """Read cases from a JSON file: a list of ``{"label", "score", "correct"}``, optionally with ``source``.

    Raises:
        DatasetError: If the file cannot be read or holds something else.
    """
    try:
        return TypeAdapter(list[Case]).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise DatasetError(
            f'{path}: expected [{{"label": "Fighting", "score": 0.91, "correct": true}}, ...]; {where}: {first["msg"]}'
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path}: not JSON: {error}") from error
