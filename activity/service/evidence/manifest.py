"""The first member of a bundle: what else is in it, with hashes, and a hash of its own."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

FORMAT: Final = "activity-evidence"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
AUDIT_LOG: Final = "audit.jsonl"
MAX_BYTES: Final = 16 * 1024 * 1024
"""Largest manifest that is read."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
MemberName = Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*(\.[a-z0-9]{1,8})?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemberEntry(_Part):
    """One file of the bundle."""

    name: MemberName
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Digest


class MissingEntry(_Part):
    """A file that a bundle has by rights, and why this one has not."""

    name: MemberName
    reason: str


class ClipFacts(_Part):
    """The uploaded file."""

    id: str
    original_name: str
    sha256: Digest
    size_bytes: Annotated[int, Field(ge=0)]
    member: MemberName | None


class AuditFacts(_Part):
    """The excerpt of the audit log."""

    previous_hash: Digest = Field(description="Hash of the entry before the first of the excerpt.")
    first_sequence: Annotated[int, Field(ge=1)]
    last_sequence: Annotated[int, Field(ge=1)]
    head: Digest = Field(description="Hash of the last entry.")


class ManifestSignature(_Part):
    """Who vouches for the manifest, and with it for every member that it names."""

    algorithm: Literal["Ed25519"] = "Ed25519"
    public_key: Digest = Field(description="Of the installation that exported the bundle: 32 bytes.")
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] = Field(
        description="Over `signed_content` after a line that names the purpose: 64 bytes."
    )


class Manifest(_Part):
    """What the bundle holds. Its members stand in the file in this order, right after the manifest."""

    format: str = Field(FORMAT, pattern=f"^{FORMAT}$")
    version: int = Field(VERSION, ge=VERSION, le=VERSION)
    generator: str
    incident: dict[str, JsonValue]
    clip: ClipFacts
    exported_at: str
    exported_by: str
    audit: AuditFacts
    missing: tuple[MissingEntry, ...]
    members: Annotated[tuple[MemberEntry, ...], Field(min_length=1, max_length=10_000)]
    signature: ManifestSignature | None = Field(None, description="Absent where the bundle is not signed.")
    manifest_sha256: Digest = Field("0" * 64, description="SHA-256 of this object without this field.")

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [member.name for member in self.members]
        if len(set(names)) != len(names) or MANIFEST in names:
            raise ValueError("expected every member once, and the manifest not among them")
        return self

    def sealed(self) -> Manifest:
        """This manifest with its own hash in it."""
        return self.model_copy(update={"manifest_sha256": self.own_hash()})

    def own_hash(self) -> str:
        """SHA-256 of the manifest without the field that holds it."""
        return hashlib.sha256(canonical(self._content(without="manifest_sha256"))).hexdigest()

    def signed_content(self) -> bytes:
        """What a signature covers: all but the signature and the hash that covers it too."""
        content = self._content(without="manifest_sha256")
        content.pop("signature", None)
        return canonical(content)

    def to_bytes(self) -> bytes:
        """The one way in which this manifest is written."""
        return canonical(self._content()) + b"\n"

    def _content(self, *, without: str | None = None) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude=None if without is None else {without})
        if content["signature"] is None:  # bundles from before there were signatures keep their hash
            del content["signature"]
        return content


def canonical(content: Any) -> bytes:
    """JSON in UTF-8 with sorted keys and without spaces."""
    return json.dumps(
        content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
