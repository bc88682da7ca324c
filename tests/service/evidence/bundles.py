"""Small bundles of evidence, made for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from activity.service.audit_chain import content_hash, link_hash
from activity.service.evidence import verify_bundle
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

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = b"\x00\x01video" * 30
BEFORE = "5" * 64

Actions = Sequence[tuple[str, str, dict[str, Any]] | None]


def audit_log(actions: Actions, *, first: int = 7) -> tuple[bytes, str, dict[int, str]]:
    """Lines, head and hashes by sequence; `None` stands for an entry of another incident."""
    lines, head, hashes = b"", BEFORE, {}
    for sequence, action in enumerate(actions, start=first):
        said = action or ("key.add", "key:secret", {})
        fields: dict[str, Any] = {
            "sequence": sequence,
            "at": NOON + timedelta(seconds=sequence),
            "actor": "key:ann",
            "action": said[0],
            "subject": said[1],
            "detail": said[2],
        }
        content = content_hash(**fields)
        head = hashes[sequence] = link_hash(head, content)
        if action is None:
            lines += hashed_line(sequence=sequence, entry_hash=head, content=content)
        else:
            lines += full_line(entry_hash=head, **fields)
    return lines, head, hashes


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ACTIONS: Actions = (
    ("clip.upload", "clip:c1", {"sha256": sha256(CLIP)}),
    None,
    ("incident.review", "incident:i1", {"decision": "confirmed", "note": "größer"}),
    None,
    ("incident.export", "incident:i1", {}),
)


def make_bundle(
    path: Path, *, actions: Actions = ACTIONS, log: bytes | None = None, clip: bytes = CLIP, **facts: Any
) -> Path:
    lines, head, _ = audit_log(actions)
    sources = [
        Source.of_bytes("clip/original.mp4", clip),
        Source.of_bytes("report/report.json", b'{"schema_version": 1}\n'),
        Source.of_bytes("empty.json", b""),
        Source.of_bytes(AUDIT_LOG, lines if log is None else log),
    ]

    def manifest(members: tuple[MemberEntry, ...]) -> Manifest:
        content: dict[str, Any] = {
            "generator": "activity 1",
            "incident": {"id": "i1", "score": 0.93, "label": "Fighting"},
            "clip": ClipFacts(
                id="c1",
                original_name="tür.mp4",
                sha256=sha256(CLIP),
                size_bytes=len(CLIP),
                member="clip/original.mp4",
            ),
            "exported_at": "2026-03-01T12:00:11+00:00",
            "exported_by": "key:ann",
            "audit": AuditFacts(
                previous_hash=BEFORE, first_sequence=7, last_sequence=6 + len(actions), head=head
            ),
            "missing": (MissingEntry(name="report/annotated.mp4", reason="its time is over"),),
            "members": members,
        }
        return Manifest(**(content | facts))

    with path.open("wb") as target:
        write_bundle(target, sources, manifest)
    return path


def broken(path: Path, **options: Any) -> tuple[str, str]:
    found = verify_bundle(path, **options)
    assert not found.valid
    assert found.broken is not None
    assert found.broken.found
    return found.broken.part, found.broken.name
