"""What an incident causes to be told, and the state of each message; every function works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, aliased

from activity.service.database.base import now
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.incidents import active_webhooks
from activity.service.database.tables import Delivery, DeliveryState, Incident, Review
from activity.service.deliveries.messages import is_withdrawal
from activity.service.deliveries.settings import AlertSettings
from activity.service.deliveries.sinks import WEBHOOK_PREFIX, receivers

RAISED = "raised"


def plan_raised(session: Session, incident: Incident, settings: AlertSettings) -> list[Delivery]:
    """Write the messages of a new incident into the outbox, each once however often this is called."""
    return _plan(session, incident, RAISED, targets(session, incident, settings, when=("raised",)))


def on_incidents(settings: AlertSettings) -> Callable[[Session, Sequence[Incident]], None]:
    """What a job does when it stores its incidents: `plan_raised` for each."""

    def plan(session: Session, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            plan_raised(session, incident, settings)

    return plan


def plan_review(
    session: Session, incident: Incident, review: Review, settings: AlertSettings
) -> list[Delivery]:
    """Write what a review causes to be told into the outbox, each once however often this is called.

    A confirmation and a correction go to all whom the routes name, as an alert to those who heard nothing yet and as
    an update to the others. A dismissal, and a correction to "Normal", go only to those who heard of the incident.
    """
    told = set(session.scalars(select(Delivery.sink).where(Delivery.incident_id == incident.id)))
    wanted = told
    if not is_withdrawal(incident, review):
        wanted = told | set(targets(session, incident, settings, when=("raised", "confirmed")))
    return _plan(session, incident, f"review:{review.id}", sorted(wanted))


def targets(
    session: Session,
    incident: Incident,
    settings: AlertSettings,
    *,
    when: Sequence[Literal["raised", "confirmed"]],
) -> list[str]:
    """Names of the sinks that routes and webhooks give this incident to."""
    label = incident.label_corrected or incident.label
    camera = incident.camera
    cameras = () if camera is None else (camera.id, camera.name)
    found: dict[str, None] = {}
    for route in settings.routes:
        if route.when in when and route.matches(
            agency=incident.agency, severity=incident.severity, label=label, cameras=cameras
        ):
            for name in route.sinks:
                found.update(dict.fromkeys(key for key, _ in receivers(name, settings.sinks[name])))
    if settings.webhooks_when in when:
        for webhook in active_webhooks(session):
            if (not webhook.agencies or incident.agency in webhook.agencies) and (
                not webhook.severities or incident.severity in webhook.severities
            ):
                found[WEBHOOK_PREFIX + webhook.id] = None
    return list(found)


def _plan(session: Session, incident: Incident, event: str, sinks: Sequence[str]) -> list[Delivery]:
    # Two reviews of one incident at the same time stand in line here, so that their messages are numbered in order.
    session.get(Incident, incident.id, with_for_update=True)
    rows = session.scalars(select(Delivery).where(Delivery.incident_id == incident.id)).all()
    there = {row.sink for row in rows if row.event == event}
    new = [
        Delivery(
            incident_id=incident.id, sink=sink, event=event, number=sum(row.sink == sink for row in rows)
        )
        for sink in sinks
        if sink not in there
    ]
    session.add_all(new)
    session.flush()
    return new


def has_due(session: Session) -> bool:
    """Whether a message may be due: a look that, unlike `claim`, keeps no other writer waiting."""
    due = select(Delivery.id).where(Delivery.state == "pending", Delivery.next_attempt_at <= now()).limit(1)
    return session.scalar(due) is not None


def claim(session: Session, *, limit: int, lease_s: float, skip_sinks: Sequence[str] = ()) -> list[Delivery]:
    """Take due messages into this worker's hands for `lease_s` seconds; no other worker gets them meanwhile.

    A message that a later one of the same incident and sink has overtaken is withdrawn instead, and one whose
    predecessor is under way waits for it: a receiver never hears of the same incident in the wrong order.

    Args:
        session: Of `Database.write`.
        limit: At most so many.
        lease_s: How long; `extend` makes it longer.
        skip_sinks: Sinks that this worker is busy with.
    """
    at = now()
    earlier, later = aliased(Delivery), aliased(Delivery)
    same = (earlier.incident_id == Delivery.incident_id) & (earlier.sink == Delivery.sink)
    due = (
        select(Delivery)
        .where(Delivery.state == "pending", Delivery.next_attempt_at <= at)
        .where(or_(Delivery.leased_until.is_(None), Delivery.leased_until <= at))
        .where(Delivery.sink.not_in(list(skip_sinks)))
        .where(
            ~exists().where(
                same,
                earlier.number < Delivery.number,
                earlier.state == "pending",
                earlier.leased_until > at,
            )
        )
        .order_by(Delivery.next_attempt_at, Delivery.number)
        .with_for_update(skip_locked=True)  # SQLite ignores it: there, one writer works at a time
    )
    claimed: list[Delivery] = []
    while rows := session.scalars(
        due.where(Delivery.id.not_in([row.id for row in claimed])).limit(limit - len(claimed))
    ).all():
        for delivery in rows:
            if session.scalar(
                select(later.id)
                .where(later.incident_id == delivery.incident_id, later.sink == delivery.sink)
                .where(later.number > delivery.number)
                .limit(1)
            ):
                delivery.state, delivery.leased_until = "withdrawn", None
                continue
            delivery.leased_until = at + timedelta(seconds=lease_s)
            delivery.attempts += 1
            claimed.append(delivery)
        session.flush()
        if len(claimed) >= limit:
            break
    return claimed


def extend(session: Session, delivery_ids: Sequence[str], *, lease_s: float) -> None:
    """Keep messages that are under way in this worker's hands."""
    for delivery in session.scalars(
        select(Delivery)
        .where(Delivery.id.in_(delivery_ids), Delivery.leased_until.is_not(None))
        .with_for_update()
    ):
        delivery.leased_until = now() + timedelta(seconds=lease_s)


def settle(
    session: Session, delivery_id: str, *, error: str | None = None, retry_at: datetime | None = None
) -> None:
    """Note how an attempt ended: delivered without `error`, tried again at `retry_at`, dead without that."""
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state in ("delivered", "dead"):
        return
    delivery.leased_until, delivery.last_error = None, error
    if error is not None and retry_at is not None:
        delivery.next_attempt_at = retry_at
        return
    if error is None:
        delivery.state, delivery.delivered_at = "delivered", now()
    else:
        delivery.state = "dead"
    message = delivery.payload.get("message", {})
    detail = {
        "sink": delivery.sink,
        "message": delivery.id,
        "kind": delivery.kind,
        "status": message.get("status"),
        "attempts": delivery.attempts,
    }
    append_audit(
        session,
        actor="system",
        action=f"alert.{delivery.state}",
        subject=f"incident:{delivery.incident_id}",
        detail=detail if error is None else {**detail, "error": error},
    )


def withdraw(session: Session, delivery_id: str) -> None:
    """Take a message back that need not be told any more."""
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state == "pending":
        delivery.state, delivery.leased_until = "withdrawn", None


def list_deliveries(
    session: Session,
    *,
    state: DeliveryState | None = None,
    incident_id: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Sequence[Delivery]:
    """Messages, newest first; those in state ``dead`` are the dead letters. `after` is the last id of the page before."""
    query = select(Delivery).order_by(Delivery.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Delivery.state == state)
    if incident_id is not None:
        query = query.where(Delivery.incident_id == incident_id)
    if after is not None:
        query = query.where(Delivery.id < after)
    return session.scalars(query).all()


def retry_delivery(session: Session, delivery_id: str) -> Delivery | None:
    """Put a dead message back into the outbox, with all its attempts before it; `None` if it is not dead."""
    delivery = session.get(Delivery, delivery_id, with_for_update=True)
    if delivery is None or delivery.state != "dead":
        return None
    delivery.state, delivery.attempts, delivery.next_attempt_at = "pending", 0, now()
    return delivery


def messages_before(session: Session, delivery: Delivery) -> Iterator[Delivery]:
    """Earlier messages to the same sink that it has, or may have: one that was tried and overtaken may have arrived."""
    rows = session.scalars(
        select(Delivery)
        .where(Delivery.incident_id == delivery.incident_id, Delivery.sink == delivery.sink)
        .where(Delivery.number < delivery.number)
        .order_by(Delivery.number)
    )
    for row in rows:
        if row.state == "delivered" or (row.state != "dead" and "message" in row.payload):
            yield row
