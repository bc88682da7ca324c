"""Incidents and what people decide of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from activity.client.schemas.values import Answer, Id, IncidentState, Label, Moment, Note, Request, Share
from activity.structures import Agency, Severity


class Evidence(Answer):
    """One reason of an alert."""

    kind: str
    text: str
    weight: float


class Review(Answer):
    """What a person decided of an incident."""

    id: Id
    reviewer: str
    decision: Literal["confirmed", "dismissed", "corrected"]
    reason: str | None
    label: str | None
    note: str
    at: Moment


class Incident(Answer):
    """One scene alert and what people said of it."""

    id: Id
    job_id: Id
    clip_id: Id
    camera_id: Id | None
    kind: str = Field(description="The rule that raised it.", examples=["Fighting"])
    label: str = Field(examples=["Fighting"])
    label_corrected: str | None
    agency: Agency
    severity: Severity
    state: IncidentState
    start_s: float = Field(description="Begin, seconds from the clip's first frame.")
    end_s: float = Field(description="End, seconds from the clip's first frame.")
    score: Share
    track_ids: list[int]
    explanation: list[Evidence]
    occurred_at: Moment
    created_at: Moment
    updated_at: Moment
    reviews: list[Review]


class IncidentPage(Answer):
    """Incidents, newest first."""

    items: list[Incident]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class Confirmation(Request):
    """It is what the alert says."""

    decision: Literal["confirmed"]
    note: Note = ""


class Dismissal(Request):
    """It is nothing; the reason is kept."""

    decision: Literal["dismissed"]
    reason: Label
    note: Note = ""


class Correction(Request):
    """It is something else."""

    decision: Literal["corrected"]
    label: Label
    note: Note = ""


ReviewRequest = Annotated[Confirmation | Dismissal | Correction, Field(discriminator="decision")]
