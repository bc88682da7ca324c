"""Clips, jobs and files."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from activity.client.schemas.values import Answer, Id, JobState, Moment, Share


class Clip(Answer):
    """An uploaded clip."""

    id: Id
    name: str = Field(description="What the sender called it.", examples=["entrance.mp4"])
    sha256: str = Field(description="Of its bytes, hexadecimal.")
    size_bytes: int
    camera_id: Id | None
    uploaded_by: str
    recorded_at: Moment | None = Field(
        description="When its first frame was recorded, if the sender said so."
    )
    created_at: Moment
    deleted_at: Moment | None = Field(description="When retention deleted its bytes.")


class Job(Answer):
    """The analysis of a clip."""

    id: Id
    clip_id: Id
    state: JobState
    step: str | None = Field(description="The step that runs or ran last.", examples=["observe"])
    progress: Share = Field(description="Share of all its work that is done.")
    attempts: int = Field(description="How often the present step was begun.")
    problem: dict[str, Any] | None = Field(description="Why it failed, as problem details.")
    submitted_by: str
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this job."""
        return self.state in ("succeeded", "failed", "cancelled")


class Submission(Answer):
    """The answer to an upload."""

    clip: Clip
    job: Job


class JobPage(Answer):
    """Jobs, newest first."""

    items: list[Job]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class File(Answer):
    """A file that belongs to a job or an incident."""

    name: str = Field(examples=["report.json"])
    media_type: str = Field(examples=["application/json"])
    size_bytes: int
    href: str = Field(description="Where it is; takes range requests.")


class FileList(Answer):
    """The files of a job or an incident."""

    items: list[File]
