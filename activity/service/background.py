"""What the service does besides answering: works on jobs, and delivers alerts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from activity.service.database import Database
from activity.service.deliveries import DeliveryWorker, on_incidents
from activity.service.jobs.worker import Worker
from activity.service.settings import ServiceSettings
from activity.service.storage import Storage


@contextmanager
def background_work(database: Database, storage: Storage, settings: ServiceSettings) -> Iterator[None]:
    """Work on jobs and deliver alerts in threads of this process while the block lasts.

    Any number of processes may do so on one database; those whose process is killed are taken over by the others.

    Args:
        database: The tables.
        storage: The files.
        settings: Of the service; with 0 as `queue.workers`, only alerts are delivered.
    """
    stop = threading.Event()
    deliveries = DeliveryWorker(database, settings.alerts, public_url=settings.http.public_url)
    delivering = threading.Thread(target=deliveries.run, args=(stop,), name="alerts", daemon=True)
    delivering.start()
    try:
        if settings.queue.workers > 0:
            with Worker(
                database=database,
                storage=storage,
                settings=settings,
                on_incidents=on_incidents(settings.alerts),
            ):
                yield
        else:
            yield
    finally:
        stop.set()
        delivering.join()
