"""How much micro-batching gives: the same load on a server that batches and on one that takes requests one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np
import yaml

from activity.errors import ServiceError

_FRAMES: Final = 24
_FRAME_RATE_HZ: Final = 12.0
_TICKS_HZ: Final = os.sysconf("SC_CLK_TCK")
_PATH: Final = "/v1/segments:recognize"


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one kind of server did.

    Attributes:
        max_segments: Segments that may go through the network at once.
        requests: Requests that were answered while it was measured.
        requests_per_s: By the clock; other programs on the machine lower it.
        requests_per_cpu_s: By the processor time of the server, which other programs hardly change.
        latency_ms_p50: Half of the requests were answered within this time, in milliseconds.
        latency_ms_p99: All but one in a hundred were.
        mean_batch: Requests that went through the network together, on average.
    """

    max_segments: int
    requests: int
    requests_per_s: float
    requests_per_cpu_s: float
    latency_ms_p50: float
    latency_ms_p99: float
    mean_batch: float


@dataclass(slots=True)
class _Tally:
    latencies_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    batches: float = 0.0
    batched: float = 0.0

    def result(self, max_segments: int) -> Throughput:
        if not self.latencies_s:
            raise ServiceError(
                "the server answered no request in the time; say a longer --seconds", status=None
            )
        ordered = np.array(self.latencies_s)
        return Throughput(
            max_segments=max_segments,
            requests=len(ordered),
            requests_per_s=round(len(ordered) / self.wall_s, 2),
            requests_per_cpu_s=round(len(ordered) / max(self.cpu_s, 1 / _TICKS_HZ), 2),
            latency_ms_p50=round(float(np.percentile(ordered, 50)) * 1000, 2),
            latency_ms_p99=round(float(np.percentile(ordered, 99)) * 1000, 2),
            mean_batch=round(self.batched / max(1.0, self.batches), 2),
        )


def measure_batching(
    *, seconds: float, connections: int, rounds: int = 2, max_segments: int = 64
) -> tuple[Throughput, Throughput]:
    """Run a server with micro-batching and one without, in turns, under the same load.

    Args:
        seconds: Time of each measurement, after one second of warming up.
        connections: Clients that each send a request as soon as the one before is answered.
        rounds: How often each server is measured; the rounds take turns, so that a slow minute hits both.
        max_segments: Of the server that batches.

    Returns:
        With micro-batching, and one at a time. A request holds one person for 24 frames, one segment.

    Raises:
        ServiceError: If a server does not start or refuses a request.
    """
    tallies = {max_segments: _Tally(), 1: _Tally()}
    with contextlib.ExitStack() as stack:
        servers = {size: stack.enter_context(_server(size)) for size in tallies}
        for _ in range(rounds):
            for size, server in servers.items():
                server.measure(tallies[size], seconds=seconds, connections=connections)
    return tallies[max_segments].result(max_segments), tallies[1].result(1)


@dataclass(frozen=True, slots=True)
class _Server:
    url: str
    key: str
    pid: int

    def measure(self, tally: _Tally, *, seconds: float, connections: int) -> None:
        asyncio.run(_load(self, seconds=1.0, connections=connections))
        cpu_s, (batches, batched), begin = self._cpu_s(), self._batches(), time.perf_counter()
        tally.latencies_s += asyncio.run(_load(self, seconds=seconds, connections=connections))
        tally.wall_s += time.perf_counter() - begin
        tally.cpu_s += self._cpu_s() - cpu_s
        after = self._batches()
        tally.batches += after[0] - batches
        tally.batched += after[1] - batched

    def _cpu_s(self) -> float:
        """User and system time of the server's process, from /proc, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_HZ

    def _batches(self) -> tuple[float, float]:
        response = httpx.get(
            f"{self.url}/metrics", headers={"Authorization": f"Bearer {self.key}"}, timeout=60
        )
        values = dict(
            line.rsplit(" ", 1)
            for line in response.text.splitlines()
            if line.startswith(
                ("activity_recognition_batch_requests_sum", "activity_recognition_batch_requests_count")
            )
        )
        return (
            float(values.get("activity_recognition_batch_requests_count", 0)),
            float(values.get("activity_recognition_batch_requests_sum", 0)),
        )


@contextlib.contextmanager
def _server(max_segments: int) -> Iterator[_Server]:
    """A real `activity serve` in a process and a state folder of its own, on a free port."""
    with tempfile.TemporaryDirectory(prefix="activity-benchmark-") as home:
        config = Path(home) / "service.yaml"
        wait_ms = 4.0 if max_segments > 1 else 0.0
        config.write_text(
            yaml.safe_dump(
                {"batch": {"max_segments": max_segments, "wait_ms": wait_ms, "max_waiting": 100_000}}
            ),
            encoding="utf-8",
        )
        with subprocess.Popen(
            [sys.executable, "-m", "activity", "serve", "--port", "0", "--workers", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ACTIVITY_HOME": home},
            text=True,
        ) as process:
            try:
                line = process.stdout.readline() if process.stdout is not None else ""
                if not line:
                    raise ServiceError(
                        "the benchmark's server did not start; run `activity serve`", status=None
                    )
                told = json.loads(line)
                yield _Server(told["url"], told["admin_key"], process.pid)
            finally:
                process.send_signal(signal.SIGTERM)


async def _load(server: _Server, *, seconds: float, connections: int) -> list[float]:
    """Send requests over so many connections until the time is over; returns the latencies in seconds."""
    place = urlsplit(server.url)
    body = json.dumps(_request()).encode()
    head = (
        f"POST {_PATH} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {server.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    end = time.perf_counter() + seconds
    latencies: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            while (begin := time.perf_counter()) < end:
                writer.write(head + body)
                await _read_answer(reader)
                latencies.append(time.perf_counter() - begin)
        finally:
            writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return latencies


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = head.split(" ", 2)[1]
    length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
    body = await reader.readexactly(length)
    if status != "200":
        raise ServiceError(f"the benchmark's server answered {status}: {body[:200]!r}", status=int(status))


def _request() -> dict[str, Any]:
    """One person who walks to the right for 24 frames."""
    joints = np.random.default_rng(0).uniform((0, 0), (60, 180), (17, 2))
    frames = [joints + np.array([300 + 4 * number, 100]) for number in range(_FRAMES)]
    keypoints = [[[round(float(x), 1), round(float(y), 1), 0.9] for x, y in frame] for frame in frames]
    return {"sequences": [{"frame_rate_hz": _FRAME_RATE_HZ, "keypoints": keypoints}]}
