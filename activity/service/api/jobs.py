"""`/v1/jobs`: where an analysis stands, its progress as it happens, and its files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Cursor, Limit, Opened, ThingId, Viewer, not_found
from activity.service.api.files import file_responses, file_view, files_of_job, send_file
from activity.service.api.views import job_view
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.jobs import get_job, list_jobs, request_cancel
from activity.service.problems import Problem, problems
from activity.service.runtime import Service

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

EVENT_INTERVAL_S: Final = 0.25
"""How often a followed job is looked at."""

FileName = Annotated[
    str,
    Path(
        alias="name",
        pattern=r"^[a-z0-9_-]{1,100}\.[a-z0-9]{1,8}$",
        openapi_examples={"report": {"value": "report.json"}},
    ),
]


def _job(job_id: ThingId, service: Opened, _actor: Viewer) -> schemas.Job:
    with service.database.read() as session:
        job = get_job(session, job_id)
    if job is None:
        raise not_found("job", job_id)
    return job_view(job)


Found = Annotated[schemas.Job, Depends(_job)]


@router.get("", summary="List jobs, newest first")
def read_jobs(
    service: Opened,
    _actor: Viewer,
    state: Annotated[schemas.JobState | None, Query(description="Only jobs in this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.JobPage:
    """A page of jobs; `next` leads to the one after it."""
    with service.database.read() as session:
        rows = list_jobs(session, state=state, after=cursor, limit=limit + 1)
    items = [job_view(row) for row in rows[:limit]]
    return schemas.JobPage(items=items, next=items[-1].id if len(rows) > limit else None)


@router.get("/{id}", summary="Where a job stands", responses=problems(404))
def read_job(job: Found) -> schemas.Job:
    """State, step, progress, and for a failed job the problem that says why."""
    return job


@router.get(
    "/{id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=problems(404)
    | {200: {"description": "Events `job` with the job as JSON, each time it changes, until it is final."}},
)
async def follow_job(job: Found, service: Opened) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: one `job` at once, one at each change; the stream ends when the job is final."""
    while True:
        yield ServerSentEvent(event="job", raw_data=job.model_dump_json())
        before = job
        while job == before:
            if job.is_final:
                return
            await asyncio.sleep(EVENT_INTERVAL_S)
            job = await run_in_threadpool(_look, service, job)


def _look(service: Service, job: schemas.Job) -> schemas.Job:
    with service.database.read() as session:
        row = get_job(session, job.id)
    return job_view(row) if row is not None else job


@router.post("/{id}/cancel", summary="Cancel a job", responses=problems(404))
def cancel_job(job_id: ThingId, service: Opened, actor: Analyst) -> schemas.Job:
    """A job that waits is cancelled at once, one that runs stops soon; a final one stays as it is."""
    with service.database.write() as session:
        job = request_cancel(session, job_id)
        if job is None:
            raise not_found("job", job_id)
        if job.cancel_requested:
            append_audit(session, actor=actor.name, action="job.cancel", subject=f"job:{job_id}")
        return job_view(job)


@router.get("/{id}/files", summary="The files of a job", responses=problems(404))
def read_files(job: Found, service: Opened) -> schemas.FileList:
    """What the job wrote: `report.json`, `report.html`, `annotated.mp4`; empty until the job has written them."""
    with service.database.read() as session:
        files = files_of_job(session, job.id)
    return schemas.FileList(items=[file_view(file, f"/v1/jobs/{job.id}/files") for file in files])


@router.get(
    "/{id}/files/{name}",
    summary="A file of a job",
    response_class=StreamingResponse,
    responses=file_responses() | problems(404, 416),
)
def read_file(
    job: Found, name: FileName, request: Request, service: Opened, actor: Viewer
) -> StreamingResponse:
    """One file; takes `Range`."""
    with service.database.read() as session:
        found = next((file for file in files_of_job(session, job.id) if file.name == name), None)
    if found is None:
        raise Problem(404, "not-found", f"job {job.id} has no file {name}")
    return send_file(
        request,
        service,
        actor,
        key=found.key,
        name=found.name,
        media_type=found.media_type,
        subject=f"job:{job.id}",
    )
