"""`/incidents`: the list with its filters, and the page on which a person looks and decides."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Opened, ThingId, Viewer
from activity.service.api.incidents import read_evidence, read_incident, read_incidents, review_incident
from activity.service.database import Camera, Clip, Incident
from activity.service.pages.player import player_of
from activity.service.pages.rendering import render
from activity.service.pages.routing import Form, page_router
from activity.service.runtime import Service
from activity.service.security.gate import Actor
from activity.structures import Severity

router = page_router()

_REVIEW: Final[TypeAdapter[Any]] = TypeAdapter(schemas.ReviewRequest)
_REVIEW_FIELDS: Final = {
    "confirmed": ("decision", "note"),
    "dismissed": ("decision", "reason", "note"),
    "corrected": ("decision", "label", "note"),
}
_ROWS: Final = 50


@router.get("/incidents")
def show_incidents(
    request: Request,
    service: Opened,
    actor: Viewer,
    state: schemas.IncidentState | Literal[""] = "",
    severity: Severity | Literal[""] = "",
    kind: Annotated[str, Query(max_length=100)] = "",
    clip_id: Annotated[str, Query(pattern=f"{schemas.ID_PATTERN}|^$")] = "",
    cursor: Annotated[str | None, Query(pattern=schemas.ID_PATTERN)] = None,
) -> Response:
    """Incidents, newest first; an empty filter lets all through."""
    found = read_incidents(
        service,
        actor,
        state=state or None,
        severity=severity or None,
        kind=kind or None,
        clip_id=clip_id or None,
        cursor=cursor,
        limit=_ROWS,
    )
    filters = {"state": state, "severity": severity, "kind": kind, "clip_id": clip_id}
    kept = {name: value for name, value in filters.items() if value}
    with service.database.read() as session:
        kinds = session.scalars(select(Incident.kind).distinct().order_by(Incident.kind)).all()
        clips = {incident.clip_id for incident in found.items} | ({clip_id} if clip_id else set())
        named = session.execute(select(Clip.id, Clip.original_name).where(Clip.id.in_(clips)))
        names = dict(named.all())
    return render(
        request,
        "incidents",
        incidents=found.items,
        names=names,
        filters=filters,
        states=get_args(schemas.IncidentState),
        severities=get_args(Severity),
        kinds=kinds,
        following=f"/incidents?{urlencode(kept | {'cursor': found.next})}" if found.next else None,
    )


@router.get("/incidents/{id}")
def show_incident(incident_id: ThingId, request: Request, service: Opened, actor: Viewer) -> Response:
    """One incident: its film, the reasons for it, what people decided, and for analysts the forms to decide."""
    return _incident_page(request, service, actor, incident_id)


@router.post("/incidents/{id}/review")
def review(form: Form, incident_id: ThingId, request: Request, service: Opened, actor: Analyst) -> Response:
    """Store a decision, and show the incident again."""
    fields = _REVIEW_FIELDS.get(str(form.get("decision")), ("decision",))
    sent = {name: str(form.get(name, "")).strip() for name in fields}
    try:
        decision = _REVIEW.validate_python(sent)
    except ValidationError as error:
        first = error.errors()[0]
        detail = f"{first['loc'][-1] if first['loc'] else 'decision'}: {first['msg']}"
        return _incident_page(request, service, actor, incident_id, status=422, refused=detail)
    review_incident(incident_id, decision, service, actor)
    return RedirectResponse(f"/incidents/{incident_id}#reviews", status_code=303)


def _incident_page(
    request: Request,
    service: Service,
    actor: Actor,
    incident_id: str,
    *,
    status: int = 200,
    refused: str | None = None,
) -> Response:
    incident = read_incident(incident_id, service, actor)
    files = read_evidence(incident_id, service, actor).items
    with service.database.read() as session:
        clip = session.get_one(Clip, incident.clip_id)
        camera = session.get(Camera, incident.camera_id) if incident.camera_id else None
        labels = session.scalars(select(Incident.label).distinct().order_by(Incident.label)).all()
        name, deleted = clip.original_name, clip.deleted_at is not None
        camera_name = camera.name if camera is not None else None
    by_name = {file.name: file for file in files}
    return render(
        request,
        "incident",
        status=status,
        incident=incident,
        clip_name=name,
        clip_deleted=deleted,
        camera_name=camera_name,
        player=player_of(service, incident, files),
        report=by_name.get("report.html"),
        files=files,
        labels=labels,
        refused=refused,
    )
