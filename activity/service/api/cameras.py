"""`/v1/cameras`: where clips come from, the zones of the picture, and thresholds of their own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activity.client import schemas
from activity.errors import ConfigurationError
from activity.service.api.dependencies import Admin, Opened, ThingId, Viewer, not_found
from activity.service.api.idempotency import IdempotencyHeader, find_answer, hash_request, store_answer
from activity.service.api.views import camera_view
from activity.service.database import Camera, Clip
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.clips import get_camera, list_cameras
from activity.service.jobs.queue import require_usable
from activity.service.problems import Problem, problems
from activity.service.runtime import Service

router = APIRouter(prefix="/v1/cameras", tags=["cameras"])


@router.get("", summary="List cameras by name")
def read_cameras(service: Opened, _actor: Viewer) -> schemas.CameraList:
    """All cameras."""
    with service.database.read() as session:
        return schemas.CameraList(items=[camera_view(row) for row in list_cameras(session)])


@router.get("/{id}", summary="One camera", responses=problems(404))
def read_camera(camera_id: ThingId, service: Opened, _actor: Viewer) -> schemas.Camera:
    """A camera with its zones and thresholds."""
    with service.database.read() as session:
        return camera_view(_find(session, camera_id))


@router.post("", status_code=201, summary="Add a camera", responses=problems(409))
def add_camera(
    camera: schemas.CameraRequest, service: Opened, actor: Admin, idempotency_key: IdempotencyHeader = None
) -> schemas.Camera:
    """Add a camera; its name is not taken yet."""
    request_hash = hash_request("POST", "/v1/cameras", camera.model_dump_json())
    try:
        with service.database.write() as session:
            answer = find_answer(session, actor, idempotency_key, request_hash)
            if answer is not None:
                return answer  # type: ignore[return-value] # FastAPI sends a response as it is
            row = Camera(**_columns(camera))
            _require_usable(service, row)
            session.add(row)
            session.flush()
            view = camera_view(row)
            store_answer(
                session,
                actor,
                idempotency_key,
                request_hash,
                status=201,
                body=view.model_dump(mode="json"),
                headers={},
                hours=service.settings.http.idempotency_hours,
            )
            append_audit(
                session,
                actor=actor.name,
                action="camera.add",
                subject=f"camera:{row.id}",
                detail=camera.model_dump(mode="json"),
            )
    except IntegrityError as error:
        raise _name_taken(camera) from error
    return view


@router.put("/{id}", summary="Change a camera", responses=problems(404, 409))
def change_camera(
    camera_id: ThingId, camera: schemas.CameraRequest, service: Opened, actor: Admin
) -> schemas.Camera:
    """Replace name, zones, thresholds and retention; clips that come from now on are judged by them."""
    try:
        with service.database.write() as session:
            row = _find(session, camera_id)
            for name, value in _columns(camera).items():
                setattr(row, name, value)
            _require_usable(service, row)
            session.flush()
            view = camera_view(row)
            append_audit(
                session,
                actor=actor.name,
                action="camera.change",
                subject=f"camera:{camera_id}",
                detail=camera.model_dump(mode="json"),
            )
    except IntegrityError as error:
        raise _name_taken(camera) from error
    return view


@router.delete("/{id}", status_code=204, summary="Remove a camera", responses=problems(404, 409))
def remove_camera(camera_id: ThingId, service: Opened, actor: Admin) -> None:
    """Remove a camera that no clip came from; others stay, since incidents name them."""
    with service.database.write() as session:
        _find(session, camera_id)
        clips = session.scalar(select(func.count()).where(Clip.camera_id == camera_id)) or 0
        if clips:
            raise Problem(409, "in-use", f"{clips} clips came from this camera; it stays, since they name it")
        session.execute(delete(Camera).where(Camera.id == camera_id))
        append_audit(session, actor=actor.name, action="camera.remove", subject=f"camera:{camera_id}")


def _find(session: Session, camera_id: str) -> Camera:
    row = get_camera(session, camera_id)
    if row is None:
        raise not_found("camera", camera_id)
    return row


def _columns(camera: schemas.CameraRequest) -> dict[str, Any]:
    return camera.model_dump(mode="json")


def _require_usable(service: Service, row: Camera) -> None:
    """Refuse what would make every analysis of the camera's clips fail, or would silently have no effect."""
    try:
        require_usable(row, service.settings.analysis)
    except ConfigurationError as error:
        raise Problem(422, "unusable", str(error)) from error


def _name_taken(camera: schemas.CameraRequest) -> Problem:
    return Problem(409, "name-taken", f"there is a camera {camera.name!r} already; take another name")
