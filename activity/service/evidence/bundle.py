"""Writing a bundle: the same members and facts give the same bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

from activity.errors import OutputError
from activity.service.evidence.container import (
    Entry,
    directory_end,
    directory_record,
    header_length,
    local_header,
)
from activity.service.evidence.manifest import MANIFEST, Manifest, MemberEntry

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of a member come from.

    Attributes:
        name: Its name in the bundle.
        open: Opens it for reading from the beginning; called twice.
    """

    name: str
    open: Callable[[], BinaryIO]

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> Source:
        """A member that is in memory."""
        return cls(name, lambda: BytesIO(content))


@dataclass(frozen=True, slots=True)
class _Measured:
    size: int
    crc32: int
    sha256: str


def write_bundle(
    target: BinaryIO, sources: Sequence[Source], make_manifest: Callable[[tuple[MemberEntry, ...]], Manifest]
) -> Manifest:
    """Write a bundle.

    Args:
        target: Written from front to back, never sought in.
        sources: The members in the order in which they will stand.
        make_manifest: Given the members, says the rest.

    Returns:
        The manifest as it was written.

    Raises:
        OutputError: If a member changes while it is read.
    """
    measured = [_copy(source, None) for source in sources]
    manifest = make_manifest(
        tuple(
            MemberEntry(name=source.name, size_bytes=found.size, sha256=found.sha256)
            for source, found in zip(sources, measured, strict=True)
        )
    ).sealed()
    first = Source.of_bytes(MANIFEST, manifest.to_bytes())
    entries: list[Entry] = []
    offset = 0
    for source, expected in zip((first, *sources), (_copy(first, None), *measured), strict=True):
        entry = Entry(source.name, expected.size, expected.crc32, offset)
        target.write(local_header(entry))
        if _copy(source, target) != expected:
            raise OutputError(f"{source.name}: changed while the bundle was written; export it again")
        entries.append(entry)
        offset += header_length(entry.name, entry.size) + entry.size
    for entry in entries:
        target.write(directory_record(entry))
    target.write(directory_end(entries))
    return manifest


def _copy(source: Source, target: BinaryIO | None) -> _Measured:
    digest, crc32, size = hashlib.sha256(), 0, 0
    with source.open() as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            size += len(chunk)
            if target is not None:
                target.write(chunk)
    return _Measured(size, crc32, digest.hexdigest())
