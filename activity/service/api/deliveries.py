"""`/v1/deliveries`: what was told to whom, and the dead letters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from activity.client import schemas
from activity.service.api.dependencies import Admin, Analyst, Cursor, Limit, Opened, ThingId, not_found
from activity.service.database import Delivery
from activity.service.database.repository.audit import append_audit
from activity.service.deliveries import list_deliveries, retry_delivery
from activity.service.problems import Problem, problems

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


@router.get("", summary="List messages to receivers of alerts, newest first")
def read_deliveries(
    service: Opened,
    _actor: Analyst,
    state: Annotated[
        schemas.DeliveryState | None, Query(description="In this state; `dead` are the dead letters.")
    ] = None,
    incident_id: Annotated[schemas.Id | None, Query(description="On this incident.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.DeliveryPage:
    """A page of messages; `next` leads to the page after."""
    with service.database.read() as session:
        rows = list_deliveries(session, state=state, incident_id=incident_id, after=cursor, limit=limit + 1)
        items = [_view(row) for row in rows[:limit]]
    return schemas.DeliveryPage(items=items, next=items[-1].id if len(rows) > limit else None)


@router.post("/{id}/retry", summary="Try a dead letter again", responses=problems(404, 409))
def revive_delivery(delivery_id: ThingId, service: Opened, actor: Admin) -> schemas.Delivery:
    """Put a message that was given up back into the outbox, with all its attempts before it."""
    with service.database.write() as session:
        row = session.get(Delivery, delivery_id)
        if row is None:
            raise not_found("delivery", delivery_id)
        if retry_delivery(session, delivery_id) is None:
            raise Problem(
                409, "not-dead", f"delivery {delivery_id} is {row.state}; only dead ones are revived"
            )
        append_audit(
            session,
            actor=actor.name,
            action="alert.retry",
            subject=f"incident:{row.incident_id}",
            detail={"message": row.id, "sink": row.sink},
        )
        session.refresh(row)
        return _view(row)


def _view(row: Delivery) -> schemas.Delivery:
    return schemas.Delivery(
        id=row.id,
        incident_id=row.incident_id,
        sink=row.sink,
        event=row.event,
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "pending" else None,
        last_error=row.last_error,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
    )
