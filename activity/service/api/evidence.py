"""`/v1/incidents/{id}/bundle`: evidence that leaves the service; its public key, and what to note of its log."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import FileResponse
from sqlalchemy import select
from starlette.background import BackgroundTask

from activity.client import schemas
from activity.errors import OutputError
from activity.service.api.dependencies import Analyst, Opened, ThingId, Viewer, not_found
from activity.service.audit_chain import FIRST_HASH
from activity.service.database import AuditEntry
from activity.service.database.repository.incidents import get_incident
from activity.service.evidence.export import export_bundle
from activity.service.problems import Problem, problems

router = APIRouter(prefix="/v1", tags=["evidence"])
_ZIP: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A zip that `activity verify` proves.",
        "content": {"application/zip": {}},
        "headers": {
            "X-Content-SHA256": {"description": "Hash of the whole file.", "schema": {"type": "string"}}
        },
    }
}


@router.get(
    "/incidents/{id}/bundle",
    summary="Export an incident as evidence",
    response_class=FileResponse,
    responses=_ZIP | problems(404, 409),
)
def read_bundle(incident_id: ThingId, service: Opened, actor: Analyst) -> FileResponse:
    """Clip, report, models, settings, reviews, alerts and the log, with a hash of each and of all.

    The export stands in the log; so does the hash of the finished file.
    """
    with service.database.read() as session:
        if get_incident(session, incident_id) is None:
            raise not_found("incident", incident_id)
    service.upload_folder.mkdir(parents=True, exist_ok=True)
    # a name that the sweep of unfinished uploads knows, should this process be killed
    with tempfile.NamedTemporaryFile(
        dir=service.upload_folder, prefix="upload-bundle-", delete=False
    ) as file:
        path = Path(file.name)
    try:
        exported = export_bundle(
            service.database,
            service.storage,
            incident_id,
            exported_by=actor.name,
            path=path,
            key=service.signing_key,
        )
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OutputError):
            raise Problem(409, "no-evidence", str(error)) from error
        raise
    return FileResponse(
        path,
        media_type="application/zip",
        filename=f"incident-{incident_id}.zip",
        headers={"X-Content-SHA256": exported.sha256, "Cache-Control": "private, no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


@router.get("/evidence/public-key", summary="The key that signs bundles")
def read_public_key(service: Opened, _actor: Viewer) -> schemas.EvidenceKey:
    """Ed25519: noted elsewhere before it is needed, it proves who exported a bundle (`activity verify --public-key`)."""
    key = service.signing_key
    return schemas.EvidenceKey(algorithm="Ed25519", public_key=key.public_key, pem=key.public_pem)


@router.get("/audit/head", summary="The newest entry of the audit log")
def read_audit_head(service: Opened, _actor: Viewer) -> schemas.AuditHead:
    """Sequence and hash: noted elsewhere, they prove later that the log was not rewritten (`activity verify --anchor`)."""
    with service.database.read() as session:
        last = session.scalars(select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(1)).first()
    if last is None:
        return schemas.AuditHead(sequence=0, hash=FIRST_HASH, at=None)
    return schemas.AuditHead(sequence=last.sequence, hash=last.hash, at=last.at)
