"""Which video container the first bytes of a file announce; the name and the type that a sender claims do not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from activity.service.problems import Problem

HEAD_BYTES: Final = 1024
"""So many bytes from the start of a file are enough to tell."""

_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_TS_PACKET: Final = 188
_PLAYLISTS: Final = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat", "a concat playlist"),
    (b"<?xml", "XML text"),
    (b"<MPD", "a DASH manifest"),
    (b"[playlist]", "a playlist"),
)
_OTHERS: Final = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
)


@dataclass(frozen=True, slots=True)
class Container:
    """A kind of video file.

    Attributes:
        name: What people call it.
        suffix: Of the stored file.
        media_type: For whoever downloads it.
    """

    name: str
    suffix: str
    media_type: str


MP4: Final = Container("MP4", ".mp4", "video/mp4")
QUICKTIME: Final = Container("QuickTime", ".mov", "video/quicktime")
MATROSKA: Final = Container("Matroska", ".mkv", "video/x-matroska")
WEBM: Final = Container("WebM", ".webm", "video/webm")
AVI: Final = Container("AVI", ".avi", "video/x-msvideo")
MPEG_TS: Final = Container("MPEG transport stream", ".ts", "video/mp2t")
MPEG_PS: Final = Container("MPEG program stream", ".mpg", "video/mpeg")
FLASH: Final = Container("Flash video", ".flv", "video/x-flv")
OGG: Final = Container("Ogg", ".ogv", "video/ogg")
ASF: Final = Container("ASF", ".wmv", "video/x-ms-asf")
CONTAINERS: Final = (MP4, QUICKTIME, MATROSKA, WEBM, AVI, MPEG_TS, MPEG_PS, FLASH, OGG, ASF)


def media_type_of(suffix: str) -> str:
    """The media type of a stored clip with this suffix, such as ``.mp4``."""
    return next((kind.media_type for kind in CONTAINERS if kind.suffix == suffix), "application/octet-stream")


def container_of(head: bytes) -> Container | None:
    """The container that a file begins like, or `None`.

    Args:
        head: The first `HEAD_BYTES` bytes of the file, or all of a shorter one.
    """
    if head[4:8] in _BOXES:
        return QUICKTIME if head[8:12] == b"qt  " or head[4:8] != b"ftyp" else MP4
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return AVI
    if _is_transport_stream(head, 0) or _is_transport_stream(
        head, 4
    ):  # M2TS: four bytes of time before a packet
        return MPEG_TS
    for signature, kind in (
        (b"\x00\x00\x01\xba", MPEG_PS),
        (b"FLV\x01", FLASH),
        (b"OggS", OGG),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ASF),
    ):
        if head.startswith(signature):
            return kind
    return None


def require_container(head: bytes) -> Container:
    """The container that a file begins like.

    Raises:
        Problem: 415 if it is no video; says what it is instead.
    """
    found = container_of(head)
    if found is None:
        accepted = ", ".join(kind.name for kind in CONTAINERS)
        raise Problem(
            415,
            "no-video",
            f"expected a video file ({accepted}), got {_describe(head)}; its name and Content-Type do not count",
        )
    return found


def _is_transport_stream(head: bytes, offset: int) -> bool:
    packet = _TS_PACKET + offset
    places = range(offset, min(len(head), 4 * packet), packet)
    return len(places) >= 3 and all(head[place] == 0x47 for place in places)


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    bare = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _PLAYLISTS + _OTHERS:
        if bare.startswith(signature):
            return name
    return "data of no known video container"
