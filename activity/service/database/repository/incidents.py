"""Incidents, their reviews, and the outbox of alerts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from activity.service.database.base import now
from activity.service.database.tables import (
    Delivery,
    DeliveryKind,
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


def add_deliveries(
    session: Session,
    incident: Incident,
    sinks: Iterable[str],
    *,
    kind: DeliveryKind = "alert",
    payload: Mapping[str, Any] | None = None,
) -> list[Delivery]:
    """Write the messages of one incident into the outbox, each once however often this is called."""
    there = set(
        session.scalars(
            select(Delivery.sink).where(Delivery.incident_id == incident.id, Delivery.kind == kind)
        )
    )
    new = [
        Delivery(incident_id=incident.id, sink=sink, kind=kind, payload=dict(payload or {}))
        for sink in dict.fromkeys(sinks)
        if sink not in there
    ]
    session.add_all(new)
    session.flush()
    return new


def claim_deliveries(session: Session, *, limit: int = 20, lease_s: float = 60.0) -> Sequence[Delivery]:
    """Take messages that are due into this worker's hands for `lease_s` seconds; no other worker gets them meanwhile.

    A worker that is killed leaves them to others once the lease is over.
    """
    at = now()
    query = (
        select(Delivery)
        .where(Delivery.state == "pending", Delivery.next_attempt_at <= at)
        .where(or_(Delivery.leased_until.is_(None), Delivery.leased_until <= at))
        .order_by(Delivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # SQLite ignores it: there, one writer works at a time
    )
    claimed = session.scalars(query).all()
    for delivery in claimed:
        delivery.leased_until = at + timedelta(seconds=lease_s)
        delivery.attempts += 1
    session.flush()
    return claimed


def settle_delivery(
    session: Session, delivery_id: str, *, error: str | None = None, retry_at: datetime | None = None
) -> None:
    """Note how an attempt ended: delivered without `error`, tried again at `retry_at`, dead without that."""
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state == "delivered":
        return
    delivery.leased_until, delivery.last_error = None, error
    if error is None:
        delivery.state, delivery.delivered_at = "delivered", now()
    elif retry_at is not None:
        delivery.next_attempt_at = retry_at
    else:
        delivery.state = "dead"
