"""The outbox: which messages an incident causes, and a worker that delivers each once, whatever crashes.

`plan_raised` and `plan_review` write messages in the transaction that stores the incident or the review, so neither
is ever there without the other. `DeliveryWorker` takes them from there.
"""

from activity.service.deliveries.outbox import (
    list_deliveries,
    on_incidents,
    plan_raised,
    plan_review,
    retry_delivery,
)
from activity.service.deliveries.settings import AlertSettings
from activity.service.deliveries.sinks import Sinks
from activity.service.deliveries.worker import DeliveryWorker

__all__ = [
    "AlertSettings",
    "DeliveryWorker",
    "Sinks",
    "list_deliveries",
    "on_incidents",
    "plan_raised",
    "plan_review",
    "retry_delivery",
]
