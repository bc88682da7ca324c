"""Cameras and clips."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.service.database.tables import FINAL_STATES, Camera, Clip, Job


def get_clip(session: Session, clip_id: str) -> Clip | None:
    """One clip, or `None`."""
    return session.get(Clip, clip_id)


def get_camera(session: Session, camera_id: str) -> Camera | None:
    """One camera, or `None`."""
    return session.get(Camera, camera_id)


def list_cameras(session: Session) -> Sequence[Camera]:
    """All cameras by name."""
    return session.scalars(select(Camera).order_by(Camera.name)).all()


def list_expired_clips(
    session: Session, *, at: datetime, default_retention_days: int | None, limit: int = 100
) -> Sequence[Clip]:
    """Clips whose time is over and whose file is still there, oldest first.

    Args:
        session: Any session.
        at: The present.
        default_retention_days: For clips of no camera, and of cameras that do not say; `None` keeps them.
        limit: At most so many.

    Returns:
        Clips without those that a job is still to read.
    """
    waiting = select(Job.clip_id).where(Job.state.not_in(FINAL_STATES))
    expired: list[Clip] = []
    days = {camera.id: camera.retention_days for camera in list_cameras(session)}
    by_days: dict[int, list[str | None]] = {}
    for camera_id in [None, *days]:
        own = days.get(camera_id) if camera_id is not None else None
        kept = own if own is not None else default_retention_days
        if kept is not None:
            by_days.setdefault(kept, []).append(camera_id)
    for kept, camera_ids in by_days.items():
        named = [camera_id for camera_id in camera_ids if camera_id is not None]
        of_camera = Clip.camera_id.in_(named)
        query = (
            select(Clip)
            .where(Clip.deleted_at.is_(None), Clip.created_at <= at - timedelta(days=kept))
            .where(of_camera | Clip.camera_id.is_(None) if None in camera_ids else of_camera)
            .where(Clip.id.not_in(waiting))
            .order_by(Clip.created_at)
            .limit(limit)
        )
        expired.extend(session.scalars(query))
    return sorted(expired, key=lambda clip: clip.created_at)[:limit]
