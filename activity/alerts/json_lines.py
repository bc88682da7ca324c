"""Alerts as JSON lines in a file: the sink that needs nothing."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path
from typing import BinaryIO, Final

from activity.alerts.message import AlertMessage
from activity.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: one process writes, as the service documents
    fcntl = None  # type: ignore[assignment]

_TAIL: Final = 65536  # bytes that are read at a time to find where the last whole line ends


class JsonLinesSink:
    """Appends each message to a file, one JSON object a line, on disk before `send` returns.

    Each object holds the fields of `SceneAlert` under their names (times in seconds from the clip's first frame),
    the clip under ``clip`` (``path``, ``sha256``), and the message's own facts: ``id``, ``incident_id``, ``kind``,
    ``status``, ``sent_at``, ``confirmed``, ``camera``, ``references``, ``url``, ``note``.

    A message that the file holds already is not written again, and a line that a crash cut off is removed, so
    the file has each message once whatever happens between two attempts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, message: AlertMessage) -> None:
        """Append one message.

        Raises:
            OutputError: If the file cannot be written.
        """
        content = message.to_json()
        clip = content.pop("clip")
        if clip["started_at"] is None:
            del clip["started_at"]
        key = f'"id": {json.dumps(message.identifier, ensure_ascii=False)},'.encode()
        record = {"clip": clip, **content.pop("alert"), "id": content.pop("identifier"), **content}
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        try:
            with self._path.open("a+b") as file:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
                _remove_torn_line(file)
                if not _holds(file, key):
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._path}: cannot append an alert: {error.strerror}") from error


def _remove_torn_line(file: BinaryIO) -> None:
    """Cut the file after its last line break."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _TAIL)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)


def _holds(file: BinaryIO, key: bytes) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return False
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(key) >= 0
