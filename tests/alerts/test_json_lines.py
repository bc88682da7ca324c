"""The JSON lines sink: one object a message, each once, nothing overwritten, failures named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from activity.alerts import AlertMessage, AlertSink, ClipReference, JsonLinesSink
from activity.errors import OutputError

Make = Callable[..., AlertMessage]


def test_messages_are_appended_one_a_line(message: Make, tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    sink: AlertSink = JsonLinesSink(path)
    sink.send(message(clip=ClipReference("clips/é.mp4", "0" * 64)))
    JsonLinesSink(path).send(message(identifier="next"))
    first, second = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (first["id"], second["id"]) == ("0190aa", "next")
    assert first["clip"] == {"path": "clips/é.mp4", "sha256": "0" * 64}
    assert (first["label"], first["start_s"], first["track_ids"]) == ("Fighting", 2.0, [1, 4])
    assert first["explanation"][0]["weight"] == 0.93
    assert (first["kind"], first["status"], first["confirmed"]) == ("alert", "test", False)


def test_a_message_that_is_sent_again_is_not_written_again(message: Make, tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "alerts.jsonl")
    for _ in range(3):
        sink.send(message())
    sink.send(message(identifier="0190aab"))
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "length", [3, 70_000]
)  # within one block of the search for the last line break, and beyond
def test_a_line_that_a_crash_cut_off_is_removed(message: Make, tmp_path: Path, length: int) -> None:
    path = tmp_path / "alerts.jsonl"
    sink = JsonLinesSink(path)
    sink.send(message())
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "0190bb", "note": "' + b"x" * length)
    sink.send(message(identifier="0190bb"))
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[0] == whole
    assert [json.loads(line)["id"] for line in lines] == ["0190aa", "0190bb"]


def test_a_note_that_looks_like_an_id_is_no_id(message: Make, tmp_path: Path) -> None:
    sink = JsonLinesSink(tmp_path / "alerts.jsonl")
    sink.send(message(identifier="a", note='"id": "b",'))
    sink.send(message(identifier="b"))
    assert len((tmp_path / "alerts.jsonl").read_text().splitlines()) == 2


def test_a_file_that_cannot_be_written_is_named(message: Make, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=str(tmp_path)):
        JsonLinesSink(tmp_path).send(message())
