"""What a file is, by its first bytes rather than by its name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from activity.errors import VideoError

_HEAD_BYTES: Final = 4096
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"#EXTM3U", "an HLS playlist (#EXTM3U)"),
    (b"ffconcat", "a concat playlist (ffconcat)"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"ID3", "MP3 audio"),
    (b"fLaC", "FLAC audio"),
)


def require_file(path: Path) -> Path:
    """Return `path` if it is a file that can be read and holds at least one byte.

    Raises:
        VideoError: If it is missing, a directory, empty, no regular file, or may not be read.
    """
    if not path.exists():
        raise VideoError(path, "expected a video file, there is no such file")
    if path.is_dir():
        raise VideoError(path, "expected a video file, found a directory; name the clips in it")
    if not path.is_file():
        raise VideoError(path, "expected a regular file, found a device, pipe or socket")
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise VideoError(path, "expected a video file, the file is empty (0 bytes)")
    except OSError as error:
        raise VideoError(path, f"the file cannot be read: {error.strerror}") from error
    return path


def describe_contents(path: Path) -> str:
    """Say in a few words what a file that is no readable video holds, such as ``a PNG picture``."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    bare = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, name in _SIGNATURES:
        if bare.startswith(signature):
            return name
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        if b"moov" in _top_level_boxes(path):
            return "an MP4 file whose index cannot be read"
        return "an MP4 file without its index (no moov box): it was cut off or never finished"
    if head[:4] == b"RIFF":
        return f"a damaged RIFF file of kind {head[8:12].decode('ascii', 'replace')!r}"
    try:
        text = head[:-4].decode("utf-8") if len(head) == _HEAD_BYTES else head.decode("utf-8")
    except UnicodeDecodeError:
        return "data of no known video format"
    return (
        "text"
        if text.isprintable() or not set(text) & set(map(chr, range(9)))
        else "data of no known video format"
    )


def _top_level_boxes(path: Path) -> list[bytes]:
    """Types of the boxes that lie side by side in an MP4 file, as far as they can be followed."""
    kinds: list[bytes] = []
    size = path.stat().st_size
    with path.open("rb") as stream:
        offset = 0
        while offset + 8 <= size and len(kinds) < 1000:
            stream.seek(offset)
            header = stream.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1 and len(header) == 16:
                length = int.from_bytes(header[8:16], "big")
            kinds.append(header[4:8])
            if length < 8:  # 0: to the end of the file
                break
            offset += length
    return kinds


def sha256_of(path: Path) -> str:
    """Hash a file without holding it in memory: 64 hexadecimal digits.

    Raises:
        VideoError: If the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(path, f"the file cannot be read: {error.strerror}") from error
