"""`/clips`: drop a clip, watch its progress, go on to what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Opened, ThingId, Viewer
from activity.service.api.files import files_of_job
from activity.service.api.jobs import cancel_job
from activity.service.api.views import clip_view, job_view
from activity.service.database import Incident
from activity.service.database.repository.clips import list_cameras
from activity.service.database.repository.jobs import list_jobs
from activity.service.pages.rendering import render
from activity.service.pages.routing import Form, page_router

router = page_router()

ROWS: Final = 25
"""Clips on a page."""


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A clip in the list.

    Attributes:
        clip: What is known of it.
        job: Its analysis.
        incidents: How many were found.
        has_report: Whether the report is there.
    """

    clip: schemas.Clip
    job: schemas.Job
    incidents: int
    has_report: bool


@router.get("/clips")
def show_clips(
    request: Request,
    service: Opened,
    _actor: Viewer,
    cursor: Annotated[str | None, Query(pattern=schemas.ID_PATTERN)] = None,
) -> Response:
    """The clips that were sent, newest first; analysts can send more."""
    with service.database.read() as session:
        rows = _rows(session, after=cursor)
        cameras = [(camera.id, camera.name) for camera in list_cameras(session)]
    following = rows[ROWS - 1].job.id if len(rows) > ROWS else None
    limit = service.settings.limits.max_upload_bytes
    return render(request, "clips", rows=rows[:ROWS], following=following, max_bytes=limit, cameras=cameras)


@router.post("/clips/{id}/cancel")
def cancel(_form: Form, job_id: ThingId, service: Opened, actor: Analyst) -> Response:
    """Cancel the analysis with this id, and show the list again."""
    cancel_job(job_id, service, actor)
    return RedirectResponse("/clips", status_code=303)


def _rows(session: Session, *, after: str | None) -> list[ClipRow]:
    jobs = list_jobs(session, after=after, limit=ROWS + 1)
    counted = session.execute(
        select(Incident.job_id, func.count())
        .where(Incident.job_id.in_([job.id for job in jobs]))
        .group_by(Incident.job_id)
    )
    incidents = dict(counted.all())
    return [
        ClipRow(
            clip_view(job.clip),
            job_view(job),
            incidents.get(job.id, 0),
            any(file.name == "report.html" for file in files_of_job(session, job.id)),
        )
        for job in jobs
    ]
