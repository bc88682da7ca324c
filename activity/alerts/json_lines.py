"""Alerts as JSON lines in a file: the sink that needs nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from activity.alerts.sink import ClipReference
from activity.errors import OutputError
from activity.structures import SceneAlert


class JsonLinesSink:
    """Appends each alert to a file, one JSON object a line, flushed before `send` returns.

    Each object holds the fields of `SceneAlert` under their names (times in seconds from the clip's first
    frame) and the clip under ``clip``: ``path`` and ``sha256``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, alert: SceneAlert, *, clip: ClipReference) -> None:
        """Append one alert.

        Raises:
            OutputError: If the file cannot be written.
        """
        record = {"clip": dataclasses.asdict(clip), **dataclasses.asdict(alert)}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        except OSError as error:
            raise OutputError(f"{self._path}: cannot append an alert: {error.strerror}") from error
