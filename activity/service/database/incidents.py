"""Tables of what was found: incidents, what people said of them, and the alerts that go out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from activity.service.database.base import ID_LENGTH, Base, new_id, now, one_of
from activity.service.database.clips import Camera, Clip, Job
from activity.structures import Agency, Severity

IncidentState = Literal["new", "confirmed", "dismissed", "corrected"]
ReviewDecision = Literal["confirmed", "dismissed", "corrected"]
DeliveryKind = Literal["alert", "update", "cancel"]
DeliveryState = Literal["pending", "delivered", "dead", "withdrawn"]


class Incident(Base):
    """One scene alert of one clip.

    Attributes:
        id: Made by the server.
        job_id: The analysis that found it.
        ordinal: Its number among that analysis' alerts, from 0: the same alert is never stored twice.
        clip_id: The clip.
        camera_id: The clip's camera, if that is known.
        kind: The name of the rule that raised it, by which lists are filtered.
        label: What is alleged, such as ``Fighting``.
        agency: Whom it is for.
        severity: CAP 1.2's scale.
        start_s: Begin, in seconds from the clip's first frame.
        end_s: End, in seconds from the clip's first frame.
        score: In [0, 1].
        track_ids: The people involved, by their track.
        explanation: Evidence: a list of ``{"kind": str, "text": str, "weight": float}``.
        state: What people said of it so far.
        label_corrected: What it really is, where a person said so.
        occurred_at: When it happened: the clip's recording time plus `start_s`, or the time of upload where nobody
            said when the clip was recorded.
        created_at: When it was stored.
        updated_at: When its state last changed.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("job_id", "ordinal"),
        one_of("severity", get_args(Severity)),
        one_of("state", get_args(IncidentState)),
        CheckConstraint("score >= 0 AND score <= 1", name="score_share"),
        CheckConstraint("start_s <= end_s", name="interval"),
        Index(None, "camera_id", "occurred_at"),
        Index(None, "state", "occurred_at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    ordinal: Mapped[int]
    clip_id: Mapped[str] = mapped_column(ForeignKey("clips.id"), index=True)
    camera_id: Mapped[str | None] = mapped_column(ForeignKey("cameras.id"), default=None)
    kind: Mapped[str] = mapped_column(String(100))
    label: Mapped[str] = mapped_column(String(100))
    agency: Mapped[Agency] = mapped_column(String(32))
    severity: Mapped[Severity] = mapped_column(String(16))
    start_s: Mapped[float]
    end_s: Mapped[float]
    score: Mapped[float]
    track_ids: Mapped[list[Any]] = mapped_column(default=list)
    explanation: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[IncidentState] = mapped_column(String(16), default="new")
    label_corrected: Mapped[str | None] = mapped_column(String(100), default=None)
    occurred_at: Mapped[datetime] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)

    clip: Mapped[Clip] = relationship()
    camera: Mapped[Camera | None] = relationship()
    job: Mapped[Job] = relationship()
    reviews: Mapped[list[Review]] = relationship(back_populates="incident", order_by="Review.id")


class Review(Base):
    """What one person decided of an incident; a later review stands beside the earlier ones.

    Attributes:
        id: Made by the server.
        incident_id: The incident.
        reviewer: The actor who decided.
        decision: What was decided.
        reason: Why, for a dismissal.
        label: The right label, for a correction.
        note: Free text.
        at: When.
    """

    __tablename__ = "reviews"
    __table_args__ = (one_of("decision", get_args(ReviewDecision)),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(200))
    decision: Mapped[ReviewDecision] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    label: Mapped[str | None] = mapped_column(String(100), default=None)
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(default=now)

    incident: Mapped[Incident] = relationship(back_populates="reviews")


class Webhook(Base):
    """A receiver of signed alerts.

    Attributes:
        id: Made by the server.
        url: Where alerts are posted.
        secret: The signing secret (``whsec_...``): needed in full for every signature, so it cannot be hashed.
        agencies: Only incidents for these agencies; empty for all.
        severities: Only incidents this grave; empty for all.
        active: Whether alerts are sent.
        created_by: The actor who added it.
        created_at: When it was added.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column(String(200))
    agencies: Mapped[list[Any]] = mapped_column(default=list)
    severities: Mapped[list[Any]] = mapped_column(default=list)
    active: Mapped[bool] = mapped_column(default=True)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Delivery(Base):
    """One message of one incident for one sink: the outbox. It is written with the incident, in one transaction.

    Attributes:
        id: Made by the server; the receiver sees it as the message's id and can drop a repetition.
        incident_id: What is told.
        sink: Who is told, such as ``json_lines`` or ``webhook:ID``.
        event: What it tells of: ``raised``, or ``review:ID``; each at most once an incident and sink.
        number: Its place among the messages of this incident to this sink, from 0.
        kind: Whether it raises, changes or takes back the alert.
        state: ``pending`` until it was delivered, is ``dead`` after the last attempt, or is ``withdrawn`` because a
            later message says more, or nothing needs to be said.
        payload: What more the sink needs, JSON-like; the message itself from the first attempt on.
        attempts: How often it was tried.
        next_attempt_at: Not before.
        leased_until: A worker has it in hand until then; `None` where nobody has.
        last_error: Why the last attempt failed.
        created_at: When it was written.
        delivered_at: When the receiver accepted it.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("incident_id", "sink", "event"),
        one_of("kind", get_args(DeliveryKind)),
        one_of("state", get_args(DeliveryState)),
        Index(None, "state", "next_attempt_at"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    sink: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(String(64), default="raised")
    number: Mapped[int] = mapped_column(default=0)
    kind: Mapped[DeliveryKind] = mapped_column(String(16), default="alert")
    state: Mapped[DeliveryState] = mapped_column(String(16), default="pending")
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    leased_until: Mapped[datetime | None] = mapped_column(default=None)
    last_error: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(default=None)

    incident: Mapped[Incident] = relationship()
