"""Every table, in one place: importing this module makes the metadata complete."""

from __future__ import annotations

from activity.service.database.access import ApiKey, AuditEntry, BrowserSession, IdempotencyKey, Role
from activity.service.database.base import Base, new_id, now
from activity.service.database.clips import (
    FINAL_STATES,
    JOB_STEPS,
    Camera,
    Clip,
    Job,
    JobState,
    JobStep,
    StepOutput,
    WorkerProcess,
)
from activity.service.database.incidents import (
    Delivery,
    DeliveryKind,
    DeliveryState,
    Incident,
    IncidentState,
    Review,
    ReviewDecision,
    Webhook,
)

__all__ = [
    "FINAL_STATES",
    "JOB_STEPS",
    "ApiKey",
    "AuditEntry",
    "Base",
    "BrowserSession",
    "Camera",
    "Clip",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "IdempotencyKey",
    "Incident",
    "IncidentState",
    "Job",
    "JobState",
    "JobStep",
    "Review",
    "ReviewDecision",
    "Role",
    "StepOutput",
    "Webhook",
    "WorkerProcess",
    "new_id",
    "now",
]
