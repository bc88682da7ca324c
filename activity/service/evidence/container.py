"""The zip file of a bundle, of which there is only one for given members: stored, undated, in a given order.

Every byte outside the members follows from their names, lengths and checksums, so a reader can hold the whole file
against what it must be, and nothing can hide between, before or after the members. Layout: PKWARE APPNOTE 6.3.10,
sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIXED_HEADER: Final = 30
"""Bytes of a local header before the name."""

_ZIP64_FROM: Final = 0xFFFFFFFF  # sizes and offsets from here on stand in 64-bit fields
_DATE: Final = 0x0021  # 1 January 1980, the first day that zip knows
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3 << 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as the container describes it.

    Attributes:
        name: ASCII, with forward slashes.
        size: Bytes of the member.
        crc32: Of the member, as zip computes it.
        offset: Where its local header begins.
    """

    name: str
    size: int
    crc32: int
    offset: int

    @property
    def data_offset(self) -> int:
        """Where its bytes begin."""
        return self.offset + header_length(self.name, self.size)

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.data_offset + self.size


def header_length(name: str, size: int) -> int:
    """Bytes of the local header of a member."""
    return FIXED_HEADER + len(name.encode("ascii")) + (20 if size >= _ZIP64_FROM else 0)


def local_header(entry: Entry) -> bytes:
    """What stands before the bytes of a member."""
    name = entry.name.encode("ascii")
    large = entry.size >= _ZIP64_FROM
    extra = struct.pack("<HHQQ", 1, 16, entry.size, entry.size) if large else b""
    shown = _ZIP64_FROM if large else entry.size
    head = struct.pack(
        "<4s5HIIIHH",
        b"PK\3\4",
        45 if large else 20,
        0,
        0,
        0,
        _DATE,
        entry.crc32,
        shown,
        shown,
        len(name),
        len(extra),
    )
    return head + name + extra


def directory_record(entry: Entry) -> bytes:
    """The line of a member in the central directory."""
    name = entry.name.encode("ascii")
    large, far = entry.size >= _ZIP64_FROM, entry.offset >= _ZIP64_FROM
    fields = [entry.size, entry.size] * large + [entry.offset] * far
    extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
    version = 45 if fields else 20
    shown = _ZIP64_FROM if large else entry.size
    head = struct.pack(
        "<4s6HIIIHHHHHII",
        b"PK\1\2",
        _UNIX | version,
        version,
        0,
        0,
        0,
        _DATE,
        entry.crc32,
        shown,
        shown,
        len(name),
        len(extra),
        0,
        0,
        0,
        _MODE,
        _ZIP64_FROM if far else entry.offset,
    )
    return head + name + extra


def directory_end(entries: Sequence[Entry]) -> bytes:
    """What stands after the central directory, up to the end of the file."""
    start = entries[-1].end
    size = sum(len(directory_record(entry)) for entry in entries)
    count = len(entries)
    zip64 = b""
    if start >= _ZIP64_FROM or count >= 0xFFFF:
        zip64 = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, _UNIX | 45, 45, 0, 0, count, count, size, start)
        zip64 += struct.pack("<4sIQI", b"PK\6\7", 0, start + size, 1)
    shown = min(count, 0xFFFF)
    return zip64 + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, shown, shown, size, min(start, _ZIP64_FROM), 0)
