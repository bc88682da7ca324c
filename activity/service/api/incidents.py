"""`/v1/incidents`: what was found, the evidence for it, and what people decide."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from activity.client import schemas
from activity.service.api.dependencies import Analyst, Cursor, Limit, Opened, ThingId, Viewer, not_found
from activity.service.api.files import StoredFile, file_responses, file_view, files_of_job, send_file
from activity.service.api.idempotency import IdempotencyHeader, find_answer, hash_request, store_answer
from activity.service.api.jobs import FileName
from activity.service.api.originals import may_see_original
from activity.service.api.views import incident_view
from activity.service.database import Incident
from activity.service.database.repository.audit import append_audit
from activity.service.database.repository.incidents import add_review, get_incident, list_incidents
from activity.service.deliveries import plan_review
from activity.service.problems import Problem, problems
from activity.service.security.gate import Actor
from activity.service.sniffing import media_type_of
from activity.structures import Severity

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])


def _find(session: Session, incident_id: str) -> Incident:
    incident = get_incident(session, incident_id)
    if incident is None:
        raise not_found("incident", incident_id)
    return incident


@router.get("", summary="List incidents, newest first")
def read_incidents(
    service: Opened,
    _actor: Viewer,
    occurred_from: Annotated[
        schemas.Moment | None, Query(alias="from", description="At this time or later.")
    ] = None,
    occurred_before: Annotated[
        schemas.Moment | None, Query(alias="before", description="Before this time.")
    ] = None,
    camera_id: Annotated[schemas.Id | None, Query(description="Of this camera.")] = None,
    clip_id: Annotated[schemas.Id | None, Query(description="Of this clip.")] = None,
    kind: Annotated[
        schemas.Label | None, Query(description="Raised by this rule.", examples=["Fighting"])
    ] = None,
    severity: Annotated[Severity | None, Query(description="This grave.")] = None,
    state: Annotated[schemas.IncidentState | None, Query(description="In this state.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.IncidentPage:
    """A page of incidents; a filter that is left out lets all through, and `next` leads to the page after."""
    with service.database.read() as session:
        rows = list_incidents(
            session,
            occurred_from=occurred_from,
            occurred_before=occurred_before,
            camera_id=camera_id,
            clip_id=clip_id,
            kind=kind,
            severity=severity,
            state=state,
            after=cursor,
            limit=limit + 1,
        )
        items = [incident_view(row) for row in rows[:limit]]
    return schemas.IncidentPage(items=items, next=items[-1].id if len(rows) > limit else None)


@router.get("/{id}", summary="One incident", responses=problems(404))
def read_incident(incident_id: ThingId, service: Opened, _actor: Viewer) -> schemas.Incident:
    """An incident with its explanation and its reviews."""
    with service.database.read() as session:
        return incident_view(_find(session, incident_id))


@router.post("/{id}/review", summary="Decide what an incident is", responses=problems(404, 409))
def review_incident(
    incident_id: ThingId,
    review: schemas.ReviewRequest,
    service: Opened,
    actor: Analyst,
    idempotency_key: IdempotencyHeader = None,
) -> schemas.Incident:
    """Confirm it, dismiss it with a reason, or correct its label. A later review stands beside the earlier ones."""
    request_hash = hash_request("POST", f"/v1/incidents/{incident_id}/review", review.model_dump_json())
    with service.database.write() as session:
        answer = find_answer(session, actor, idempotency_key, request_hash)
        if answer is not None:
            return answer  # type: ignore[return-value] # FastAPI sends a response as it is
        incident = _find(session, incident_id)
        decided = add_review(
            session,
            incident,
            reviewer=actor.name,
            decision=review.decision,
            reason=review.reason if isinstance(review, schemas.Dismissal) else None,
            label=review.label if isinstance(review, schemas.Correction) else None,
            note=review.note,
        )
        session.expire(incident, ["reviews"])
        plan_review(session, incident, decided, service.settings.alerts)
        view = incident_view(incident)
        store_answer(
            session,
            actor,
            idempotency_key,
            request_hash,
            status=200,
            body=view.model_dump(mode="json"),
            headers={},
            hours=service.settings.http.idempotency_hours,
        )
        append_audit(
            session,
            actor=actor.name,
            action="incident.review",
            subject=f"incident:{incident_id}",
            detail=review.model_dump(mode="json"),
        )
    return view


@router.get("/{id}/evidence", summary="The files behind an incident", responses=problems(404))
def read_evidence(incident_id: ThingId, service: Opened, actor: Viewer) -> schemas.FileList:
    """The report, the annotated clip, and the uploaded one: unless its time is over, or you may not see it."""
    with service.database.read() as session:
        files = _evidence(session, _find(session, incident_id), actor)
    return schemas.FileList(
        items=[file_view(file, f"/v1/incidents/{incident_id}/evidence") for file in files]
    )


@router.get(
    "/{id}/evidence/{name}",
    summary="A file behind an incident",
    response_class=StreamingResponse,
    responses=file_responses() | problems(404, 416),
)
def read_evidence_file(
    incident_id: ThingId, name: FileName, request: Request, service: Opened, actor: Viewer
) -> StreamingResponse:
    """One file; takes `Range`."""
    with service.database.read() as session:
        files = _evidence(session, _find(session, incident_id), actor)
    found = next((file for file in files if file.name == name), None)
    if found is None:
        raise Problem(404, "not-found", f"incident {incident_id} has no file {name}")
    return send_file(
        request,
        service,
        actor,
        key=found.key,
        name=found.name,
        media_type=found.media_type,
        subject=f"incident:{incident_id}",
    )


def _evidence(session: Session, incident: Incident, actor: Actor) -> list[StoredFile]:
    files = files_of_job(session, incident.job_id)
    clip = incident.clip
    if clip.deleted_at is None and may_see_original(session, clip.id, actor):
        suffix = "." + clip.storage_key.rpartition(".")[2]
        files.append(StoredFile(f"clip{suffix}", clip.storage_key, clip.size_bytes, media_type_of(suffix)))
    return files
