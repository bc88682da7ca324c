"""`/v1/webhooks`: receivers of signed alerts (Standard Webhooks)."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import delete, select

from activity.alerts.webhook import new_secret
from activity.client import schemas
from activity.service.api.dependencies import Admin, Opened, ThingId, not_found
from activity.service.api.views import webhook_view
from activity.service.database import Webhook
from activity.service.database.repository.audit import append_audit
from activity.service.problems import problems

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.get("", summary="List webhooks")
def read_webhooks(service: Opened, _actor: Admin) -> schemas.WebhookList:
    """All webhooks, without their secrets."""
    with service.database.read() as session:
        return schemas.WebhookList(
            items=[webhook_view(row) for row in session.scalars(select(Webhook).order_by(Webhook.id))]
        )


@router.post("", status_code=201, summary="Add a webhook")
def add_webhook(webhook: schemas.WebhookRequest, service: Opened, actor: Admin) -> schemas.NewWebhook:
    """Add a receiver; the answer holds its signing secret, which is not shown again.

    Nothing is fetched now. When an alert is sent, the address that the name resolves to is checked: addresses inside
    the operator's own network are refused unless the operator allowed them.
    """
    row = Webhook(
        url=str(webhook.url),
        secret=new_secret(),
        agencies=list(webhook.agencies),
        severities=list(webhook.severities),
        active=webhook.active,
        created_by=actor.name,
    )
    with service.database.write() as session:
        session.add(row)
        session.flush()
        append_audit(
            session,
            actor=actor.name,
            action="webhook.add",
            subject=f"webhook:{row.id}",
            detail=webhook.model_dump(mode="json"),
        )
        return schemas.NewWebhook(**webhook_view(row).model_dump(), secret=row.secret)


@router.put("/{id}", summary="Change a webhook", responses=problems(404))
def change_webhook(
    webhook_id: ThingId, webhook: schemas.WebhookRequest, service: Opened, actor: Admin
) -> schemas.Webhook:
    """Replace address, filters and whether it is active; the secret stays."""
    with service.database.write() as session:
        row = session.get(Webhook, webhook_id)
        if row is None:
            raise not_found("webhook", webhook_id)
        row.url, row.active = str(webhook.url), webhook.active
        row.agencies, row.severities = list(webhook.agencies), list(webhook.severities)
        append_audit(
            session,
            actor=actor.name,
            action="webhook.change",
            subject=f"webhook:{webhook_id}",
            detail=webhook.model_dump(mode="json"),
        )
        return webhook_view(row)


@router.delete("/{id}", status_code=204, summary="Remove a webhook", responses=problems(404))
def remove_webhook(webhook_id: ThingId, service: Opened, actor: Admin) -> None:
    """Remove a receiver; alerts that wait for it are given up."""
    with service.database.write() as session:
        if session.get(Webhook, webhook_id) is None:
            raise not_found("webhook", webhook_id)
        session.execute(delete(Webhook).where(Webhook.id == webhook_id))
        append_audit(session, actor=actor.name, action="webhook.remove", subject=f"webhook:{webhook_id}")
