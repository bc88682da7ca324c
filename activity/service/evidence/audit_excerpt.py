"""The excerpt of the audit log in a bundle: what was done to this incident in full, all else as hashes.

One JSON object a line, from the first entry that concerns the incident to the export itself, without gaps. An entry
of this incident, its clip or its job has ``at``, ``actor``, ``action``, ``subject`` and ``detail``; any other has
``content_hash`` in their place. All have ``sequence`` and ``hash``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from activity.service.audit_chain import content_hash, link_hash
from activity.service.evidence.manifest import Digest, canonical


class FullEntry(BaseModel):
    """An entry that is shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sequence: Annotated[int, Field(ge=1)]
    hash: Digest
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, JsonValue]

    def content_hash(self) -> str:
        """Hash of what the entry says."""
        return content_hash(
            sequence=self.sequence,
            at=datetime.fromisoformat(self.at),
            actor=self.actor,
            action=self.action,
            subject=self.subject,
            detail=self.detail,
        )


class HashedEntry(BaseModel):
    """An entry that is not for the reader of this bundle."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sequence: Annotated[int, Field(ge=1)]
    hash: Digest
    content_hash: Digest


def full_line(
    *,
    sequence: int,
    entry_hash: str,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
) -> bytes:
    """The line of an entry that is shown; `at` in UTC."""
    content = {
        "sequence": sequence,
        "hash": entry_hash,
        "at": at.isoformat(timespec="microseconds"),
        "actor": actor,
        "action": action,
        "subject": subject,
        "detail": dict(detail),
    }
    return canonical(content) + b"\n"


def hashed_line(*, sequence: int, entry_hash: str, content: str) -> bytes:
    """The line of an entry of which only the hash is shown."""
    return canonical({"sequence": sequence, "hash": entry_hash, "content_hash": content}) + b"\n"


class BrokenLinkError(Exception):
    """The chain does not hold.

    Attributes:
        sequence: The entry that it breaks at, as far as that is known.
        found: What is wrong with it.
    """

    def __init__(self, sequence: int, found: str) -> None:
        self.sequence = sequence
        self.found = found
        super().__init__(f"entry {sequence}: {found}")


def follow_chain(
    lines: Iterator[bytes], *, previous_hash: str, first_sequence: int
) -> Iterator[FullEntry | HashedEntry]:
    """Read the excerpt and check each link before its entry is given out.

    Raises:
        BrokenLinkError: At the first entry that is damaged, out of sequence, or has another hash than it says.
    """
    for expected, line in enumerate(lines, start=first_sequence):
        entry = _read(line, expected)
        if entry.sequence != expected:
            raise BrokenLinkError(expected, f"entry {entry.sequence} stands in its place")
        try:
            content = entry.content_hash() if isinstance(entry, FullEntry) else entry.content_hash
        except (ValueError, OverflowError) as error:  # no time, or what JSON cannot write again
            raise BrokenLinkError(expected, "it is no entry of the log") from error
        if link_hash(previous_hash, content) != entry.hash:
            raise BrokenLinkError(
                expected, "its hash does not follow from its content and from the hash before"
            )
        previous_hash = entry.hash
        yield entry


def _read(line: bytes, expected: int) -> FullEntry | HashedEntry:
    try:
        content = json.loads(line)
        if isinstance(content, dict) and "content_hash" in content:
            return HashedEntry.model_validate(content)
        return FullEntry.model_validate(content)
    except (ValueError, RecursionError) as error:
        raise BrokenLinkError(expected, "it is no entry of the log") from error
