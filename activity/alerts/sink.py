"""The plug point of alert destinations."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, runtime_checkable

from activity.alerts.message import AlertMessage


class AlertSink(Protocol):
    """One destination: one file, one URL, one mailbox, one telephone."""

    def send(self, message: AlertMessage) -> None:
        """Deliver one message; returning means that the destination has taken it.

        A sink is one receiver, never a list of them: half a list cannot be tried again without telling the
        other half twice.

        Raises:
            DeliveryError: If the destination did not take it; says whether trying again can help.
            OutputError: If a local file cannot be written.
        """
        ...


@runtime_checkable
class TraceableSink(AlertSink, Protocol):
    """A destination that can be asked whether it has a message already."""

    def was_delivered(self, message: AlertMessage, *, since: datetime) -> bool:
        """Whether an attempt whose outcome was lost, begun at `since`, did arrive.

        Raises:
            DeliveryError: If the destination cannot be asked.
        """
        ...
