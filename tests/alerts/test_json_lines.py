"""The JSON lines sink: one object an alert, nothing overwritten, failures named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activity.alerts import AlertSink, ClipReference, JsonLinesSink
from activity.errors import OutputError
from activity.structures import Evidence, SceneAlert

CLIP = ClipReference(path="clips/é.mp4", sha256="0" * 64)


def alert(start_s: float) -> SceneAlert:
    evidence = (Evidence("activity", "person 1: Fighting", 0.9),)
    return SceneAlert(
        "activity:Fighting", "Fighting", "police", "severe", start_s, start_s + 2, 0.9, (1,), evidence
    )


def test_alerts_are_appended_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    sink: AlertSink = JsonLinesSink(path)
    sink.send(alert(0.0), clip=CLIP)
    JsonLinesSink(path).send(alert(5.0), clip=CLIP)
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["start_s"], second["start_s"]) == (0.0, 5.0)
    assert first["clip"] == {"path": "clips/é.mp4", "sha256": "0" * 64}
    assert first["track_ids"] == [1]
    assert first["explanation"] == [{"kind": "activity", "text": "person 1: Fighting", "weight": 0.9}]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=str(tmp_path)):
        JsonLinesSink(tmp_path).send(alert(0.0), clip=CLIP)
