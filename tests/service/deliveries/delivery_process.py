"""A delivery worker in a process of its own, which a test can kill."""

from __future__ import annotations

import threading
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from activity.service.database import Database
from activity.service.deliveries import AlertSettings, DeliveryWorker


def start(server: ForkServerContext, url: str, content: dict[str, Any]) -> ForkServerProcess:
    """Start a worker that delivers until it is killed."""
    process = server.Process(target=_deliver, args=(url, content), daemon=True)
    process.start()
    return process


def _deliver(url: str, content: dict[str, Any]) -> None:
    database = Database.open(url, migrate_first=False)
    DeliveryWorker(database, AlertSettings.model_validate(content)).run(threading.Event(), poll_s=0.02)
