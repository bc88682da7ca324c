"""Jobs: submitted in a fair and bounded queue, moved from state to state, never back from a final one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from activity.service.database.base import now
from activity.service.database.tables import FINAL_STATES, Job, JobState, JobStep, StepOutput

_QUEUE_LOCK = 7_142_003  # of PostgreSQL: one job joins the queue at a time


def get_job(session: Session, job_id: str) -> Job | None:
    """One job, or `None`."""
    return session.get(Job, job_id)


def list_jobs(
    session: Session, *, state: JobState | None = None, after: str | None = None, limit: int = 50
) -> Sequence[Job]:
    """Jobs, newest first; `after` is the last id of the page before."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Job.state == state)
    if after is not None:
        query = query.where(Job.id < after)
    return session.scalars(query).all()


def count_unfinished(session: Session) -> int:
    """How many jobs are queued or running."""
    return session.scalar(select(func.count()).where(Job.state.not_in(FINAL_STATES))) or 0


def lock_queue(session: Session) -> None:
    """Let nobody else join the queue until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite's writers stand in line anyway
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _QUEUE_LOCK})


def add_job(
    session: Session, *, clip_id: str, submitted_by: str, settings: Mapping[str, Any] | None = None
) -> Job:
    """Put a job into the queue, with its turn among those of all actors.

    Start-time fair queueing (Goyal, Vin and Cheng, 1996) with jobs of equal cost: an actor's job gets the turn after
    that actor's last one, or the turn that is being served now, whichever is later. So one who sends a hundred clips
    waits behind himself, and another's single clip is served after at most one more of each.
    """
    lock_queue(session)
    served = session.scalar(select(func.max(Job.turn)).where(Job.state != "queued")) or 0
    own = session.scalar(select(func.max(Job.turn)).where(Job.submitted_by == submitted_by)) or 0
    job = Job(
        clip_id=clip_id,
        submitted_by=submitted_by,
        turn=max(served, own + 1),
        settings=dict(settings or {}),
    )
    session.add(job)
    session.flush()
    return job


def list_to_enqueue(session: Session, *, limit: int = 100) -> Sequence[Job]:
    """Unfinished jobs that the engine of durable jobs does not know yet, in their order."""
    query = (
        select(Job)
        .where(Job.state.not_in(FINAL_STATES), Job.enqueued_at.is_(None))
        .order_by(Job.turn, Job.id)
    )
    return session.scalars(query.limit(limit)).all()


def begin_step(session: Session, job_id: str, step: JobStep, *, progress: float) -> bool:
    """Note that a step begins; `False` if the job is final or is to be cancelled, so that nothing must be done."""
    job = session.get(Job, job_id, with_for_update=True)
    if job is None or job.is_final or job.cancel_requested:
        return False
    job.attempts = job.attempts + 1 if job.step == step else 1
    job.state, job.step = "running", step
    job.progress = max(job.progress, progress)
    job.started_at = job.started_at or now()
    return True


def set_progress(session: Session, job_id: str, progress: float) -> bool:
    """Note how far a running job is; `False` if it should stop."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "running", Job.progress < progress)
        .values(progress=progress)
    )
    return bool(
        session.scalar(select(Job.id).where(Job.id == job_id, Job.state == "running", ~Job.cancel_requested))
    )


def take_back_attempt(session: Session, job_id: str) -> None:
    """Uncount the attempt of a worker that is stopped in good order: that says nothing against the clip."""
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == "running", Job.attempts > 0)
        .values(attempts=Job.attempts - 1)
    )


def finish_job(
    session: Session, job_id: str, state: JobState, *, problem: Mapping[str, Any] | None = None
) -> bool:
    """Move a job to a final state; `False` if it was in one before, which then stays."""
    job = session.get(Job, job_id, with_for_update=True)
    if job is None or job.is_final:
        return False
    job.state, job.finished_at = state, now()
    job.problem = dict(problem) if problem is not None else None
    if state == "succeeded":
        job.progress = 1.0
    return True


def request_cancel(session: Session, job_id: str) -> Job | None:
    """Ask a job to stop: one that waits is cancelled at once, one that runs stops at the next chance."""
    job = session.get(Job, job_id, with_for_update=True)
    if job is None or job.is_final:
        return job
    job.cancel_requested = True
    if job.state == "queued":
        job.state, job.finished_at = "cancelled", now()
    return job


def get_step_output(session: Session, job_id: str, step: JobStep) -> StepOutput | None:
    """The finished output of a step, or `None`."""
    return session.get(StepOutput, (job_id, step))


def get_step_file(session: Session, job_id: str, step: JobStep, name: str) -> str | None:
    """The storage key of one file of a finished step, such as ``report.html`` of ``report``, or `None`."""
    output = get_step_output(session, job_id, step)
    return output.files[name]["key"] if output is not None and name in output.files else None


def note_files(session: Session, job_id: str, keys: Iterable[str]) -> None:
    """Note the storage keys of files before they are written, so that none is forgotten, whatever is killed."""
    job = session.get_one(Job, job_id, with_for_update=True)
    job.files_written = list(dict.fromkeys([*job.files_written, *keys]))


def list_unused_files(session: Session, job_id: str) -> list[str]:
    """Storage keys that a job may have written and that are no output: of attempts that were killed or came second."""
    outputs = session.scalars(select(StepOutput).where(StepOutput.job_id == job_id))
    used = {file["key"] for output in outputs for file in output.files.values()}
    return [key for key in session.get_one(Job, job_id).files_written if key not in used]


def add_step_output(
    session: Session, job_id: str, step: JobStep, files: Mapping[str, Mapping[str, Any]]
) -> StepOutput:
    """Note a finished output; the first one stays, whoever comes second."""
    session.get_one(Job, job_id, with_for_update=True)  # one at a time
    found = get_step_output(session, job_id, step)
    if found is not None:
        return found
    output = StepOutput(job_id=job_id, step=step, files={name: dict(file) for name, file in files.items()})
    session.add(output)
    session.flush()
    return output
