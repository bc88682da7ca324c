"""Joining the line of jobs, which has an end: who comes when it is full is told when to come again."""

from __future__ import annotations

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
    """The settings of an analysis of a clip from this camera: its thresholds and zones come into force.

    A threshold for what no rule asks for is refused when the clip is analysed; see `threshold_labels`.
    """
    if camera is None:
        return analysis
    content = analysis.model_dump(mode="json")
    content["cameras"][camera.name] = {
        "thresholds": camera.thresholds,
        "zones": {zone["name"]: zone["polygon"] for zone in camera.zones},
    }
    content["camera"] = camera.name
    return Settings.model_validate(content)


def threshold_labels(analysis: Settings) -> set[str]:
    """What a camera may set a threshold for: the activities that rules ask for, ``weapon`` and ``fire``."""
    return {
        condition.threshold_name
        for rule in analysis.fusion.rules
        for condition in (*rule.needs, *rule.strengthened_by)
        if condition.threshold_name is not None
    }
