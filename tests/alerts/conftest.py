"""What the tests of alerts share: one incident, and small servers on this machine that record what they are sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from activity.alerts import AlertMessage, CameraReference, ClipReference
from activity.structures import Evidence, SceneAlert

SENT_AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def message() -> Callable[..., AlertMessage]:
    """Makes an alert on a fight at a gate; any field can be given another value."""

    def make(**changes: Any) -> AlertMessage:
        alert = SceneAlert(
            "activity:Fighting",
            "Fighting",
            "police",
            "severe",
            2.0,
            5.5,
            0.93,
            (1, 4),
            (Evidence("activity", "person 1: Fighting with probability up to 0.93", 0.93),),
        )
        fields: dict[str, Any] = {
            "identifier": "0190aa",
            "incident_id": "inc7",
            "kind": "alert",
            "status": "test",
            "sent_at": SENT_AT,
            "alert": alert,
            "clip": ClipReference("gate.mp4", "ab" * 32, datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
            "camera": CameraReference("cam1", "Gate 3, north side", 48.137, 11.575),
        }
        return AlertMessage(**(fields | changes))

    return make


@dataclass
class Recorded:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What the server says."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeHttp:
    """A server on this machine; `answers` are given in order, the last one again and again."""

    url: str
    requests: list[Recorded]
    answers: list[Answer]


@contextmanager
def serve_http() -> Iterator[FakeHttp]:
    requests: list[Recorded] = []
    answers: list[Answer] = [Answer()]

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            requests.append(Recorded(self.command, self.path, headers, self.rfile.read(length)))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET = _answer  # noqa: N815 - names of the standard library

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield FakeHttp(f"http://127.0.0.1:{server.server_port}", requests, answers)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http_server() -> Iterator[FakeHttp]:
    """A server that answers 200 unless told otherwise."""
    with serve_http() as server:
        yield server
