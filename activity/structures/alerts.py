"""What is raised for the police or the fire department, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from activity.errors import StructureError
from activity.structures._validation import check_choice, check_interval, check_unit_interval

Agency = Literal["police", "fire_department"]
Severity = Literal["minor", "moderate", "severe", "extreme"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for an alert.

    Attributes:
        kind: Where it comes from: ``activity``, ``proximity``, ``weapon``, ``holder``, ``fire``.
        text: A sentence that a person can check against the video.
        weight: How much it counts, in [0, 1].
    """

    kind: str
    text: str
    weight: float

    def __post_init__(self) -> None:
        check_unit_interval("weight", self.weight)


@dataclass(frozen=True, slots=True)
class SceneAlert:
    """One incident, for one agency.

    Attributes:
        rule: Name of the rule that raised it.
        label: What is alleged, such as ``Fighting``.
        agency: Whom it is for.
        severity: CAP 1.2's scale, without "Unknown".
        start_s: Begin of the incident, in seconds from the first frame.
        end_s: End of the incident.
        score: In [0, 1].
        track_ids: The people involved.
        explanation: Every piece of evidence with its weight; never empty.

    Raises:
        StructureError: On a score or time out of range, an unknown word, or no evidence.
    """

    rule: str
    label: str
    agency: Agency
    severity: Severity
    start_s: float
    end_s: float
    score: float
    track_ids: tuple[int, ...]
    explanation: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        check_interval(f"alert {self.rule}", self.start_s, self.end_s)
        check_unit_interval("score", self.score)
        check_choice("agency", self.agency, get_args(Agency))
        check_choice("severity", self.severity, get_args(Severity))
        if not self.explanation:
            raise StructureError(f"alert {self.rule}: expected at least one piece of evidence")
