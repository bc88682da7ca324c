"""Rows of the database as what goes over the wire."""

from __future__ import annotations

from activity.client import schemas
from activity.service.database import ApiKey, Camera, Clip, Incident, Job, Review, Webhook


def clip_view(row: Clip) -> schemas.Clip:
    """A clip; where it lies is not told."""
    return schemas.Clip(
        id=row.id,
        name=row.original_name,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        camera_id=row.camera_id,
        uploaded_by=row.uploaded_by,
        recorded_at=row.recorded_at,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
    )


def job_view(row: Job) -> schemas.Job:
    """A job."""
    return schemas.Job(
        id=row.id,
        clip_id=row.clip_id,
        state=row.state,
        step=row.step,
        progress=min(1.0, max(0.0, row.progress)),
        attempts=row.attempts,
        problem=row.problem,
        submitted_by=row.submitted_by,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def review_view(row: Review) -> schemas.Review:
    """A person's decision."""
    return schemas.Review(
        id=row.id,
        reviewer=row.reviewer,
        decision=row.decision,
        reason=row.reason,
        label=row.label,
        note=row.note,
        at=row.at,
    )


def incident_view(row: Incident) -> schemas.Incident:
    """An incident with its reviews; call it while the row's session is open."""
    return schemas.Incident(
        id=row.id,
        job_id=row.job_id,
        clip_id=row.clip_id,
        camera_id=row.camera_id,
        kind=row.kind,
        label=row.label,
        label_corrected=row.label_corrected,
        agency=row.agency,
        severity=row.severity,
        state=row.state,
        start_s=row.start_s,
        end_s=row.end_s,
        score=row.score,
        track_ids=row.track_ids,
        explanation=[schemas.Evidence.model_validate(evidence) for evidence in row.explanation],
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        reviews=[review_view(review) for review in row.reviews],
    )


def camera_view(row: Camera) -> schemas.Camera:
    """A camera."""
    return schemas.Camera.model_validate(
        {
            "id": row.id,
            "name": row.name,
            "zones": row.zones,
            "thresholds": row.thresholds,
            "retention_days": row.retention_days,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        }
    )


def webhook_view(row: Webhook) -> schemas.Webhook:
    """A webhook without its secret."""
    return schemas.Webhook(
        id=row.id,
        url=row.url,
        agencies=row.agencies,
        severities=row.severities,
        active=row.active,
        created_by=row.created_by,
        created_at=row.created_at,
    )


def key_view(row: ApiKey) -> schemas.Key:
    """An API key without the key."""
    return schemas.Key(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        role=row.role,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
