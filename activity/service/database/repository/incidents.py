"""Incidents, their reviews, and the webhooks that are told of them; the outbox is `activity.service.deliveries`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.service.database.tables import (
    Incident,
    IncidentState,
    Job,
    Review,
    ReviewDecision,
    Webhook,
)
from activity.structures import SceneAlert, Severity


def add_incidents(session: Session, job: Job, alerts: Sequence[SceneAlert]) -> list[Incident]:
    """Store the alerts of a job, each once however often this is called; in the order of `alerts`."""
    stored = {
        incident.ordinal: incident
        for incident in session.scalars(select(Incident).where(Incident.job_id == job.id))
    }
    clip = job.clip
    begin = clip.recorded_at or clip.created_at
    for ordinal, alert in enumerate(alerts):
        if ordinal in stored:
            continue
        stored[ordinal] = Incident(
            job_id=job.id,
            ordinal=ordinal,
            clip_id=clip.id,
            camera_id=clip.camera_id,
            kind=alert.rule,
            label=alert.label,
            agency=alert.agency,
            severity=alert.severity,
            start_s=alert.start_s,
            end_s=alert.end_s,
            score=alert.score,
            track_ids=list(alert.track_ids),
            explanation=[dataclasses.asdict(evidence) for evidence in alert.explanation],
            occurred_at=begin + timedelta(seconds=alert.start_s),
        )
        session.add(stored[ordinal])
    session.flush()
    return [stored[ordinal] for ordinal in range(len(alerts))]


def get_incident(session: Session, incident_id: str) -> Incident | None:
    """One incident, or `None`."""
    return session.get(Incident, incident_id)


def list_incidents(
    session: Session,
    *,
    occurred_from: datetime | None = None,
    occurred_before: datetime | None = None,
    camera_id: str | None = None,
    clip_id: str | None = None,
    kind: str | None = None,
    severity: Severity | None = None,
    state: IncidentState | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Sequence[Incident]:
    """Incidents, newest first; each filter that is `None` lets all through.

    Args:
        session: Any session.
        occurred_from: At this time or later.
        occurred_before: Before this time.
        camera_id: Of this camera.
        clip_id: Of this clip.
        kind: Raised by this rule.
        severity: This grave.
        state: In this state.
        after: The last id of the page before.
        limit: At most so many.
    """
    query = select(Incident).order_by(Incident.id.desc()).limit(limit)
    for column, value in (
        (Incident.camera_id, camera_id),
        (Incident.clip_id, clip_id),
        (Incident.kind, kind),
        (Incident.severity, severity),
        (Incident.state, state),
    ):
        if value is not None:
            query = query.where(column == value)
    if occurred_from is not None:
        query = query.where(Incident.occurred_at >= occurred_from)
    if occurred_before is not None:
        query = query.where(Incident.occurred_at < occurred_before)
    if after is not None:
        query = query.where(Incident.id < after)
    return session.scalars(query).all()


def add_review(
    session: Session,
    incident: Incident,
    *,
    reviewer: str,
    decision: ReviewDecision,
    reason: str | None = None,
    label: str | None = None,
    note: str = "",
) -> Review:
    """Store a person's decision; the incident takes its state, and its label where that was corrected."""
    review = Review(
        incident_id=incident.id, reviewer=reviewer, decision=decision, reason=reason, label=label, note=note
    )
    session.add(review)
    incident.state = decision
    incident.label_corrected = label if decision == "corrected" else None
    session.flush()
    return review


def active_webhooks(session: Session) -> Sequence[Webhook]:
    """Webhooks that alerts are sent to."""
    return session.scalars(select(Webhook).where(Webhook.active).order_by(Webhook.id)).all()
