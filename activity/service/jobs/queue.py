"""Joining the line of jobs, which has an end: who comes when it is full is told when to come again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from activity.config import Settings
from activity.errors import ActivityError, ConfigurationError
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
        ConfigurationError: If the camera's zones or thresholds cannot be used.
    """
    lock_queue(session)
    unfinished = count_unfinished(session)
    if unfinished >= max_unfinished:
        raise QueueFullError(unfinished=unfinished, retry_after_s=retry_after_s)
    settings = settings_of(clip, clip.camera if clip.camera_id is not None else None, analysis)
    return add_job(
        session, clip_id=clip.id, submitted_by=submitted_by, settings=settings.model_dump(mode="json")
    )


def settings_of(clip: Clip, camera: Camera | None, analysis: Settings) -> Settings:
    """The settings of the analysis of a clip: its time of recording, and its camera's thresholds and zones.

    Raises:
        ConfigurationError: As `require_usable`.
    """
    content = analysis.model_dump(mode="json")
    if clip.recorded_at is not None:
        content["recorded_at"] = clip.recorded_at
    if camera is not None:
        content["cameras"][camera.name] = {
            "thresholds": camera.thresholds,
            "zones": {zone["name"]: zone["polygon"] for zone in camera.zones if _use(zone) == "named"},
            "watch": [zone["polygon"] for zone in camera.zones if _use(zone) == "watch"],
            "ignore": [zone["polygon"] for zone in camera.zones if _use(zone) == "ignore"],
        }
        content["camera"] = camera.name
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in error.errors(include_url=False))
        raise ConfigurationError(f"camera {camera.name if camera else ''}: {wrong}") from error


def require_usable(camera: Camera, analysis: Settings) -> None:
    """Check that clips of a camera can be analysed, before there are any.

    Raises:
        ConfigurationError: If a polygon has no area, two zones have one name, a threshold is out of bounds, or would have no effect since no
            rule asks for it.
    """
    settings_of(Clip(), camera, analysis)
    names = [zone["name"] for zone in camera.zones]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"camera {camera.name}: expected a name of its own for each zone, got {', '.join(repeated)} again"
        )
    known = threshold_labels(analysis)
    if unknown := sorted(set(camera.thresholds) - known):
        raise ConfigurationError(
            f"camera {camera.name}: thresholds for {', '.join(unknown)}, of which no rule speaks; "
            f"expected some of {', '.join(sorted(known)) or 'none'}"
        )


def _use(zone: Mapping[str, Any]) -> str:
    return str(zone.get("use", "named"))  # cameras from before there were other uses


def threshold_labels(analysis: Settings) -> set[str]:
    """What a camera may set a threshold for: the activities that rules ask for, ``weapon`` and ``fire``."""
    return {
        condition.threshold_name
        for rule in analysis.fusion.rules
        for condition in (*rule.needs, *rule.strengthened_by)
        if condition.threshold_name is not None
    }
