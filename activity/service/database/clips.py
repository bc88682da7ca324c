"""Tables of what comes in: cameras, clips, and the jobs that analyse them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from activity.service.database.base import ID_LENGTH, Base, new_id, now, one_of

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JobStep = Literal["probe", "observe", "recognize", "fuse", "report", "store"]

JOB_STEPS: Final[tuple[JobStep, ...]] = get_args(JobStep)
FINAL_STATES: Final[tuple[JobState, ...]] = ("succeeded", "failed", "cancelled")


class Camera(Base):
    """A camera that clips come from, and how its clips are judged.

    Attributes:
        id: Made by the server.
        name: What people call it; unique.
        zones: Polygons: ``{"name": str, "use": "named" | "watch" | "ignore", "polygon": [[x, y], ...]}`` with x and y as
            shares in [0, 1] of the picture's width and height; where `use` is missing it is ``named``.
        thresholds: Activity label to the least probability, in [0, 1], that raises an alert; labels that are
            missing keep the rule's own.
        retention_days: Clips are deleted after this many days; `None` keeps them.
        created_at: When it was added.
        updated_at: When it was last changed.
    """

    __tablename__ = "cameras"
    __table_args__ = (
        CheckConstraint("retention_days IS NULL OR retention_days >= 0", name="retention_days_positive"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    zones: Mapped[list[Any]] = mapped_column(default=list)
    thresholds: Mapped[dict[str, Any]] = mapped_column(default=dict)
    retention_days: Mapped[int | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Clip(Base):
    """One uploaded video file. The row outlives the file: retention deletes the file and sets `deleted_at`.

    Attributes:
        id: Made by the server.
        storage_key: Where its bytes lie in the storage.
        original_name: What the sender called it: untrusted text to show, never a path.
        sha256: 64 hexadecimal digits of its bytes.
        size_bytes: Its length.
        camera_id: The camera it comes from, if that is known.
        uploaded_by: Who sent it: an actor such as ``key:NAME``.
        recorded_at: When its first frame was recorded, if the sender said so.
        created_at: When it was uploaded.
        deleted_at: When its bytes were deleted, `None` while they are there.
    """

    __tablename__ = "clips"
    __table_args__ = (
        Index(None, "camera_id", "created_at"),
        Index(None, "deleted_at", "created_at"),
        CheckConstraint("size_bytes >= 0", name="size_bytes_positive"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    storage_key: Mapped[str] = mapped_column(String(300), unique=True)
    original_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int]
    camera_id: Mapped[str | None] = mapped_column(ForeignKey("cameras.id"), default=None)
    uploaded_by: Mapped[str] = mapped_column(String(200))
    recorded_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)

    camera: Mapped[Camera | None] = relationship()


class Job(Base):
    """The analysis of one clip.

    Attributes:
        id: Made by the server; also the id of the durable workflow.
        clip_id: What is analysed.
        state: Where it stands.
        step: The step that runs or ran last, `None` before the first.
        progress: Share in [0, 1] of all its work; never falls while the job runs.
        attempts: How often the present step was begun; more than 1 after a failure or a killed worker.
        submitted_by: The actor whose jobs queue in one line.
        turn: Its place in the fair order, smaller first: each actor's jobs take turns with the others'.
        settings: The pipeline's settings of this run, JSON-like; empty for the server's own.
        problem: Why it failed, as RFC 9457 problem details; `None` unless it failed.
        files_written: Storage keys of all files that any attempt at a step was about to write.
        cancel_requested: Whether a person asked to stop it.
        created_at: When it was submitted.
        enqueued_at: When a worker handed it to the engine of durable jobs; `None` before.
        started_at: When a worker first took it.
        finished_at: When it reached a final state.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", get_args(JobState)),
        one_of("step", JOB_STEPS),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_share"),
        Index(None, "state", "turn"),
        Index(None, "submitted_by", "turn"),
    )

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    clip_id: Mapped[str] = mapped_column(ForeignKey("clips.id"), index=True)
    state: Mapped[JobState] = mapped_column(String(16), default="queued")
    step: Mapped[JobStep | None] = mapped_column(String(16), default=None)
    progress: Mapped[float] = mapped_column(default=0.0)
    attempts: Mapped[int] = mapped_column(default=0)
    submitted_by: Mapped[str] = mapped_column(String(200))
    turn: Mapped[int] = mapped_column(default=0)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    problem: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    files_written: Mapped[list[Any]] = mapped_column(default=list)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    enqueued_at: Mapped[datetime | None] = mapped_column(default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)

    clip: Mapped[Clip] = relationship()

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this job."""
        return self.state in FINAL_STATES


class StepOutput(Base):
    """The finished output of one step of one job: written once, whatever is killed and begun again.

    Attributes:
        job_id: The job.
        step: The step.
        files: Name of each file to ``{"key": str, "sha256": str, "size_bytes": int}``: where it lies in the storage,
            64 hexadecimal digits, and its length.
        finished_at: When the step was done.
    """

    __tablename__ = "step_outputs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    step: Mapped[JobStep] = mapped_column(String(16), primary_key=True)
    files: Mapped[dict[str, Any]] = mapped_column(default=dict)
    finished_at: Mapped[datetime] = mapped_column(default=now)


class WorkerProcess(Base):
    """A process that works on jobs, for as long as it lives.

    Attributes:
        id: Made by the process; also its name in the engine of durable jobs.
        host: The machine that it runs on.
        pid: Its number there.
        started_at: When it began.
        heartbeat_at: When it last said that it lives; when that is too long ago, others take its jobs over.
    """

    __tablename__ = "worker_processes"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(default=now)
    heartbeat_at: Mapped[datetime] = mapped_column(default=now)
