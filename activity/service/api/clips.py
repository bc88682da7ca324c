"""`/v1/clips`: upload a clip, and what is known of it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Opened, ThingId, Viewer, not_found
from activity.service.api.files import send_file
from activity.service.api.idempotency import IdempotencyHeader, find_answer, hash_request, store_answer
from activity.service.api.originals import require_original
from activity.service.api.uploads import Upload, receive_upload
from activity.service.api.views import clip_view, job_view
from activity.service.database import Clip
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.clips import get_camera, get_clip
from activity.service.database.repository.jobs import count_unfinished
from activity.service.jobs.queue import QueueFullError, submit_job
from activity.service.problems import Problem, problems
from activity.service.runtime import Service
from activity.service.security.gate import Actor
from activity.service.sniffing import media_type_of
from activity.service.storage import new_key

router = APIRouter(prefix="/v1/clips", tags=["clips"])

_POLL_S: Final = 2
_MOMENT: Final[TypeAdapter[Any]] = TypeAdapter(schemas.Moment)
_ID: Final[TypeAdapter[Any]] = TypeAdapter(schemas.Id)
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "The clip itself, or a form with the clip in its field `file`.",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "camera_id": {"type": "string", "pattern": schemas.ID_PATTERN},
                        "recorded_at": {"type": "string", "format": "date-time"},
                    },
                }
            },
        },
    }
}
_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "description": "The clip is stored and its analysis is in the queue.",
        "model": schemas.Submission,
        "headers": {
            "Location": {"description": "The job.", "schema": {"type": "string"}},
            "Retry-After": {
                "description": "Seconds until a look is worth it.",
                "schema": {"type": "integer"},
            },
        },
    }
}


@router.post(
    "",
    status_code=202,
    summary="Upload a clip and have it analysed",
    responses=_ACCEPTED | problems(400, 409, 413, 415, 429),
    openapi_extra=_BODY,
)
async def upload_clip(
    request: Request,
    service: Opened,
    actor: Analyst,
    idempotency_key: IdempotencyHeader = None,
    name: Annotated[schemas.Line | None, Query(description="What the clip is called.")] = None,
    camera_id: Annotated[schemas.Id | None, Query(description="The camera it comes from.")] = None,
    recorded_at: Annotated[
        schemas.Moment | None, Query(description="When its first frame was recorded.")
    ] = None,
) -> JSONResponse:
    """Stream a clip in, as the body or as the field `file` of a form; `Location` names the job that analyses it.

    The container is judged by its first bytes. Playlists, pictures and other files are refused with 415.
    """
    if idempotency_key is None:
        await run_in_threadpool(_require_room, service)
    upload = await receive_upload(
        request, service.upload_folder, max_bytes=service.settings.limits.max_upload_bytes
    )
    try:
        camera_id = camera_id or _form_field(upload, "camera_id", _ID)
        recorded_at = recorded_at or _form_field(upload, "recorded_at", _MOMENT)
        request_hash = hash_request(
            "POST", "/v1/clips", camera_id or "", str(recorded_at or ""), upload.sha256
        )
        row = Clip(
            storage_key=new_key("clips", upload.container.suffix),
            original_name=_shown_name(name or upload.filename, upload),
            sha256=upload.sha256,
            size_bytes=upload.size_bytes,
            camera_id=camera_id,
            uploaded_by=actor.name,
            recorded_at=recorded_at,
        )
        return await run_in_threadpool(_accept, service, actor, upload, row, idempotency_key, request_hash)
    finally:
        upload.path.unlink(missing_ok=True)


@router.get("/{id}", summary="What is known of a clip", responses=problems(404))
def read_clip(clip_id: ThingId, service: Opened, _actor: Viewer) -> schemas.Clip:
    """A clip's name, hash, size and times."""
    with service.database.read() as session:
        clip = get_clip(session, clip_id)
        if clip is None:
            raise not_found("clip", clip_id)
        return clip_view(clip)


@router.get(
    "/{id}/content",
    summary="The clip itself",
    response_class=StreamingResponse,
    responses=problems(404, 410, 416)
    | {
        200: {"description": "The whole clip.", "content": {"video/*": {}}},
        206: {"description": "A part of it.", "content": {"video/*": {}}},
    },
)
def read_content(clip_id: ThingId, request: Request, service: Opened, actor: Viewer) -> StreamingResponse:
    """The bytes that were uploaded; takes `Range`. Not for viewers where its analysis covers heads."""
    with service.database.read() as session:
        clip = get_clip(session, clip_id)
        if clip is None:
            raise not_found("clip", clip_id)
        require_original(session, clip_id, actor)
    if clip.deleted_at is not None:
        raise Problem(410, "deleted", f"clip {clip_id} was deleted when its time was over")
    suffix = "." + clip.storage_key.rpartition(".")[2]
    return send_file(
        request,
        service,
        actor,
        key=clip.storage_key,
        name=f"{clip_id}{suffix}",
        media_type=media_type_of(suffix),
        subject=f"clip:{clip_id}",
    )


def _require_room(service: Service) -> None:
    """Refuse an upload before it is read where there would be no place for it in the queue."""
    queue = service.settings.queue
    with service.database.read() as session:
        unfinished = count_unfinished(session)
    if unfinished >= queue.max_unfinished:
        raise _queue_full(QueueFullError(unfinished=unfinished, retry_after_s=queue.retry_after_s))


def _queue_full(error: QueueFullError) -> Problem:
    return Problem(429, "queue-full", str(error), headers={"Retry-After": str(error.retry_after_s)})


def _accept(
    service: Service, actor: Actor, upload: Upload, row: Clip, idempotency_key: str | None, request_hash: str
) -> JSONResponse:
    """Store the clip, its job and the answer; the rows in one transaction."""
    with service.database.read() as session:
        answer = find_answer(session, actor, idempotency_key, request_hash)
        if answer is not None:
            return answer
        if row.camera_id is not None and get_camera(session, row.camera_id) is None:
            raise Problem(
                422, "unknown-camera", f"there is no camera {row.camera_id}; add it, or leave it out"
            )
    service.storage.put(row.storage_key, upload.path)
    kept = False
    try:
        with service.database.write() as session:
            answer = find_answer(session, actor, idempotency_key, request_hash)
            if answer is not None:
                return answer
            answer = _enqueue(session, service, actor, row, idempotency_key, request_hash)
        kept = True
    except QueueFullError as error:
        raise _queue_full(error) from error
    except IntegrityError as error:
        raise Problem(
            409, "in-progress", "another request with this Idempotency-Key is at work; send it again"
        ) from error
    finally:
        if not kept:
            service.storage.delete(row.storage_key)
    service.metrics.uploaded_bytes.inc(row.size_bytes)
    return answer


def _enqueue(
    session: Session,
    service: Service,
    actor: Actor,
    row: Clip,
    idempotency_key: str | None,
    request_hash: str,
) -> JSONResponse:
    settings = service.settings
    session.add(row)
    session.flush()
    job = submit_job(
        session,
        clip=row,
        submitted_by=actor.name,
        analysis=settings.analysis,
        max_unfinished=settings.queue.max_unfinished,
        retry_after_s=settings.queue.retry_after_s,
    )
    body = schemas.Submission(clip=clip_view(row), job=job_view(job)).model_dump(mode="json")
    headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": str(_POLL_S)}
    store_answer(
        session,
        actor,
        idempotency_key,
        request_hash,
        status=202,
        body=body,
        headers=headers,
        hours=settings.http.idempotency_hours,
    )
    append_audit(
        session,
        actor=actor.name,
        action="clip.upload",
        subject=f"clip:{row.id}",
        detail={"sha256": row.sha256, "size_bytes": row.size_bytes, "name": row.original_name, "job": job.id},
    )
    return JSONResponse(body, status_code=202, headers=headers)


def _form_field(upload: Upload, name: str, kind: TypeAdapter[Any]) -> Any:
    value = upload.fields.get(name)
    if not value:
        return None
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise Problem(422, "invalid", f"form field {name}: {error.errors()[0]['msg']}") from error


def _shown_name(name: str | None, upload: Upload) -> str:
    """What the sender called the clip, as text to show: no folders, no control characters, not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(character for character in last if character.isprintable()).strip()
    return shown[-255:] or f"clip{upload.container.suffix}"
