"""The worker that empties the outbox."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from activity.alerts import AlertMessage, AlertSink, TraceableSink
from activity.errors import ActivityError, DeliveryError
from activity.service.database import Database
from activity.service.database.base import now
from activity.service.database.tables import Delivery
from activity.service.deliveries.messages import compose
from activity.service.deliveries.outbox import claim, extend, has_due, messages_before, settle, withdraw
from activity.service.deliveries.settings import AlertSettings
from activity.service.deliveries.sinks import Sinks

_LOG: Final = logging.getLogger(__name__)


class DeliveryWorker:
    """Delivers what the outbox holds; any number of them may work on one database.

    A message is written down before the first attempt and is the same on every attempt. Its worker keeps a lease on it
    while it is under way; when a worker dies, another takes over after the lease, asks the receiver whether the lost
    attempt arrived where the receiver can be asked, and sends the same message again otherwise. So a message is never
    lost, and a receiver that drops repeats of an identifier gets it once.

    Args:
        database: Where the outbox is.
        settings: Who is told, and how often it is tried.
        sinks: The destinations; `None` makes them from the settings.
        public_url: Where the pages are, for links in messages.
        jitter: A random share in [0, 1) by which delays differ; for tests.
    """

    def __init__(
        self,
        database: Database,
        settings: AlertSettings,
        *,
        sinks: Sinks | None = None,
        public_url: str | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._settings = settings
        self._retry = settings.retry
        self._sinks = Sinks(settings) if sinks is None else sinks
        self._public_url = public_url
        self._jitter = jitter

    def run(self, stop: threading.Event, *, poll_s: float = 1.0) -> None:
        """Deliver until `stop` is set; what is under way then is finished first."""
        under_way: dict[Future[None], Delivery] = {}
        with ThreadPoolExecutor(self._retry.parallel, thread_name_prefix="alerts") as pool:
            while not stop.is_set() or under_way:
                try:
                    if not stop.is_set():
                        self._begin(pool, under_way)
                    self._keep(under_way)
                except Exception:  # the database may be away for a while; the outbox waits
                    _LOG.exception("alerts: cannot reach the outbox; trying again")
                if not under_way:
                    stop.wait(poll_s)
                    continue
                done, _ = wait(
                    under_way, timeout=min(poll_s, self._retry.lease_s / 3), return_when=FIRST_COMPLETED
                )
                for future in done:
                    del under_way[future]

    def run_once(self) -> int:
        """Make one attempt at every message that is due now; how many attempts there were."""
        attempts = 0
        while claimed := self._claim(limit=1):
            for delivery, message, sink in claimed:
                self._attempt(delivery, message, sink)
                attempts += 1
        return attempts

    def _begin(self, pool: ThreadPoolExecutor, under_way: dict[Future[None], Delivery]) -> None:
        free = self._retry.parallel - len(under_way)
        with self._database.read() as session:
            if free <= 0 or not has_due(session):
                return
        busy = [delivery.sink for delivery in under_way.values()]
        for delivery, message, sink in self._claim(limit=free, skip_sinks=busy):
            under_way[pool.submit(self._attempt, delivery, message, sink)] = delivery

    def _keep(self, under_way: dict[Future[None], Delivery]) -> None:
        if under_way:
            with self._database.write() as session:
                extend(
                    session,
                    [delivery.id for future, delivery in under_way.items() if not future.done()],
                    lease_s=self._retry.lease_s,
                )

    def _claim(
        self, *, limit: int, skip_sinks: list[str] | None = None
    ) -> list[tuple[Delivery, AlertMessage, AlertSink]]:
        """Take messages that are due, each with its sink; those that need no attempt are settled here."""
        ready: list[tuple[Delivery, AlertMessage, AlertSink]] = []
        with self._database.write() as session:
            while not ready and (
                claimed := claim(
                    session, limit=limit, lease_s=self._retry.lease_s, skip_sinks=skip_sinks or ()
                )
            ):
                for delivery in claimed:
                    message = self._message(session, delivery)
                    sink = self._sinks.find(session, delivery.sink)
                    if message is None:
                        withdraw(session, delivery.id)
                    elif sink is None:
                        settle(session, delivery.id, error="there is no such sink any more")
                    else:
                        ready.append((delivery, message, sink))
        return ready

    def _message(self, session: Session, delivery: Delivery) -> AlertMessage | None:
        """The message as it was written down before the first attempt; `None` where nothing needs to be said."""
        if "message" in delivery.payload:
            return AlertMessage.from_json(delivery.payload["message"])
        before = [
            AlertMessage.from_json(row.payload["message"]) for row in messages_before(session, delivery)
        ]
        message = compose(session, delivery, before, self._settings, public_url=self._public_url)
        if message is not None:
            delivery.kind = message.kind
            delivery.payload = {"message": message.to_json(), "first_attempt_at": now().isoformat()}
        return message

    def _attempt(self, delivery: Delivery, message: AlertMessage, sink: AlertSink) -> None:
        """One attempt, and the note of how it ended; never raises."""
        error: str | None = None
        retry_at: datetime | None = None
        try:
            since = datetime.fromisoformat(delivery.payload["first_attempt_at"])
            arrived = (
                delivery.attempts > 1
                and isinstance(sink, TraceableSink)
                and sink.was_delivered(message, since=since)
            )
            if not arrived:
                sink.send(message)
        except DeliveryError as failure:
            error = str(failure)
            if not failure.permanent:
                retry_at = self._next_attempt(delivery.attempts, failure.retry_after_s)
        except ActivityError as failure:
            error, retry_at = str(failure), self._next_attempt(delivery.attempts, None)
        except (
            Exception
        ) as failure:  # a receiver must not bring the worker down, whatever it makes a library do
            _LOG.exception("alerts: %s: unexpected failure", delivery.sink)
            error = f"{type(failure).__name__}: {failure}"
            retry_at = self._next_attempt(delivery.attempts, None)
        try:
            with self._database.write() as session:
                settle(session, delivery.id, error=error, retry_at=retry_at)
        except Exception:  # the lease will run out, and the message be tried again
            _LOG.exception("alerts: cannot note how message %s went", delivery.id)

    def _next_attempt(self, attempts: int, asked_s: float | None) -> datetime | None:
        """When to try again after so many attempts: delays double, up to a bound; `None` after the last."""
        if attempts >= self._retry.attempts:
            return None
        delay_s = min(self._retry.longest_delay_s, self._retry.first_delay_s * 2 ** min(attempts - 1, 60))
        delay_s *= 0.5 + 0.5 * self._jitter()  # receivers that were away do not get all workers at once
        return now() + timedelta(seconds=max(delay_s, min(asked_s or 0.0, 86400.0)))
