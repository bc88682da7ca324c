"""From the service's database and storage to the bundle of one incident."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activity import __version__
from activity.errors import OutputError
from activity.report import read_head
from activity.service.audit_chain import content_hash
from activity.service.database import AuditEntry, Database, Delivery, Incident, StepOutput
from activity.service.database.repository.audit import append_audit
from activity.service.evidence.audit_excerpt import full_line, hashed_line
from activity.service.evidence.bundle import Source, write_bundle
from activity.service.evidence.manifest import (
    AUDIT_LOG,
    AuditFacts,
    ClipFacts,
    Manifest,
    MemberEntry,
    MissingEntry,
)
from activity.service.evidence.signing import SigningKey
from activity.service.storage import Storage

REPORT_FILES: Final = ("report.json", "report.html", "annotated.mp4")


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written.

    Attributes:
        path: Where it lies.
        sha256: Hex digest of the file; the log has it too.
        size_bytes: Its length.
        manifest: What it holds.
    """

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest


@dataclass(slots=True)
class _Contents:
    """What goes into the bundle, and what ought to but cannot."""

    sources: list[Source] = field(default_factory=list)
    missing: list[MissingEntry] = field(default_factory=list)


def export_bundle(
    database: Database,
    storage: Storage,
    incident_id: str,
    *,
    exported_by: str,
    path: Path,
    key: SigningKey | None = None,
) -> Exported:
    """Write the bundle of one incident to `path`.

    The export is an entry of the audit log, the last one in the bundle; the finished file's SHA-256 is another, so
    that the log says which bundle is the true one.

    Args:
        database: Incidents, reviews, the log.
        storage: The files.
        incident_id: The incident.
        exported_by: The actor, for the log.
        path: Written anew.
        key: Signs the manifest; `None` leaves the bundle unsigned.

    Raises:
        OutputError: If there is no such incident, or a stored file is not what it was when it was stored.
    """
    with database.write() as session:
        if session.get(Incident, incident_id) is None:
            raise OutputError(f"there is no incident {incident_id}")
        entry = append_audit(
            session, actor=exported_by, action="incident.export", subject=f"incident:{incident_id}"
        )
        last_sequence = entry.sequence
    with database.read() as session, tempfile.TemporaryFile() as log:
        incident = session.get_one(Incident, incident_id)
        contents = _Contents()
        clip = _add_clip(contents, storage, incident)
        _add_report(contents, storage, session, incident)
        facts = _incident_facts(incident)
        _add_json(contents, "incident.json", facts | {"job_settings": incident.job.settings})
        _add_json(contents, "reviews.json", [_review_facts(review) for review in incident.reviews])
        _add_json(contents, "alerts.json", _delivery_facts(session, incident))
        audit = _write_log(session, incident, last_sequence, log)
        contents.sources.append(Source(AUDIT_LOG, lambda: _reopened(log)))

        def make_manifest(members: tuple[MemberEntry, ...]) -> Manifest:
            manifest = Manifest(
                generator=f"activity {__version__}",
                incident=facts,
                clip=clip,
                exported_at=entry.at.isoformat(timespec="microseconds"),
                exported_by=exported_by,
                audit=audit,
                missing=tuple(contents.missing),
                members=members,
            )
            return manifest if key is None else key.sign(manifest)

        with path.open("wb") as target:
            manifest = write_bundle(target, contents.sources, make_manifest)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    size = path.stat().st_size
    with database.write() as session:
        append_audit(
            session,
            actor=exported_by,
            action="incident.bundle",
            subject=f"incident:{incident_id}",
            detail={"sha256": digest, "size_bytes": size, "exported_in": last_sequence},
        )
    return Exported(path, digest, size, manifest)


def _add_clip(contents: _Contents, storage: Storage, incident: Incident) -> ClipFacts:
    clip = incident.clip
    name: str | None = f"clip/original.{clip.storage_key.rpartition('.')[2]}"
    if clip.deleted_at is not None or not storage.exists(clip.storage_key):
        reason = (
            f"deleted at {clip.deleted_at.isoformat()}: its time was over"
            if clip.deleted_at is not None
            else "the storage no longer has it"
        )
        contents.missing.append(MissingEntry(name=str(name), reason=reason))
        name = None
    else:
        contents.sources.append(_stored(storage, str(name), clip.storage_key, clip.sha256))
    return ClipFacts(
        id=clip.id,
        original_name=clip.original_name,
        sha256=clip.sha256,
        size_bytes=clip.size_bytes,
        member=name,
    )


def _add_report(contents: _Contents, storage: Storage, session: Session, incident: Incident) -> None:
    files: dict[str, dict[str, Any]] = {}
    for output in session.scalars(select(StepOutput).where(StepOutput.job_id == incident.job_id)):
        files.update(output.files)
    for file in REPORT_FILES:
        name = f"report/{file}"
        stored = files.get(file)
        if stored is None:
            contents.missing.append(MissingEntry(name=name, reason="the analysis did not write it"))
        elif not storage.exists(stored["key"]):
            contents.missing.append(MissingEntry(name=name, reason="the storage no longer has it"))
        else:
            contents.sources.append(_stored(storage, name, stored["key"], stored["sha256"]))
            if file == "report.json":
                _add_models(contents, storage, stored["key"])


def _add_models(contents: _Contents, storage: Storage, key: str) -> None:
    """Models and settings of the analysis, from the head of its report."""
    with storage.local_file(key) as path:
        head = read_head(path)
    _add_json(
        contents,
        "models.json",
        {
            "generator": head.generator,
            "created_at": head.created_at,
            "models": [model.model_dump(mode="json") for model in head.models],
            "settings": head.settings,
        },
    )


def _stored(storage: Storage, name: str, key: str, sha256: str) -> Source:
    """A stored file, after a look whether it is still what it was when it was stored."""
    with storage.open(key) as stream:
        found = hashlib.file_digest(cast("Any", stream), "sha256").hexdigest()
    if found != sha256:
        raise OutputError(
            f"{name}: the stored file was changed: SHA-256 {found}, stored as {sha256}; it is no evidence"
        )
    return Source(name, lambda: storage.open(key))


def _add_json(contents: _Contents, name: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"
    contents.sources.append(Source.of_bytes(name, text.encode()))


def _incident_facts(incident: Incident) -> dict[str, Any]:
    clip, camera = incident.clip, incident.camera
    return {
        "id": incident.id,
        "job_id": incident.job_id,
        "rule": incident.kind,
        "label": incident.label,
        "label_corrected": incident.label_corrected,
        "agency": incident.agency,
        "severity": incident.severity,
        "start_s": incident.start_s,
        "end_s": incident.end_s,
        "score": incident.score,
        "track_ids": list(incident.track_ids),
        "explanation": list(incident.explanation),
        "state": incident.state,
        "occurred_at": incident.occurred_at.isoformat(),
        "camera": None if camera is None else {"id": camera.id, "name": camera.name},
        "recorded_at": None if clip.recorded_at is None else clip.recorded_at.isoformat(),
        "uploaded_at": clip.created_at.isoformat(),
        "uploaded_by": clip.uploaded_by,
    }


def _review_facts(review: Any) -> dict[str, Any]:
    return {
        "id": review.id,
        "reviewer": review.reviewer,
        "decision": review.decision,
        "reason": review.reason,
        "label": review.label,
        "note": review.note,
        "at": review.at.isoformat(),
    }


def _delivery_facts(session: Session, incident: Incident) -> list[dict[str, Any]]:
    rows = session.scalars(select(Delivery).where(Delivery.incident_id == incident.id).order_by(Delivery.id))
    return [
        {
            "id": row.id,
            "sink": row.sink,
            "event": row.event,
            "kind": row.kind,
            "state": row.state,
            "attempts": row.attempts,
            "last_error": row.last_error,
            "delivered_at": None if row.delivered_at is None else row.delivered_at.isoformat(),
            "message": row.payload.get("message"),
        }
        for row in rows
    ]


def _write_log(session: Session, incident: Incident, last_sequence: int, log: BinaryIO) -> AuditFacts:
    """Write the excerpt: this incident's entries in full, all others up to the export as hashes."""
    own = {f"incident:{incident.id}", f"clip:{incident.clip_id}", f"job:{incident.job_id}"}
    first = session.scalar(select(func.min(AuditEntry.sequence)).where(AuditEntry.subject.in_(own)))
    if first is None:
        raise OutputError(f"incident {incident.id}: the audit log has no entry on it")
    previous_hash, head = "", ""
    for entry in _entries(session, first, last_sequence):
        previous_hash = previous_hash or entry.previous_hash
        head = entry.hash
        said: dict[str, Any] = {
            "sequence": entry.sequence,
            "at": entry.at,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "detail": entry.detail,
        }
        if entry.subject in own:
            log.write(full_line(entry_hash=entry.hash, **said))
        else:
            log.write(
                hashed_line(sequence=entry.sequence, entry_hash=entry.hash, content=content_hash(**said))
            )
    return AuditFacts(
        previous_hash=previous_hash, first_sequence=first, last_sequence=last_sequence, head=head
    )


def _entries(session: Session, first: int, last: int) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(AuditEntry.sequence.between(first, last)).order_by(AuditEntry.sequence)
    yield from session.scalars(query.execution_options(yield_per=500))


def _reopened(log: BinaryIO) -> BinaryIO:
    """Another stream on an open file, from its beginning."""
    log.seek(0)  # writes what is still in memory, too
    return open(log.fileno(), "rb", closefd=False)
