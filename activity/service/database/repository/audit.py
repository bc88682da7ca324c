"""The log of who did what, each entry chained to the one before by its hash."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activity.service.audit_chain import FIRST_HASH, entry_hash
from activity.service.database.base import now
from activity.service.database.tables import AuditEntry

_CHAIN_LOCK: Final = 7_142_002  # of PostgreSQL; SQLite's writers stand in line anyway


def append_audit(
    session: Session, *, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> AuditEntry:
    """Add an entry at the end of the chain; it stands or falls with the caller's transaction.

    Call it last in the transaction: on PostgreSQL, others who append wait until that ends.

    Args:
        session: Of `Database.write`.
        actor: Who, such as ``key:NAME`` or ``system``.
        action: What, such as ``clip.upload``.
        subject: Which thing, such as ``clip:ID``.
        detail: What else belongs to it, JSON-like, without NaN.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _CHAIN_LOCK})
    last = session.scalars(select(AuditEntry).order_by(AuditEntry.sequence.desc()).limit(1)).first()
    sequence = 1 if last is None else last.sequence + 1
    previous_hash = FIRST_HASH if last is None else last.hash
    at = now()
    # As JSON gives it back, so that tuples and numeric keys hash as they will be read.
    plain: dict[str, Any] = json.loads(json.dumps(dict(detail or {}), allow_nan=False))
    entry = AuditEntry(
        sequence=sequence,
        previous_hash=previous_hash,
        hash=entry_hash(
            sequence=sequence,
            previous_hash=previous_hash,
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            detail=plain,
        ),
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        detail=plain,
    )
    session.add(entry)
    session.flush()
    return entry


def audit_entries(session: Session, *, subject: str | None = None) -> Iterator[AuditEntry]:
    """All entries in order, a few in memory at a time; with `subject`, only those of one thing."""
    query = select(AuditEntry).order_by(AuditEntry.sequence)
    if subject is not None:
        query = query.where(AuditEntry.subject == subject)
    yield from session.scalars(query.execution_options(yield_per=500))
