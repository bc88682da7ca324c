"""`/cameras`: where clips come from; zones drawn on a frame of the latest clip, thresholds, days of retention."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from activity.client import schemas
from activity.config import Settings
from activity.service.api.cameras import add_camera, change_camera, read_camera, read_cameras, remove_camera
from activity.service.api.dependencies import Admin, Opened, ThingId, Viewer
from activity.service.api.files import files_of_job
from activity.service.api.originals import hides_people
from activity.service.database import Clip, Job
from activity.service.jobs.queue import threshold_labels
from activity.service.pages.rendering import render
from activity.service.pages.routing import Form, page_router
from activity.service.problems import Problem
from activity.service.runtime import Service

router = page_router()

_THRESHOLD: Final = "threshold:"
_FILM: Final = "annotated.mp4"


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What zones are drawn on: a film of the camera's latest clip.

    Attributes:
        source: Its address.
        clip_name: What the clip is called.
    """

    source: str
    clip_name: str


@router.get("/cameras")
def show_cameras(request: Request, service: Opened, actor: Viewer) -> Response:
    """All cameras by name, with how many clips came from each."""
    cameras = read_cameras(service, actor).items
    with service.database.read() as session:
        counted = session.execute(
            select(Clip.camera_id, func.count()).where(Clip.camera_id.is_not(None)).group_by(Clip.camera_id)
        )
        clips = dict(counted.all())
    return render(request, "cameras", cameras=cameras, clips=clips)


@router.get("/cameras/new")
def show_new_camera(request: Request, service: Opened, _actor: Admin) -> Response:
    """The form for a camera that is not there yet."""
    return _camera_page(request, service, None, _empty())


@router.post("/cameras")
def add(form: Form, request: Request, service: Opened, actor: Admin) -> Response:
    """Add a camera, and show it."""
    sent = _sent(form)
    try:
        made = add_camera(schemas.CameraRequest.model_validate(sent), service, actor)
    except (ValidationError, Problem) as error:
        return _camera_page(request, service, None, sent, refused=error)
    return RedirectResponse(f"/cameras/{made.id}?saved=1", status_code=303)


@router.get("/cameras/{id}")
def show_camera(
    camera_id: ThingId, request: Request, service: Opened, actor: Viewer, saved: bool = False
) -> Response:
    """A camera: to be changed by admins, to be looked at by others."""
    camera = read_camera(camera_id, service, actor)
    return _camera_page(request, service, camera, camera.model_dump(mode="json"), saved=saved)


@router.post("/cameras/{id}")
def change(form: Form, camera_id: ThingId, request: Request, service: Opened, actor: Admin) -> Response:
    """Store the form, and show the camera again."""
    camera, sent = read_camera(camera_id, service, actor), _sent(form)
    try:
        change_camera(camera_id, schemas.CameraRequest.model_validate(sent), service, actor)
    except (ValidationError, Problem) as error:
        return _camera_page(request, service, camera, sent, refused=error)
    return RedirectResponse(f"/cameras/{camera_id}?saved=1", status_code=303)


@router.post("/cameras/{id}/remove")
def remove(_form: Form, camera_id: ThingId, request: Request, service: Opened, actor: Admin) -> Response:
    """Remove a camera that no clip came from."""
    camera = read_camera(camera_id, service, actor)
    try:
        remove_camera(camera_id, service, actor)
    except Problem as error:
        return _camera_page(request, service, camera, camera.model_dump(mode="json"), refused=error)
    return RedirectResponse("/cameras", status_code=303)


def _empty() -> dict[str, Any]:
    return {"name": "", "zones": [], "thresholds": {}, "retention_days": None}


def _sent(form: FormData) -> dict[str, Any]:
    """What the form holds, as a `CameraRequest` has it where it can be one."""
    thresholds: dict[str, Any] = {}
    for field, value in form.items():
        if field.startswith(_THRESHOLD) and str(value).strip():
            thresholds[field.removeprefix(_THRESHOLD)] = _share(str(value))
    try:
        zones = json.loads(str(form.get("zones", "")) or "[]")
    except (ValueError, RecursionError):
        zones = str(form.get("zones"))
    return {
        "name": str(form.get("name", "")).strip(),
        "zones": zones,
        "thresholds": thresholds,
        "retention_days": str(form.get("retention_days", "")).strip() or None,
    }


def _zone(sent: object) -> schemas.Zone | None:
    """A zone that can be drawn; what was refused need not be one."""
    try:
        return schemas.Zone.model_validate(sent)
    except ValidationError:
        return None


def _share(percent: str) -> float | str:
    try:
        return round(float(percent) / 100, 6)
    except ValueError:
        return percent


def _camera_page(
    request: Request,
    service: Service,
    camera: schemas.Camera | None,
    values: Mapping[str, Any],
    *,
    refused: ValidationError | Problem | None = None,
    saved: bool = False,
) -> Response:
    with service.database.read() as session:
        backdrop = None if camera is None else _backdrop(session, camera.id)
        clips = 0 if camera is None else _clips(session, camera.id)
    own = _own_thresholds(service.settings.analysis)
    thresholds: Mapping[str, Any] = values["thresholds"]
    zones = values["zones"] if isinstance(values["zones"], list) else []
    return render(
        request,
        "camera",
        status=200 if refused is None else _status(refused),
        camera=camera,
        values=values,
        zones=[zone for zone in map(_zone, zones) if zone is not None],
        zones_text=json.dumps(values["zones"], ensure_ascii=False),
        labels=sorted({*own, *thresholds}),
        own=own,
        backdrop=backdrop,
        clips=clips,
        refused=None if refused is None else _reason(refused),
        saved=saved,
    )


def _backdrop(session: Session, camera_id: str) -> Backdrop | None:
    """The latest clip that can be shown to everybody who sees the page: as uploaded, or annotated where that hides people."""
    query = (
        select(Job)
        .join(Clip)
        .where(Clip.camera_id == camera_id, Clip.deleted_at.is_(None))
        .order_by(Clip.created_at.desc(), Job.created_at.desc())
        .limit(1)
    )
    job = session.scalars(query).first()
    if job is None:
        return None
    if not hides_people(job.settings):
        return Backdrop(f"/v1/clips/{job.clip_id}/content", job.clip.original_name)
    if any(file.name == _FILM for file in files_of_job(session, job.id)):
        return Backdrop(f"/v1/jobs/{job.id}/files/{_FILM}", job.clip.original_name)
    return None


def _clips(session: Session, camera_id: str) -> int:
    return session.scalar(select(func.count()).where(Clip.camera_id == camera_id)) or 0


def _own_thresholds(analysis: Settings) -> dict[str, float]:
    """Label to the lowest probability that a rule asks for, where no camera says otherwise."""
    own: dict[str, float] = {}
    for rule in analysis.fusion.rules:
        for condition in (*rule.needs, *rule.strengthened_by):
            name = condition.threshold_name
            if name is not None:
                own[name] = min(condition.at_least, own.get(name, 1.0))
    return {name: own[name] for name in threshold_labels(analysis)}


def _status(refused: ValidationError | Problem) -> int:
    return refused.status_code if isinstance(refused, Problem) else 422


def _reason(refused: ValidationError | Problem) -> str:
    if isinstance(refused, Problem):
        return str(refused.detail)
    first = refused.errors()[0]
    return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
