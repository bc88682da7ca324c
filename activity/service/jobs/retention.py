"""Deletes clips when their time is over; the log, the incidents and the reports' numbers stay."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.service.database import Clip, Database, Job, now
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.clips import list_expired_clips
from activity.service.storage import Storage

KEPT_FILES: Final = frozenset({"report.json", "overlay.json", "alerts.json"})
"""Files of a job that outlive the clip: they show nobody."""


def sweep_retention(
    database: Database, storage: Storage, *, default_retention_days: int | None, at: datetime | None = None
) -> list[str]:
    """Delete the clips whose time is over, and every file that was made of them and shows people.

    Killed in between, the next sweep goes on: a clip counts as deleted once all its files are.

    Args:
        database: The tables.
        storage: The files.
        default_retention_days: Days for clips of no camera, and of cameras that do not say; `None` keeps them.
        at: The present, unless a test says otherwise.

    Returns:
        The ids of the deleted clips.
    """
    moment = at or now()
    deleted: list[str] = []
    while True:
        with database.read() as session:
            clips = list_expired_clips(session, at=moment, default_retention_days=default_retention_days)
            files = {clip.id: _derived_files(session, clip.id) for clip in clips}
        if not clips:
            return deleted
        for clip in clips:
            for key in (clip.storage_key, *files[clip.id]):
                storage.delete(key)
            with database.write() as session:
                row = session.get_one(Clip, clip.id)
                if row.deleted_at is None:
                    row.deleted_at = moment
                    append_audit(
                        session,
                        actor="system",
                        action="clip.expire",
                        subject=f"clip:{clip.id}",
                        detail={"sha256": clip.sha256, "files": 1 + len(files[clip.id])},
                    )
            deleted.append(clip.id)


def _derived_files(session: Session, clip_id: str) -> list[str]:
    """Storage keys of all that any attempt at a step made of a clip, without `KEPT_FILES`."""
    jobs = session.scalars(select(Job).where(Job.clip_id == clip_id))
    return [key for job in jobs for key in job.files_written if key.rpartition("/")[2] not in KEPT_FILES]
