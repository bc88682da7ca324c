"""What a rule can say: read from YAML that an analyst writes, checked word by word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from importlib import resources
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from activity.structures import Agency, Severity

Share = Annotated[float, Field(ge=0, le=1)]
ConditionKind = Literal["activity", "weapon", "fire", "in_view", "posture"]

_KINDS: Final[tuple[ConditionKind, ...]] = ("activity", "weapon", "fire", "in_view", "posture")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(_Entry):
    """One thing that a rule looks for; exactly one of activity, weapon, fire, in_view and posture is given."""

    activity: str | None = Field(None, min_length=1, description="A class of the recogniser.")
    weapon: Literal["seen", "held"] | None = None
    fire: Literal["seen"] | None = None
    in_view: int | None = Field(None, ge=1, le=1000, description="So many people in the picture.")
    posture: Literal["aiming", "armed_posture"] | None = Field(None, description="Weak evidence.")
    at_least: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Least probability or score; 0, of a posture only, quotes it whatever it says.",
    )
    weight: float = Field(1.0, gt=0, le=1, description="Share of the remaining doubt that it takes away.")
    in_reach: bool = Field(
        False, description="The activity of two people within reach of each other, by the mean of both."
    )
    alone_at_least: float | None = Field(
        None, gt=0, le=1, description="With in_reach: from here on a person with nobody in reach counts too."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(_KINDS)}, got {', '.join(given) or 'none'}")
        if self.at_least == 0 and self.posture is None:
            raise ValueError(
                "at_least: expected more than 0; only a posture, which raises no alert, may ask for 0"
            )
        if self.in_reach and self.activity is None:
            raise ValueError("in_reach speaks of an activity of two people; give an activity")
        if self.alone_at_least is not None and not self.in_reach:
            raise ValueError("alone_at_least says what counts where in_reach does not; give in_reach: true")
        if self.alone_at_least is not None and self.alone_at_least < self.at_least:
            raise ValueError(
                f"alone_at_least: {self.alone_at_least:g} asks less of one person than at_least: {self.at_least:g} of two"
            )
        return self

    @property
    def kind(self) -> ConditionKind:
        """Which of the five was given."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def threshold_name(self) -> str | None:
        """Under which name a camera may set another threshold: the activity, ``weapon`` or ``fire``."""
        if self.kind == "activity":
            return self.activity
        return self.kind if self.kind in ("weapon", "fire") else None


class Rule(_Entry):
    """When evidence becomes an alert, and for whom."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$", description="How the rule is called in reports.")
    label: str = Field(alias="alert", min_length=1, description="What the alert alleges.")
    agency: Agency = Field(alias="for", description="Whom the alert is for.")
    severity: Severity = Field(description="How grave, on CAP 1.2's scale.")
    needs: tuple[Condition, ...] = Field(min_length=1, description="All must be seen at the same time.")
    strengthened_by: tuple[Condition, ...] = Field((), description="Not needed; raises the score.")
    people: int = Field(1, ge=1, le=100, description="How many different people must do the activity.")
    zone: str | None = Field(None, min_length=1, description="Only inside this zone of the camera.")
    hours: tuple[time, time] | None = Field(
        None, description="Only from the first time of day to the second."
    )
    within_s: float = Field(2.0, ge=0, le=3600, description="How far apart the needed evidence may be.")
    merge_gap_s: float = Field(2.0, ge=0, le=3600, description="Evidence this close is one incident.")
    cool_down_s: float = Field(
        30.0, ge=0, le=86400, description="What comes again this soon belongs to the alert."
    )
    absorbs: tuple[str, ...] = Field((), description="Rules whose overlapping alerts become evidence.")

    @model_validator(mode="after")
    def _weak_evidence_only_strengthens(self) -> Self:
        if any(condition.kind == "posture" for condition in self.needs):
            raise ValueError("posture is weak evidence: it can strengthen an alert, not raise one")
        if self.people > 1 and all(condition.kind != "activity" for condition in self.needs):
            raise ValueError(f"people: {self.people} people can only be asked of an activity; use in_view")
        return self

    def is_at(self, moment: time) -> bool:
        """Whether a time of day lies in `hours`, which may span midnight."""
        if self.hours is None:
            return True
        begin, end = self.hours
        return begin <= moment < end if begin <= end else moment >= begin or moment < end


class RuleBook(_Entry):
    """A file of rules."""

    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_rules(self.rules)
        return self


def check_rules(rules: Sequence[Rule]) -> None:
    """Require distinct names, and that a rule absorbs only rules that are there.

    Raises:
        ValueError: If that is not so.
    """
    names = [rule.name for rule in rules]
    if len(set(names)) != len(names):
        raise ValueError(f"expected one rule a name, got {names}")
    for rule in rules:
        if unknown := set(rule.absorbs) - (set(names) - {rule.name}):
            raise ValueError(
                f"rule {rule.name} absorbs {sorted(unknown)}, which are no other rules of this file"
            )


def default_rules() -> tuple[Rule, ...]:
    """The rules that come with the program: `rules.yaml` beside this file."""
    text = resources.files("activity.fusion").joinpath("rules.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return RuleBook.model_validate(content).rules
