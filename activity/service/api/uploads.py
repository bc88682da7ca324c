"""Receiving a clip: a piece at a time to a file, hashed on the way, and refused as early as it can be."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from activity.service.problems import Problem
from activity.service.sniffing import HEAD_BYTES, Container, require_container

_WRITE_BYTES: Final = 1024 * 1024
_MULTIPART_SLACK: Final = 64 * 1024  # bytes of a form around its file
_FIELD_BYTES: Final = 1000
_FILE_FIELD: Final = "file"


@dataclass(slots=True)
class Upload:
    """A clip that came in whole.

    Attributes:
        path: Where it lies for now; whoever received it deletes it.
        size_bytes: Its length.
        sha256: 64 hexadecimal digits of its bytes.
        container: What its first bytes say it is.
        fields: The other fields of a form.
        filename: What the form called the file.
    """

    path: Path
    size_bytes: int
    sha256: str
    container: Container
    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None


async def receive_upload(request: Request, folder: Path, *, max_bytes: int) -> Upload:
    """Write the clip in the body of a request to a file: the body itself, or the field `file` of a form.

    Args:
        request: Its body is not read yet.
        folder: Gets the file.
        max_bytes: Largest clip.

    Raises:
        Problem: 400 for a broken form or connection, 413 for too large a clip, 415 for what is no video.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    is_form = kind == b"multipart/form-data"
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes + (_MULTIPART_SLACK if is_form else 0):
        raise _too_large(max_bytes)
    try:
        async with _Sink(folder, max_bytes) as sink:
            if is_form:
                form = _Form(options.get(b"boundary", b""), sink)
                received = 0  # a form may have parts without end, each of them short
                async for piece in request.stream():
                    received += len(piece)
                    if received > max_bytes + _MULTIPART_SLACK:
                        raise _too_large(max_bytes)
                    form.feed(piece)
                    await sink.drain()
                form.finish()
                upload = await sink.finish()
                upload.fields, upload.filename = form.fields, form.filename
                return upload
            async for piece in request.stream():
                sink.add(piece)
                await sink.drain()
            return await sink.finish()
    except ClientDisconnect:
        raise Problem(400, "broken-off", "the connection ended before the clip was whole") from None


class _Sink:
    """Takes bytes, keeps at most a few of them in memory, and gives a file."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(prefix="upload-", dir=folder)
        self._stream = os.fdopen(handle, "wb", buffering=0)
        self._path = Path(name)
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._buffer = bytearray()
        self._size = 0
        self._head = bytearray()
        self._container: Container | None = None
        self._kept = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if not self._kept:
            self._path.unlink(missing_ok=True)

    def add(self, piece: bytes) -> None:
        """Take the next bytes; raises as soon as they are too many or begin like no video."""
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise _too_large(self._max_bytes)
        if self._container is None:
            self._head += piece[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._container = require_container(bytes(self._head))
        self._buffer += piece

    async def drain(self) -> None:
        """Write what has gathered, once that is worth a write."""
        if len(self._buffer) >= _WRITE_BYTES:
            await run_in_threadpool(self._write)

    async def finish(self) -> Upload:
        """Write the rest and give the file."""
        container = self._container or require_container(bytes(self._head))
        await run_in_threadpool(self._write)
        self._kept = True
        return Upload(self._path, self._size, self._hash.hexdigest(), container)

    def _write(self) -> None:
        self._hash.update(self._buffer)
        view = memoryview(bytes(self._buffer))
        while view:
            view = view[self._stream.write(view) :]
        self._buffer.clear()


class _Form:
    """A multipart form, parsed as it comes: its file goes to the sink, its short fields are kept."""

    def __init__(self, boundary: bytes, sink: _Sink) -> None:
        if not 0 < len(boundary) <= 200:
            raise Problem(400, "form", "expected a multipart boundary of 1 to 200 characters in Content-Type")
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self._sink = sink
        self._has_file = False
        self._ended = False
        self._name = ""
        self._value = bytearray()
        self._header_name = bytearray()
        self._header_value = bytearray()
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin_part,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type] # its TypedDict wants literals

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes of the body."""
        if not piece:
            return
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Problem(400, "form", f"the multipart form is broken: {error}") from error

    def finish(self) -> None:
        """Check that the form is whole and held a file."""
        if not self._ended:
            raise Problem(400, "form", "the multipart form ends before its last boundary")
        if not self._has_file:
            raise Problem(400, "form", f"expected a file in the form field {_FILE_FIELD!r}, found none")

    def _begin_part(self) -> None:
        self._name = ""
        self._value.clear()

    def _end_header(self) -> None:
        if bytes(self._header_name).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._name = options.get(b"name", b"").decode("utf-8", "replace")
            if self._name == _FILE_FIELD and b"filename" in options:
                self.filename = options[b"filename"].decode("utf-8", "replace")
        self._header_name.clear()
        self._header_value.clear()

    def _begin_content(self) -> None:
        if self._name == _FILE_FIELD:
            if self._has_file:
                raise Problem(
                    400, "form", f"expected one field {_FILE_FIELD!r}, found two; send one clip a request"
                )
            self._has_file = True
        elif len(self.fields) >= 10:
            raise Problem(400, "form", "expected at most 10 fields beside the file")

    def _content(self, data: bytes, start: int, end: int) -> None:
        if self._name == _FILE_FIELD:
            self._sink.add(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > _FIELD_BYTES:
            raise Problem(
                400, "form", f"the form field {self._name[:50]!r} is longer than {_FIELD_BYTES} bytes"
            )

    def _end_part(self) -> None:
        if self._name and self._name != _FILE_FIELD:
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, "too-large", f"expected a clip of at most {max_bytes} bytes", limit_bytes=max_bytes)
