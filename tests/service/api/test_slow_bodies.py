"""A body that does not come does not hold the service up: 408, and what came of it is thrown away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from activity.service.api.boundary import Boundary
from activity.service.metrics import Metrics
from activity.service.problems import Problem, problem_response


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes came, or the problem; then waits for the client to go away."""
    try:
        answer: Any = PlainTextResponse(str(len(await Request(scope, receive).body())))
    except Problem as problem:
        answer = problem_response(problem.status_code, problem.slug, problem.detail)
    await answer(scope, receive, send)
    if answer.status_code == 200:
        assert (await receive())["type"] == "http.disconnect"


def answer_to(pieces: list[tuple[float, bytes]], *, path: str = "/v1/clips") -> tuple[int, bytes]:
    """Status and body for a request whose pieces come after so many seconds each."""
    sent: list[Message] = []
    line = list(pieces)
    boundary = Boundary(
        read_all, metrics=Metrics(), max_body_bytes=10_000, patience_s=0.2, slowest_bytes_per_s=10_000
    )

    async def receive() -> Message:
        if not line:
            await asyncio.sleep(
                0.5
            )  # longer than any body may take: the answer is out, nobody waits for a body
            return {"type": "http.disconnect"}
        delay_s, piece = line.pop(0)
        await asyncio.sleep(delay_s)
        return {"type": "http.request", "body": piece, "more_body": bool(line)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(boundary(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("path", ["/v1/clips", "/v1/segments:recognize"])
def test_a_body_that_stops_coming_is_given_up(path: str) -> None:
    status, body = answer_to([(0.0, b"x" * 10), (5.0, b"x")], path=path)
    assert (status, json.loads(body)["type"]) == (408, "urn:activity:problem:too-slow")


def test_a_body_that_comes_a_byte_at_a_time_is_given_up() -> None:
    begin = time.perf_counter()
    status, _ = answer_to([(0.05, b"x")] * 100)
    assert status == 408
    assert time.perf_counter() - begin < 3


def test_a_long_body_may_take_as_long_as_its_length_allows() -> None:
    assert answer_to([(0.05, b"x" * 1000)] * 9) == (200, b"9000")  # 0.45 s, where 0.2 and 0.9 s are allowed


def test_an_answer_may_wait_for_its_client_without_end() -> None:
    assert answer_to([(0.0, b"")]) == (200, b"0")


@pytest.mark.slow
def test_an_upload_that_stalls_is_answered_and_leaves_no_file(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text("http: {receive_timeout_s: 1}\n")
    command = [sys.executable, "-m", "activity", "serve", "--port", "0", "--workers", "0", "--json"]
    with subprocess.Popen(  # noqa: S603 - our own command line
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ACTIVITY_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdout is not None
        served = json.loads(process.stdout.readline())
        place = urlsplit(served["url"])
        assert place.hostname is not None
        with socket.create_connection((place.hostname, place.port or 0), timeout=20) as connection:
            head = (
                f"POST /v1/clips HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served['admin_key']}\r\n"
                "Content-Length: 1000000\r\n\r\n"
            )
            connection.sendall(head.encode() + b"\x00\x00\x00\x18ftypisom" + bytes(1000))
            answer = b""
            while piece := connection.recv(65536):  # until the server closes
                answer += piece
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert list((tmp_path / "uploads").glob("upload-*")) == []
        process.send_signal(signal.SIGTERM)
