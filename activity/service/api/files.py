"""Sending stored files, whole or in part (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from activity.client import schemas
from activity.service.database import StepOutput
from activity.service.database.repository.audit import append_audit
from activity.service.problems import Problem
from activity.service.runtime import Service
from activity.service.security.gate import Actor
from activity.service.security.headers import REPORT_POLICY

_CHUNK: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*")
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".html": "text/html; charset=utf-8",
    ".mp4": "video/mp4",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
"""Files of these kinds are shown; what else a job writes is its own business."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that a job wrote.

    Attributes:
        name: What it is called.
        key: Where it lies.
        size_bytes: Its length.
        media_type: What it is.
    """

    name: str
    key: str
    size_bytes: int
    media_type: str


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first and the last byte that a `Range` header asks for; `None` for the whole file.

    A header of another unit, of several ranges or of a broken form is passed over, as the RFC allows.

    Raises:
        Problem: 416 if the range lies outside a file of `size` bytes.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    begin, end = match.groups()
    if begin == "":  # the last so many bytes
        length = min(int(end), size)
        first, last = size - length, size - 1
    else:
        first = int(begin)
        last = min(int(end), size - 1) if end else size - 1
        if end and int(end) < first:
            return None
    if first > last or first >= size:
        raise Problem(
            416,
            "range",
            f"expected a range within the {size} bytes of the file, got {header}",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, last


def send_file(
    request: Request, service: Service, actor: Actor, *, key: str, name: str, media_type: str, subject: str
) -> StreamingResponse:
    """Send a stored file, whole (200) or the part that `Range` asks for (206), and note in the log who looked.

    Args:
        request: With its `Range` and `If-Range`.
        service: Holds the storage.
        actor: Who looks.
        key: Where the file lies.
        name: What a browser calls it when it saves it.
        media_type: What it is.
        subject: What it belongs to, for the log, such as ``clip:ID``.

    Raises:
        Problem: 404 if the file is gone, 416 if the range lies outside of it.
    """
    try:
        size = service.storage.size(key)
        stream = service.storage.open(key)
    except FileNotFoundError:
        raise Problem(404, "not-found", f"the file {name} is no longer there") from None
    etag = f'"{key}"'  # a key is written once
    asked = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        asked = None
    try:
        part = parse_range(asked, size)
    except Problem:
        stream.close()
        raise
    first, last = part or (0, size - 1)
    if first == 0:  # a player asks for hundreds of parts: one look, one line in the log
        with service.database.write() as session:
            append_audit(
                session, actor=actor.name, action="file.view", subject=subject, detail={"file": name}
            )
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(last - first + 1),
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="{name}"',
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    if media_type.startswith("text/html"):
        headers["Content-Security-Policy"] = REPORT_POLICY
        headers["X-Frame-Options"] = "SAMEORIGIN"
    return StreamingResponse(
        _pieces(stream, first, last), status_code=206 if part else 200, headers=headers, media_type=media_type
    )


def files_of_job(session: Session, job_id: str) -> list[StoredFile]:
    """The files that people may see of what a job wrote, by name."""
    files: dict[str, StoredFile] = {}
    query = select(StepOutput).where(StepOutput.job_id == job_id, StepOutput.step == "report")
    for output in session.scalars(query):
        for name, entry in output.files.items():
            media_type = MEDIA_TYPES.get("." + name.rpartition(".")[2])
            if media_type is not None:
                files[name] = StoredFile(name, entry["key"], entry["size_bytes"], media_type)
    return sorted(files.values(), key=lambda file: file.name)


def file_view(file: StoredFile, place: str) -> schemas.File:
    """A file as it goes over the wire, below `place`."""
    return schemas.File(
        name=file.name, media_type=file.media_type, size_bytes=file.size_bytes, href=f"{place}/{file.name}"
    )


def file_responses() -> dict[int | str, dict[str, Any]]:
    """What a route that sends files answers, for the OpenAPI document."""
    content: dict[str, Any] = {kind.partition(";")[0]: {} for kind in MEDIA_TYPES.values()} | {"video/*": {}}
    return {
        200: {"description": "The whole file.", "content": content},
        206: {"description": "A part of it.", "content": content},
    }


def _pieces(stream: BinaryIO, first: int, last: int) -> Iterator[bytes]:
    with stream:
        stream.seek(first)
        left = last - first + 1
        while left > 0:
            piece = stream.read(min(_CHUNK, left))
            if not piece:
                return
            left -= len(piece)
            yield piece
