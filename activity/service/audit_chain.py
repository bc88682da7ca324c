"""How entries of the audit log are chained by their hashes; no database is needed to check them.

An entry's `content_hash` covers what it says, its `entry_hash` covers that and the hash of the entry before. So the
chain can be checked from content hashes alone: who is shown one incident's entries need not read all others'.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

FIRST_HASH: Final = "0" * 64
"""What the first entry names as the hash before it."""


def content_hash(
    *, sequence: int, at: datetime, actor: str, action: str, subject: str, detail: Mapping[str, Any]
) -> str:
    """SHA-256 (hex) of what an entry says: of its fields as one JSON object, UTF-8, keys sorted, without spaces.

    The time is ISO 8601 in UTC with microseconds, such as ``2026-01-31T12:00:00.000000+00:00``.
    """
    record = {
        "sequence": sequence,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": detail,
    }
    canonical = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def link_hash(previous_hash: str, content: str) -> str:
    """SHA-256 (hex) of an entry: of the entry hash before and its own content hash, each in hex, with a colon between."""
    return hashlib.sha256(f"{previous_hash}:{content}".encode()).hexdigest()


def entry_hash(
    *,
    sequence: int,
    previous_hash: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> str:
    """The hash of an entry: `link_hash` of `previous_hash` and the `content_hash` of the rest."""
    content = content_hash(
        sequence=sequence, at=at, actor=actor, action=action, subject=subject, detail=detail
    )
    return link_hash(previous_hash, content)
