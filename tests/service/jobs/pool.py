"""A pool of worker processes that are killed and replaced, for tests of what survives that."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

# loaded once by the server that forks the workers, so that a new worker costs little
import activity.service.jobs.worker  # noqa: F401
from activity.service.database import Database
from activity.service.deliveries import AlertSettings, DeliveryWorker, on_incidents
from activity.service.jobs.worker import Worker
from activity.service.settings import LimitSettings, QueueSettings, ServiceSettings
from activity.service.storage import FolderStorage
from tests.service.fork_server import context
from tests.service.jobs.fakes import STEPS


@dataclass(frozen=True)
class PoolSettings:
    """What each worker of a pool is told.

    Attributes:
        database_url: The tables.
        files: The folder of the storage.
        log: A folder for what the workers print.
        alerts: Who is told of incidents.
        at_a_time: Jobs at a time in each worker.
        environment: Variables of the workers' environment. They are forked by a server that the first test to want
            one started, with that test's environment.
    """

    database_url: str
    files: Path
    log: Path
    alerts: AlertSettings
    environment: dict[str, str]
    at_a_time: int = 2


class KillingStorage(FolderStorage):
    """A storage that kills its process once after it stored a file that a marker names.

    The marker ``FOLDER/kill-after-put/JOB.STEP`` is removed first: the second time all goes well.
    """

    def __init__(self, folder: Path, markers: Path) -> None:
        super().__init__(folder)
        self._markers = markers

    def put(self, key: str, source: Path) -> None:
        super().put(key, source)
        _, job_id, attempt, _ = key.split("/")
        kill_once(self._markers / f"{job_id}.{attempt.partition('-')[0]}")


def kill_once(marker: Path) -> None:
    """Kill this process if the marker is there; it is taken away first."""
    try:
        marker.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def run_worker(settings: PoolSettings) -> None:
    """One worker, until it is killed."""
    os.environ.update(settings.environment)
    log = (settings.log / f"worker-{os.getpid()}").open("w")
    os.dup2(log.fileno(), 2)
    logging.basicConfig(level=logging.INFO)
    database = Database.open(settings.database_url)
    tell = on_incidents(settings.alerts)

    def store(session, incidents) -> None:  # type: ignore[no-untyped-def]
        tell(session, incidents)
        session.flush()
        for incident in incidents[:1]:  # before the transaction is committed
            kill_once(settings.log / "markers" / f"{incident.job_id}.store")

    worker = Worker(
        database=database,
        storage=KillingStorage(settings.files, settings.log / "markers"),
        settings=ServiceSettings(
            queue=QueueSettings(workers=settings.at_a_time, attempts=20),
            limits=LimitSettings(job_memory_mib=512, job_time_s=300),
        ),
        on_incidents=store,
        steps=STEPS,
        lease_s=60,
        poll_s=0.1,
    )
    with worker:
        DeliveryWorker(database, settings.alerts).run(threading.Event(), poll_s=0.1)


class WorkerPool:
    """Keeps so many workers alive; each that dies is replaced."""

    def __init__(self, settings: PoolSettings, *, workers: int) -> None:
        self._settings = settings
        self._wanted = workers
        self._context = context()
        self._processes: list[BaseProcess] = []
        self.deaths = 0

    def tend(self) -> None:
        """Replace the dead."""
        for process in list(self._processes):
            if not process.is_alive():
                assert process.exitcode == -signal.SIGKILL, f"a worker ended with {process.exitcode}"
                self.deaths += 1
                self._processes.remove(process)
        while len(self._processes) < self._wanted:
            process = self._context.Process(target=run_worker, args=(self._settings,), daemon=True)
            process.start()
            self._processes.append(process)

    def close(self) -> None:
        """Kill them all."""
        for process in self._processes:
            process.kill()
            process.join()
        time.sleep(0.1)
