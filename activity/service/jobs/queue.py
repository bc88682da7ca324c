"""Joining the line of jobs, which has an end: who comes when it is full is told when to come again."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from activity.config import Settings
from activity.errors import ActivityError
from activity.service.database import Camera, Clip, Job
from activity.service.database.repository.jobs import add_job, count_unfinished, lock_queue


class QueueFullError(ActivityError):
    """The line of jobs is full.

    Attributes:
        unfinished: How many jobs wait or run.
        retry_after_s: Seconds after which to try again.
    """

    def __init__(self, *, unfinished: int, retry_after_s: int) -> None:
        self.unfinished = unfinished
        self.retry_after_s = retry_after_s
        super().__init__(
            f"{unfinished} jobs wait or run, which is as many as this server takes; try again in {retry_after_s} s"
        )


def submit_job(
    session: Session,
    *,
    clip: Clip,
    submitted_by: str,
    analysis: Settings,
    max_unfinished: int,
    retry_after_s: int,
) -> Job:
    """Put the analysis of a clip into the line, in the caller's transaction; a worker finds it there.

    Nothing else needs to be told: once the transaction is committed the job is not lost, whatever is killed.

    Args:
        session: Of `Database.write`.
        clip: Already added and flushed.
        submitted_by: The actor, whose jobs take turns with those of others.
        analysis: The server's settings of an analysis; the camera's thresholds are worked in.
        max_unfinished: How many jobs may wait or run at most.
        retry_after_s: What a refused client is told.

    Raises:
        QueueFullError: If as many jobs wait or run already.
    """
    lock_queue(session)
    unfinished = count_unfinished(session)
    if unfinished >= max_unfinished:
        raise QueueFullError(unfinished=unfinished, retry_after_s=retry_after_s)
    settings = settings_of(clip.camera, analysis) if clip.camera_id is not None else analysis
    return add_job(
        session, clip_id=clip.id, submitted_by=submitted_by, settings=settings.model_dump(mode="json")
    )


def settings_of(camera: Camera | None, analysis: Settings) -> Settings:
    """The settings of an analysis with the camera's thresholds in the place of the rules' own.

    A threshold for a label of which no rule speaks has no effect; see `rule_labels`.
    """
    thresholds: dict[str, Any] = camera.thresholds if camera is not None else {}
    if not thresholds:
        return analysis
    content = analysis.model_dump(mode="json")
    for rule in content["fusion"]["rules"]:
        rule["min_score"] = thresholds.get(rule["label"], rule["min_score"])
    return Settings.model_validate(content)


def rule_labels(analysis: Settings) -> set[str]:
    """The labels that rules speak of: for others, a camera's threshold would have no effect."""
    return {rule.label for rule in analysis.fusion.rules}
