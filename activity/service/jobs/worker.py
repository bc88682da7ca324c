"""A worker: takes jobs from the line, says that it lives, and takes over the jobs of those that do not."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import select, update

from activity.service.database import (
    FINAL_STATES,
    JOB_STEPS,
    Database,
    Job,
    WorkerProcess,
    new_id,
    now,
)
from activity.service.database.repository.jobs import finish_job, list_to_enqueue
from activity.service.jobs.engine import DurableEngine
from activity.service.jobs.limits import StepLimits
from activity.service.jobs.problems import make_problem
from activity.service.jobs.retention import sweep_retention
from activity.service.jobs.runner import OnIncidents, StepRunner
from activity.service.settings import ServiceSettings
from activity.service.storage import Storage

PIPELINE_STEPS: Final = "activity.service.jobs.steps:PipelineSteps"
_RETENTION_EVERY_S: Final = 3600.0
_RECONCILE_EVERY_S: Final = 60.0
_LEFTOVER_AGE_S: Final = 24 * 3600.0
"""No upload takes so long that its unfinished file could be this old."""

_STOP_GRACE_S: Final = 15
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_log = logging.getLogger("activity.jobs")


class Worker:
    """Works on jobs in threads of this process until it is stopped; each job's steps run in a process of their own.

    Args:
        database: The tables.
        storage: The files.
        settings: Of the service.
        on_incidents: Called in the transaction that stores a job's incidents, to add what is told of them.
        steps: ``module:class``, see `activity.service.jobs.child.Steps`.
        lease_s: A worker that has not said for so long that it lives counts as dead.
        poll_s: How often to look for new jobs.
    """

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        settings: ServiceSettings,
        on_incidents: OnIncidents,
        steps: str = PIPELINE_STEPS,
        lease_s: float = 30.0,
        poll_s: float = 0.5,
    ) -> None:
        self.id = new_id()
        self._host = _host()
        self._next_reconciliation = 0.0
        self._database = database
        self._storage = storage
        self._settings = settings
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._stop = threading.Event()
        self._scratch = _scratch_root() / f"{os.getpid()}-{self.id}"
        limits = settings.limits
        self._runner = StepRunner(
            database=database,
            storage=storage,
            limits=StepLimits(
                time_s=limits.job_time_s,
                memory_mib=limits.job_memory_mib,
                max_frame_pixels=limits.max_frame_pixels,
                max_frames=limits.max_frames,
                max_duration_s=limits.max_duration_s,
            ),
            attempts=settings.queue.attempts,
            steps=steps,
            scratch=self._scratch,
            on_incidents=on_incidents,
            retry_s=min(1.0, poll_s),
        )
        self._engine = DurableEngine(
            database.engine.url,
            worker_id=self.id,
            jobs_at_a_time=max(1, settings.queue.workers),
            poll_s=poll_s,
        )
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work; returns at once."""
        self._scratch.mkdir(parents=True, mode=0o700)
        self._beat()
        self._engine.start(self._analyze)
        for name, work, every_s in (
            ("jobs-house", self._keep_house, self._poll_s),
            ("jobs-beat", self._beat, self._lease_s / 5),
            ("jobs-retention", self._sweep, _RETENTION_EVERY_S),
        ):
            thread = threading.Thread(target=self._repeat, args=(work, every_s), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop in good order: running steps end at once, and their jobs go on elsewhere, or here at the next start."""
        self._stop.set()
        self._runner.stop()
        for thread in self._threads:
            thread.join()
        self._engine.stop(grace_s=_STOP_GRACE_S)
        with self._database.write() as session:
            row = session.get(WorkerProcess, self.id)
            if row is not None:
                row.heartbeat_at = _LONG_AGO  # its jobs wait for nobody
        shutil.rmtree(self._scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _analyze(self, job_id: str, do_once: Callable[[str, Callable[[], bool]], bool]) -> None:
        with self._runner.working_on(job_id):
            for step in JOB_STEPS:
                if not do_once(step, partial(self._runner.run_step, job_id, step)):
                    return

    def _repeat(self, work: Callable[[], None], every_s: float) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception:  # a database that is away: the next round may find it
                _log.exception("%s failed and will be tried again", getattr(work, "__name__", "work"))
            self._stop.wait(every_s)

    def _beat(self) -> None:
        with self._database.write() as session:
            row = session.get(WorkerProcess, self.id)
            if row is None:  # at the start, or after others thought this one dead
                session.add(WorkerProcess(id=self.id, host=self._host, pid=os.getpid()))
            else:
                row.heartbeat_at = now()

    def _keep_house(self) -> None:
        self._enqueue_new()
        self._take_over_from_the_dead()
        if time.monotonic() >= self._next_reconciliation:
            self._reconcile()
            self._next_reconciliation = time.monotonic() + _RECONCILE_EVERY_S

    def _enqueue_new(self) -> None:
        """Hand new jobs to the engine; killed between the two writes, the next round does it again."""
        with self._database.read() as session:
            jobs = list_to_enqueue(session)
        for job in jobs:
            self._engine.enqueue(job.id, turn=job.turn)
        if jobs:
            with self._database.write() as session:
                session.execute(
                    update(Job).where(Job.id.in_([job.id for job in jobs])).values(enqueued_at=now())
                )

    def _take_over_from_the_dead(self) -> None:
        with self._database.read() as session:
            dead = [row.id for row in session.scalars(select(WorkerProcess)) if self._is_dead(row)]
        if dead:
            self._engine.take_over(dead)
            with self._database.write() as session:
                for worker_id in dead:
                    row = session.get(WorkerProcess, worker_id)
                    if row is not None and self._is_dead(row):
                        session.delete(row)

    def _is_dead(self, row: WorkerProcess) -> bool:
        if row.id == self.id:
            return False
        if row.heartbeat_at < now() - timedelta(seconds=self._lease_s):
            return True
        return row.host == self._host and not _is_running(row.pid)

    def _reconcile(self) -> None:
        """Bring back jobs that the engine has lost, and end those that it has given up."""
        with self._database.read() as session:
            waiting = session.scalars(
                select(Job.id).where(Job.state.not_in(FINAL_STATES), Job.enqueued_at.is_not(None))
            ).all()
        for job_id in waiting:
            over = self._engine.is_over(job_id)
            if over is False:
                continue
            with self._database.write() as session:
                if over is None:
                    session.execute(update(Job).where(Job.id == job_id).values(enqueued_at=None))
                else:
                    problem = make_problem("internal", "The engine of durable jobs gave it up.")
                    finish_job(session, job_id, "failed", problem=problem)

    def _sweep(self) -> None:
        self._storage.remove_leftovers(older_than_s=_LEFTOVER_AGE_S)
        sweep_retention(
            self._database, self._storage, default_retention_days=self._settings.retention.default_days
        )


def _scratch_root() -> Path:
    """The folder of all workers of this user; what killed ones have left there is removed."""
    root = Path(tempfile.gettempdir()) / f"activity-jobs-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid() or root.is_symlink():
        root = Path(tempfile.mkdtemp(prefix="activity-jobs-"))
    for folder in root.iterdir():
        pid = folder.name.partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    return root


def _host() -> str:
    """Names what process numbers are unique in: this machine, and the container that we may be in."""
    try:
        inside = f"/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not Linux
        inside = ""
    return f"{socket.gethostname()}{inside}"[:255]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
