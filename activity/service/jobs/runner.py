"""Runs the steps of jobs for one worker: begins, retries and ends them, and keeps what they made."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from activity.service.database import Clip, Database, Incident, Job, JobState, JobStep
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.incidents import add_incidents
from activity.service.database.repository.jobs import (
    add_step_output,
    begin_step,
    finish_job,
    get_step_output,
    list_unused_files,
    note_files,
    set_progress,
    take_back_attempt,
)
from activity.service.jobs.limits import StepLimits
from activity.service.jobs.problems import StepError, make_problem, step_error_of
from activity.service.jobs.process import StepProcess
from activity.service.jobs.step_files import (
    NEEDS,
    describe_files,
    fetch_files,
)
from activity.service.jobs.steps import ALERTS, read_alerts
from activity.service.jobs.workplace import OneAtATime, Workplace
from activity.service.storage import Storage

_log = logging.getLogger("activity.jobs")
_SHARES: Final[dict[JobStep, tuple[float, float]]] = {
    "probe": (0.0, 0.02),
    "observe": (0.02, 0.7),
    "recognize": (0.7, 0.75),
    "fuse": (0.75, 0.77),
    "report": (0.77, 0.98),
    "store": (0.98, 1.0),
}
_LOOK_FOR_CANCEL_S: Final = 1.0
_DATABASE_RETRY_S: Final = 1.0
T = TypeVar("T")

OnIncidents = Callable[[Session, Sequence[Incident]], object]
"""Called in the transaction that stores a job's incidents: what it adds, such as deliveries, is stored with them."""


class WorkerStopping(BaseException):
    """The worker is told to stop; the job stays unfinished for another."""


class _Cancelled(Exception):  # noqa: N818
    """A person asked to stop the job."""


class StepRunner:
    """Runs the steps of any number of jobs, each job in one thread.

    Args:
        database: The tables.
        storage: The files.
        limits: Of each job.
        attempts: How often a step is tried at most.
        steps: ``module:class``, see `activity.service.jobs.child.Steps`.
        scratch: A folder of this worker's own.
        on_incidents: What is to happen when incidents are stored.
        retry_s: Seconds before the second try; each further one waits twice as long.
    """

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        limits: StepLimits,
        attempts: int,
        steps: str,
        scratch: Path,
        on_incidents: OnIncidents,
        retry_s: float = 1.0,
    ) -> None:
        self._database = database
        self._storage = storage
        self._limits = limits
        self._attempts = attempts
        self._steps = steps
        self._scratch = scratch
        self._on_incidents = on_incidents
        self._retry_s = retry_s
        self._stopping = threading.Event()
        self._workplaces: dict[str, Workplace] = {}
        self._one_at_a_time = OneAtATime()

    def stop(self) -> None:
        """Let every running step end at once, its job unfinished."""
        self._stopping.set()

    def run_step(self, job_id: str, step: JobStep) -> bool:
        """Do one step of a job, unless it is done already.

        Returns:
            Whether the job goes on; `False` once it is final.

        Raises:
            WorkerStopping: If the worker stops meanwhile.
        """
        while True:
            attempt = self._transact(lambda session: self._begin(session, job_id, step))
            if attempt is None:
                return True
            if attempt == 0:
                return False
            try:
                self._do(job_id, step, attempt)
            except WorkerStopping:
                self._transact(lambda session: take_back_attempt(session, job_id), even_if_stopping=True)
                raise
            except _Cancelled:
                return self._end(job_id, None)
            except Exception as error:
                failure = step_error_of(error)
                self._log_failure(job_id, step, attempt, failure, error)
                if not failure.may_retry or attempt >= self._attempts:
                    return self._end(job_id, failure)
                if self._stopping.wait(self._retry_s * 2 ** (attempt - 1)):
                    raise WorkerStopping from error
            else:
                return True

    def _end(self, job_id: str, failure: StepError | None) -> bool:
        self._transact(lambda session: self._finish(session, job_id, failure))
        self._delete_unused(job_id)
        return False

    def _delete_unused(self, job_id: str) -> None:
        """Delete what attempts that were killed have left; should this be killed too, retention deletes it."""
        with self._database.read() as session:
            keys = list_unused_files(session, job_id)
        for key in keys:
            self._storage.delete(key)

    @contextmanager
    def working_on(self, job_id: str) -> Iterator[None]:
        """Work on a job while the block lasts; what was open for it is closed after that.

        Should the engine give the job to this worker a second time, the second thread waits for the first.
        """
        with self._one_at_a_time(job_id):
            try:
                yield
            finally:
                place = self._workplaces.pop(job_id, None)
                if place is not None:
                    place.close()

    def _begin(self, session: Session, job_id: str, step: JobStep) -> int | None:
        """Note that a step begins: its attempt from 1, 0 if the job is final, `None` if the step was done before."""
        job = session.get(Job, job_id)
        if job is None or job.is_final:
            return 0
        if get_step_output(session, job_id, step) is not None:
            return None
        if not begin_step(session, job_id, step, progress=_SHARES[step][0]):
            self._finish(session, job_id, None)
            return 0
        if job.attempts > self._attempts:
            job.attempts = self._attempts
            detail = f"In step {step}, {self._attempts} workers were ended."
            self._finish(session, job_id, StepError("worker-died", detail))
            return 0
        return job.attempts

    def _finish(self, session: Session, job_id: str, failure: StepError | None) -> None:
        """End a job that cannot be finished: as failed, or as cancelled where nothing failed."""
        job = session.get_one(Job, job_id)
        problem = None
        if failure is not None:
            problem = make_problem(failure.kind, failure.detail)
            problem["step"], problem["attempts"] = job.step or "", job.attempts
        state: JobState = "cancelled" if problem is None else "failed"
        if finish_job(session, job_id, state, problem=problem):
            detail = {"clip": job.clip_id, "state": state} | ({"problem": problem["type"]} if problem else {})
            append_audit(session, actor="system", action="job.end", subject=f"job:{job_id}", detail=detail)

    def _do(self, job_id: str, step: JobStep, attempt: int) -> None:
        place = self._workplace(job_id)
        for need in NEEDS[step]:
            with self._database.read() as session:
                output = get_step_output(session, job_id, need)
            if output is None:
                raise StepError("internal", f"Step {need} was not done before step {step}.")
            fetch_files(self._storage, output, place.folder / need)
        if step == "store":
            self._delete_unused(job_id)
            alerts = read_alerts(place.folder / "fuse" / ALERTS)
            self._transact(lambda session: self._store(session, job_id, alerts))
            return
        own = place.folder / step
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        self._run_in_process(place, job_id, step)
        files = describe_files(own, job_id=job_id, step=step, attempt=attempt)
        keys = {name: file["key"] for name, file in files.items()}
        self._transact(lambda session: note_files(session, job_id, keys.values()))
        for name, key in keys.items():
            self._storage.put(key, own / name)
        kept = self._transact(lambda session: add_step_output(session, job_id, step, files).files)
        if kept != files:  # another worker thought this one dead, and was faster
            for key in keys.values():
                self._storage.delete(key)
            shutil.rmtree(own)

    def _store(self, session: Session, job_id: str, alerts: Sequence[Any]) -> None:
        """Store incidents and what is told of them, and end the job: all of it or nothing."""
        job = session.get_one(Job, job_id, with_for_update=True)
        if job.is_final:
            return
        incidents = add_incidents(session, job, alerts)
        self._on_incidents(session, incidents)
        add_step_output(session, job_id, "store", {})
        finish_job(session, job_id, "succeeded")
        append_audit(
            session,
            actor="system",
            action="job.end",
            subject=f"job:{job_id}",
            detail={"clip": job.clip_id, "state": "succeeded", "incidents": [i.id for i in incidents]},
        )

    def _workplace(self, job_id: str) -> Workplace:
        place = self._workplaces.get(job_id)
        if place is None:
            with self._database.read() as session:
                clip = session.get_one(Clip, session.get_one(Job, job_id).clip_id)
            place = Workplace.open(self._scratch / job_id, clip=clip, storage=self._storage)
            self._workplaces[job_id] = place
        return place

    def _run_in_process(self, place: Workplace, job_id: str, step: JobStep) -> None:
        with self._database.read() as session:
            job = session.get_one(Job, job_id)
            sha256 = session.get_one(Clip, job.clip_id).sha256
        if place.process is None or not place.process.is_alive:
            place.process = StepProcess(
                steps=self._steps, settings=job.settings, limits=self._limits, log=place.folder / "log"
            )
        begin, end = _SHARES[step]
        looked = time.monotonic()

        def on_tick(share: float | None) -> None:
            nonlocal looked
            if self._stopping.is_set():
                raise WorkerStopping
            if share is None and time.monotonic() - looked < _LOOK_FOR_CANCEL_S:
                return
            looked = time.monotonic()
            progress = begin + (end - begin) * (share or 0.0)
            if not self._transact(lambda session: set_progress(session, job_id, progress)):
                raise _Cancelled

        place.process.run(step, clip=place.clip, sha256=sha256, folder=place.folder, on_tick=on_tick)

    def _transact(self, work: Callable[[Session], T], *, even_if_stopping: bool = False) -> T:
        """Do `work` in one transaction; wait for a database that is away."""
        while True:
            try:
                with self._database.write() as session:
                    return work(session)
            except OperationalError as error:
                _log.warning("the database is away or busy, trying again: %s", error.orig)
                if self._stopping.wait(_DATABASE_RETRY_S) and not even_if_stopping:
                    raise WorkerStopping from error
                if even_if_stopping:
                    raise

    def _log_failure(
        self, job_id: str, step: str, attempt: int, failure: StepError, error: Exception
    ) -> None:
        place = self._workplaces.get(job_id)
        tail = place.log_tail() if place is not None else ""
        known = isinstance(error, StepError)
        _log.warning(
            "job %s: step %s, attempt %d: %s%s",
            job_id,
            step,
            attempt,
            failure,
            f"\n{tail}" if tail else "",
            exc_info=None if known else error,
        )
