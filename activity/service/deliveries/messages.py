"""From an incident in the database to the message that a sink is told."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from activity.alerts import (
    AlertMessage,
    CameraReference,
    ClipReference,
    MessageKind,
    MessageReference,
    MessageStatus,
)
from activity.service.database.base import now
from activity.service.database.tables import Delivery, Incident, Review
from activity.service.deliveries.settings import AlertSettings
from activity.structures import BACKGROUND, Evidence, SceneAlert


def is_withdrawal(incident: Incident, review: Review | None = None) -> bool:
    """Whether people say that there was no incident: the last of them, or the one whose review is given.

    A correction to the background takes the alert back too.
    """
    if review is not None:
        return review.decision == "dismissed" or (
            review.decision == "corrected" and review.label == BACKGROUND
        )
    return incident.state == "dismissed" or (
        incident.state == "corrected" and incident.label_corrected == BACKGROUND
    )


def compose(
    session: Session,
    delivery: Delivery,
    before: Sequence[AlertMessage],
    settings: AlertSettings,
    *,
    public_url: str | None,
) -> AlertMessage | None:
    """The message of a delivery as things stand now, or `None` where nothing needs to be said.

    Args:
        session: The transaction.
        delivery: What is to be told.
        before: What this sink has been told of the incident, in order.
        settings: What the operator wants.
        public_url: Where the pages are, for a link to the incident.
    """
    incident = session.get_one(Incident, delivery.incident_id)
    withdrawn = is_withdrawal(incident)
    if withdrawn and not before:
        return None
    confirmed = incident.state in ("confirmed", "corrected") and not withdrawn
    kind: MessageKind = "alert"
    if before:
        kind = "cancel" if withdrawn else "update"
    return AlertMessage(
        identifier=delivery.id,
        incident_id=incident.id,
        kind=kind,
        status=before[-1].status if withdrawn else status_of(settings, confirmed=confirmed),
        sent_at=now(),
        alert=_scene_alert(incident),
        clip=ClipReference(
            incident.clip.original_name, incident.clip.sha256, started_at=incident.clip.recorded_at
        ),
        confirmed=confirmed,
        camera=_camera(incident, settings),
        references=tuple(MessageReference(message.identifier, message.sent_at) for message in before),
        url=None if public_url is None else f"{public_url.rstrip('/')}/incidents/{incident.id}",
        note=_note(incident),
    )


def status_of(settings: AlertSettings, *, confirmed: bool) -> MessageStatus:
    """What a message calls itself: never ``actual`` before a person has confirmed, unless the operator said so."""
    if settings.status == "actual" and not (confirmed or settings.unconfirmed_as_actual):
        return "draft"
    return settings.status


def _camera(incident: Incident, settings: AlertSettings) -> CameraReference | None:
    camera = incident.camera
    if camera is None:
        return None
    place = settings.places.get(camera.name) or settings.places.get(camera.id)
    if place is None:
        return CameraReference(camera.id, camera.name)
    return CameraReference(
        camera.id,
        f"{camera.name}: {place.description}",
        latitude=place.latitude,
        longitude=place.longitude,
        radius_m=place.radius_m,
    )


def _scene_alert(incident: Incident) -> SceneAlert:
    return SceneAlert(
        rule=incident.kind,
        label=incident.label
        if is_withdrawal(incident) or incident.label_corrected is None
        else incident.label_corrected,
        agency=incident.agency,
        severity=incident.severity,
        start_s=incident.start_s,
        end_s=incident.end_s,
        score=incident.score,
        track_ids=tuple(int(track_id) for track_id in incident.track_ids),
        explanation=tuple(Evidence(**item) for item in incident.explanation),
    )


def _note(incident: Incident) -> str | None:
    if not incident.reviews:
        return None
    review = incident.reviews[-1]
    said = [review.reason or "", review.note]
    if review.decision == "corrected":
        said.insert(0, f"A person says: {review.label}, not {incident.label}.")
    elif review.decision == "dismissed":
        said.insert(0, "A person says that this is no incident.")
    return " ".join(part for part in said if part) or None
