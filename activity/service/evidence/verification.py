"""Checking a bundle: every byte of the file, every hash of the manifest, every link of the audit log."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Literal

from activity.errors import OutputError
from activity.service.evidence.audit_excerpt import BrokenLinkError, FullEntry, follow_chain
from activity.service.evidence.container import (
    FIXED_HEADER,
    Entry,
    directory_end,
    directory_record,
    header_length,
    local_header,
)
from activity.service.evidence.manifest import AUDIT_LOG, MANIFEST, MAX_BYTES, Manifest
from activity.service.evidence.signing import is_signed_by

Part = Literal["container", "manifest", "signature", "member", "audit", "clip", "expectation"]

_CHUNK: Final = 1024 * 1024
_LONGEST_LINE: Final = 1024 * 1024
_END: Final = "end of the file"


@dataclass(frozen=True, slots=True)
class Break:
    """The first thing that does not hold.

    Attributes:
        part: ``container`` for the zip around the members, ``manifest``, ``signature`` where it is none of the key,
            ``member``, ``audit`` for a link of the log, ``clip`` where the parts contradict each other on the clip,
            ``expectation`` for a hash or a key that the caller knew.
        name: Which member, entry of the log, or place.
        found: What is wrong with it.
    """

    part: Part
    name: str
    found: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found out about a bundle.

    Attributes:
        sha256: Hex digest of the whole file.
        manifest: What it holds, as far as that could be read.
        audit_entries: Links of the log that hold.
        broken: The first break, or `None` for an untouched bundle.
    """

    sha256: str
    manifest: Manifest | None
    audit_entries: int
    broken: Break | None

    @property
    def valid(self) -> bool:
        """Whether every check passed."""
        return self.broken is None


class _BreakError(Exception):
    def __init__(self, part: Part, name: str, found: str) -> None:
        self.reason = Break(part, name, found)
        super().__init__(found)


def verify_bundle(
    path: Path,
    *,
    sha256: str | None = None,
    anchors: Mapping[int, str] | None = None,
    public_key: str | None = None,
) -> Verification:
    """Check a bundle. Nothing is unpacked, and no more is read than the file holds.

    Args:
        path: The bundle.
        sha256: Hash of the whole file, from the service's log or from whoever received it first.
        anchors: Sequence number to hash of entries of the audit log that were noted elsewhere; those outside the
            excerpt cannot be checked and count as broken.
        public_key: 64 hexadecimal digits: the Ed25519 key that must have signed the bundle. Without it a signature is
            checked against the key in the bundle itself, which proves only that the two belong together.

    Raises:
        OutputError: If the file cannot be read at all.
    """
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            found = _verify(stream, anchors or {}, public_key)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
    found = replace(found, sha256=digest)
    if found.valid and sha256 is not None and sha256.lower() != digest:
        reason = Break("expectation", "sha256", f"the file's SHA-256 is {digest}, expected {sha256}")
        return replace(found, broken=reason)
    return found


def _verify(stream: BinaryIO, anchors: Mapping[int, str], public_key: str | None) -> Verification:
    found = Verification("", None, 0, None)
    try:
        manifest = _check_manifest(stream)
        found = replace(found, manifest=manifest)
        _check_signature(manifest, public_key)
        entries = _check_members(stream, manifest)
        _check_directory(stream, entries)
        offset = next((entry.data_offset for entry in entries if entry.name == AUDIT_LOG), None)
        if offset is None:
            raise _BreakError("audit", AUDIT_LOG, "the bundle has no excerpt of the audit log")
        for count, entry in enumerate(_check_audit(stream, manifest, offset), start=1):
            found = replace(found, audit_entries=count)
            expected = anchors.get(entry[0])
            if expected is not None and expected != entry[1]:
                raise _BreakError(
                    "expectation", f"entry {entry[0]}", f"its hash is {entry[1]}, expected {expected}"
                )
        audit = manifest.audit
        for sequence in sorted(anchors):
            if not audit.first_sequence <= sequence <= audit.last_sequence:
                raise _BreakError(
                    "expectation",
                    f"entry {sequence}",
                    f"the excerpt holds entries {audit.first_sequence} to {audit.last_sequence} only",
                )
    except _BreakError as error:
        return replace(found, broken=error.reason)
    return found


def _check_manifest(stream: BinaryIO) -> Manifest:
    stream.seek(0)
    head = stream.read(header_length(MANIFEST, 0))
    if head[:4] != b"PK\3\4" or head[FIXED_HEADER:] != MANIFEST.encode():
        raise _BreakError("manifest", MANIFEST, "the file does not begin with the manifest of a bundle")
    size = int.from_bytes(head[22:26], "little")
    if size > MAX_BYTES:
        raise _BreakError("manifest", MANIFEST, f"it claims {size} bytes, at most {MAX_BYTES} are read")
    content = stream.read(size)
    try:
        manifest = Manifest.model_validate_json(content)
        unchanged = manifest.own_hash() == manifest.manifest_sha256 and manifest.to_bytes() == content
    except (
        ValueError,
        RecursionError,
    ) as error:  # no JSON, not these fields, or what JSON cannot write again
        raise _BreakError("manifest", MANIFEST, "it is no manifest of a bundle") from error
    if not unchanged:
        raise _BreakError("manifest", MANIFEST, "its content was changed: its own hash does not fit it")
    if head != local_header(Entry(MANIFEST, len(content), zlib.crc32(content), 0)):
        raise _BreakError("container", MANIFEST, "its zip header was changed")
    return manifest


def _check_signature(manifest: Manifest, public_key: str | None) -> None:
    signature = manifest.signature
    if signature is not None and not is_signed_by(manifest, signature.public_key):
        raise _BreakError(
            "signature",
            MANIFEST,
            f"its signature is none of the key {signature.public_key} over this manifest",
        )
    if public_key is None:
        return
    if signature is None:
        raise _BreakError(
            "expectation", "signature", f"the bundle is not signed, expected the key {public_key}"
        )
    if signature.public_key != public_key.lower():
        raise _BreakError(
            "expectation",
            "signature",
            f"the bundle is signed by the key {signature.public_key}, expected {public_key}",
        )


def _check_members(stream: BinaryIO, manifest: Manifest) -> list[Entry]:
    content = manifest.to_bytes()
    entries = [Entry(MANIFEST, len(content), zlib.crc32(content), 0)]
    for member in manifest.members:
        offset = entries[-1].end
        stream.seek(offset)
        head = stream.read(header_length(member.name, member.size_bytes))
        digest, crc32, left = hashlib.sha256(), 0, member.size_bytes
        while left and (chunk := stream.read(min(_CHUNK, left))):
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            left -= len(chunk)
        if left:
            raise _BreakError("member", member.name, f"the file ends {left} bytes before the member does")
        if digest.hexdigest() != member.sha256:
            raise _BreakError(
                "member",
                member.name,
                f"its content was changed: SHA-256 {digest.hexdigest()}, the manifest says {member.sha256}",
            )
        entry = Entry(member.name, member.size_bytes, crc32, offset)
        if head != local_header(entry):
            raise _BreakError("container", member.name, "its zip header was changed")
        entries.append(entry)
    return entries


def _check_directory(stream: BinaryIO, entries: Sequence[Entry]) -> None:
    stream.seek(entries[-1].end)
    for entry in entries:
        record = directory_record(entry)
        if stream.read(len(record)) != record:
            raise _BreakError("container", entry.name, "its record in the zip directory was changed")
    end = directory_end(entries)
    if stream.read(len(end)) != end:
        raise _BreakError("container", _END, "the end of the zip directory was changed")
    left = stream.seek(0, os.SEEK_END) - (
        entries[-1].end + sum(len(directory_record(entry)) for entry in entries) + len(end)
    )
    if left:
        raise _BreakError("container", _END, f"{left} bytes stand after the end of the bundle")


def _check_audit(stream: BinaryIO, manifest: Manifest, offset: int) -> Iterator[tuple[int, str]]:
    """Follow the log; sequence and hash of each entry."""
    member = next(member for member in manifest.members if member.name == AUDIT_LOG)
    audit, clip = manifest.audit, manifest.clip
    held = {member.name: member.sha256 for member in manifest.members}
    if clip.member is not None and held.get(clip.member) != clip.sha256:
        raise _BreakError(
            "clip", clip.member, "the manifest names another SHA-256 for the clip than for its file"
        )
    last: FullEntry | None = None
    sequence, head = audit.first_sequence - 1, audit.previous_hash
    try:
        for entry in follow_chain(
            _lines(stream, offset, member.size_bytes),
            previous_hash=audit.previous_hash,
            first_sequence=audit.first_sequence,
        ):
            sequence, head = entry.sequence, entry.hash
            last = entry if isinstance(entry, FullEntry) else None
            if last is not None and last.action == "clip.upload" and last.subject == f"clip:{clip.id}":
                _check_upload(last, manifest)
            yield sequence, head
    except BrokenLinkError as error:
        raise _BreakError("audit", f"entry {error.sequence}", error.found) from error
    if (sequence, head) != (audit.last_sequence, audit.head):
        raise _BreakError(
            "audit", f"entry {sequence}", "the log ends with another entry than the manifest says"
        )
    if last is None or last.action != "incident.export":
        raise _BreakError("audit", f"entry {sequence}", "the log does not end with the export of this bundle")


def _check_upload(entry: FullEntry, manifest: Manifest) -> None:
    if entry.detail.get("sha256") != manifest.clip.sha256:
        raise _BreakError(
            "clip",
            manifest.clip.member or manifest.clip.id,
            f"entry {entry.sequence} of the log says that another clip was uploaded: {entry.detail.get('sha256')}",
        )


def _lines(stream: BinaryIO, offset: int, size: int) -> Iterator[bytes]:
    stream.seek(offset)
    left = size
    while left:
        line = stream.readline(min(left, _LONGEST_LINE))
        if not line:
            return
        left -= len(line)
        yield line


def report(path: Path, found: Verification) -> dict[str, object]:
    """What `activity verify --json` prints."""
    manifest = found.manifest
    return {
        "bundle": str(path),
        "valid": found.valid,
        "sha256": found.sha256,
        "broken": None
        if found.broken is None
        else {"part": found.broken.part, "name": found.broken.name, "found": found.broken.found},
        "incident": None if manifest is None else manifest.incident.get("id"),
        "clip_sha256": None if manifest is None else manifest.clip.sha256,
        "exported_at": None if manifest is None else manifest.exported_at,
        "exported_by": None if manifest is None else manifest.exported_by,
        "members": [] if manifest is None else [json.loads(m.model_dump_json()) for m in manifest.members],
        "missing": [] if manifest is None else [json.loads(m.model_dump_json()) for m in manifest.missing],
        "audit": None
        if manifest is None
        else {"entries": found.audit_entries, **json.loads(manifest.audit.model_dump_json())},
        "signed_by": None
        if manifest is None or manifest.signature is None
        else manifest.signature.public_key,
        "manifest_sha256": None if manifest is None else manifest.manifest_sha256,
    }
