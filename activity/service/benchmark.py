"""How much micro-batching gives: the same load on a server that batches and on one that takes requests one at a time.

Micro-batching can share no more than what is done once for a batch. So the network by itself is measured beside the
servers: how much faster it answers a segment in a full batch than alone bounds what the servers can gain by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np
import torch
import yaml

from activity.assembly import RECOGNIZER_CHECKPOINT
from activity.config import embedded_checkpoint
from activity.errors import ServiceError
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.recognizer import Recognizer
from activity.structures import Tubelet
from activity.tubelets import TubeletSettings

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
        batches_up_to: Number of requests to how many batches held at most so many, and more than the number before.
    """

    max_segments: int
    requests: int
    requests_per_s: float
    requests_per_cpu_s: float
    latency_ms_p50: float
    latency_ms_p99: float
    mean_batch: float
    batches_up_to: dict[str, int]


@dataclass(frozen=True, slots=True)
class NetworkAlone:
    """The recogniser without HTTP, JSON or the cutting of segments, by processor time.

    Attributes:
        alone_ms: For a segment that goes through by itself, in milliseconds.
        in_batch_ms: For each segment of a full batch.
        ratio: How many times as fast: all that sharing the network can give.
    """

    alone_ms: float
    in_batch_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recogniser behind both kinds of server.

    Attributes:
        network: ``as shipped`` or ``BPT-V2``.
        parameters: Its trainable values.
        batched: With micro-batching.
        one_at_a_time: Without: each request runs the network by itself. All else is the same.
        ratio: Requests a second of the first over those of the second, by the clock.
        cpu_ratio: The same by the server's processor time.
        network_alone: What bounds it.
    """

    network: str
    parameters: int
    batched: Throughput
    one_at_a_time: Throughput
    ratio: float
    cpu_ratio: float
    network_alone: NetworkAlone


@dataclass(slots=True)
class _Tally:
    latencies_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    batches: Counter[str] = field(default_factory=Counter)

    def result(self, max_segments: int) -> Throughput:
        if not self.latencies_s:
            raise ServiceError(
                "the server answered no request in the time; say a longer --seconds", status=None
            )
        ordered = np.array(self.latencies_s)
        below, up_to = 0, {}
        for bound, count in self.batches.items():  # Prometheus counts a batch in every bucket from its own on
            if bound not in ("sum", "count") and count > below:
                up_to[bound], below = count - below, count
        return Throughput(
            max_segments=max_segments,
            requests=len(ordered),
            requests_per_s=round(len(ordered) / self.wall_s, 2),
            requests_per_cpu_s=round(len(ordered) / max(self.cpu_s, 1 / _TICKS_HZ), 2),
            latency_ms_p50=round(float(np.percentile(ordered, 50)) * 1000, 2),
            latency_ms_p99=round(float(np.percentile(ordered, 99)) * 1000, 2),
            mean_batch=round(self.batches["sum"] / max(1, self.batches["count"]), 2),
            batches_up_to=up_to,
        )


def measure_batching(
    *,
    seconds: float,
    connections: int,
    rounds: int = 2,
    threads: int = 1,
    max_segments: int = 64,
    on_network: Callable[[str], None] | None = None,
) -> list[Comparison]:
    """Run a server with micro-batching and one without, in turns, under the same load; for two recognisers.

    These are the shipped one, and one of the paper's BPT-V2 with weights drawn at random, whose size is what batching
    is made for.

    Args:
        seconds: Time of each measurement, after one second of warming up.
        connections: Clients that each send a request as soon as the one before is answered. They run in this process, on
            the same machine.
        rounds: How often each server is measured; the rounds take turns, so that a slow minute hits both.
        threads: Of the network, in every server.
        max_segments: Of the server that batches.
        on_network: Told the name of each recogniser before it is measured.

    Returns:
        One comparison a recogniser. A request holds one person for 24 frames, one segment.

    Raises:
        ServiceError: If a server does not start or refuses a request.
    """
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="activity-benchmark-") as folder:
        for name, checkpoint in (
            ("as shipped", embedded_checkpoint(RECOGNIZER_CHECKPOINT)),
            ("BPT-V2", _draw_bpt_v2(Path(folder))),
        ):
            if on_network is not None:
                on_network(name)
            tallies = {max_segments: _Tally(), 1: _Tally()}
            with contextlib.ExitStack() as stack:
                servers = {
                    size: stack.enter_context(_server(size, checkpoint, threads=threads)) for size in tallies
                }
                for _ in range(rounds):
                    for size, server in servers.items():
                        server.measure(tallies[size], seconds=seconds, connections=connections)
            batched, single = tallies[max_segments].result(max_segments), tallies[1].result(1)
            stored = load_checkpoint(checkpoint)
            comparisons.append(
                Comparison(
                    network=name,
                    parameters=sum(values.numel() for values in stored.network.parameters()),
                    batched=batched,
                    one_at_a_time=single,
                    ratio=round(batched.requests_per_s / single.requests_per_s, 3),
                    cpu_ratio=round(batched.requests_per_cpu_s / single.requests_per_cpu_s, 3),
                    network_alone=_measure_network(
                        Recognizer(stored, threads=threads), max_segments=max_segments
                    ),
                )
            )
    return comparisons


def _draw_bpt_v2(folder: Path) -> Path:
    """A checkpoint of the paper's network with random weights: its speed does not depend on them."""
    config = BPTubeFormerConfig()
    torch.manual_seed(0)
    path = folder / "bpt_v2_random.safetensors"
    save_checkpoint(
        path,
        build_network(config),
        config,
        classes=[f"class {number}" for number in range(config.classes)],
        tubelet_settings=TubeletSettings(frames=config.frames).to_mapping(),
        training={"data": "none: weights drawn at random for measuring speed"},
    )
    return path


def _measure_network(recognizer: Recognizer, *, max_segments: int, turns: int = 7) -> NetworkAlone:
    """Processor time of a segment, alone and in a batch, in turns; the best turn is the least disturbed one."""
    grids = np.random.default_rng(0).normal(size=(5, 2, recognizer.frames, 3, 3)).astype(np.float32)
    segments = [Tubelet(1, 0.0, 2.0, grids, 1.0)] * max_segments
    alone_s = in_batch_s = float("inf")
    for _ in range(turns + 1):  # the first turn builds the fused network
        begin = time.process_time()
        for segment in segments:
            recognizer.recognize([segment])
        between = time.process_time()
        recognizer.recognize(segments)
        alone_s = min(alone_s, (between - begin) / max_segments)
        in_batch_s = min(in_batch_s, (time.process_time() - between) / max_segments)
    return NetworkAlone(
        round(alone_s * 1000, 4), round(in_batch_s * 1000, 4), round(alone_s / max(in_batch_s, 1e-9), 2)
    )


@dataclass(frozen=True, slots=True)
class _Server:
    url: str
    key: str
    pid: int

    def measure(self, tally: _Tally, *, seconds: float, connections: int) -> None:
        asyncio.run(_load(self, seconds=1.0, connections=connections))
        cpu_s, batches, begin = self._cpu_s(), self._batches(), time.perf_counter()
        tally.latencies_s += asyncio.run(_load(self, seconds=seconds, connections=connections))
        tally.wall_s += time.perf_counter() - begin
        tally.cpu_s += self._cpu_s() - cpu_s
        after = self._batches()
        after.subtract(batches)
        tally.batches.update(after)

    def _cpu_s(self) -> float:
        """User and system time of the server's process, from /proc, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_HZ

    def _batches(self) -> Counter[str]:
        """Since the server started: ``count`` batches of ``sum`` requests, and batches of at most so many requests."""
        response = httpx.get(
            f"{self.url}/metrics", headers={"Authorization": f"Bearer {self.key}"}, timeout=60
        )
        found = re.findall(
            r'^activity_recognition_batch_requests_(?:bucket\{le="([^"]+)"\}|(sum|count)) (\S+)$',
            response.text,
            re.MULTILINE,
        )
        return Counter({_bound(bound) or name: int(float(value)) for bound, name, value in found})


def _bound(text: str) -> str:
    """An upper bound as people write it: ``64.0`` is ``64``."""
    return text.removesuffix(".0").replace("+Inf", "more")


@contextlib.contextmanager
def _server(max_segments: int, checkpoint: Path, *, threads: int) -> Iterator[_Server]:
    """A real `activity serve` in a process and a state folder of its own, on a free port."""
    with tempfile.TemporaryDirectory(prefix="activity-benchmark-") as home:
        config = Path(home) / "service.yaml"
        wait_ms = 4.0 if max_segments > 1 else 0.0
        config.write_text(
            yaml.safe_dump(
                {
                    "batch": {"max_segments": max_segments, "wait_ms": wait_ms, "max_waiting": 100_000},
                    "analysis": {"threads": threads, "recognition": {"checkpoint": str(checkpoint)}},
                }
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
