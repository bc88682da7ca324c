"""`activity benchmark api`: what micro-batching gives."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr, stdout
from activity.cli.machine import machine_facts


def api(
    seconds: Annotated[float, typer.Option(min=1, help="Time of each measurement, in seconds.")] = 10,
    connections: Annotated[
        int, typer.Option(min=1, max=1000, help="Clients that send at the same time.")
    ] = 64,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="How often each server is measured.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Requests a second of `POST /v1/segments:recognize` with micro-batching and one at a time.

    Two real servers take the same load in turns; they differ in nothing but how many segments may go through the
    network together. Requests a second of processor time leave out what other programs took from the machine.

    Example:

    activity benchmark api --seconds 10 --connections 64
    """
    from activity.service.benchmark import measure_batching  # noqa: PLC0415  (keeps --help fast)

    machine = machine_facts()
    with stderr.status("measuring two servers in turns"):
        batched, single = measure_batching(seconds=seconds, connections=connections, rounds=rounds)
    ratio = batched.requests_per_s / single.requests_per_s
    cpu_ratio = batched.requests_per_cpu_s / single.requests_per_cpu_s
    if as_json:
        print_json(
            {
                "batched": dataclasses.asdict(batched),
                "one_at_a_time": dataclasses.asdict(single),
                "ratio": round(ratio, 3),
                "cpu_ratio": round(cpu_ratio, 3),
                "connections": connections,
                "machine": machine,
            }
        )
        return
    table = Table(box=None)
    for heading in ("server", "requests/s", "requests/CPU s", "median", "99 %", "mean batch"):
        table.add_column(heading, justify="right")
    for name, result in (("micro-batching", batched), ("one at a time", single)):
        table.add_row(
            name,
            f"{result.requests_per_s:.1f}",
            f"{result.requests_per_cpu_s:.1f}",
            f"{result.latency_ms_p50:.0f} ms",
            f"{result.latency_ms_p99:.0f} ms",
            f"{result.mean_batch:.1f}",
        )
    stdout.print(table)
    stdout.print(
        f"micro-batching / one at a time: {ratio:.2f} by the clock, {cpu_ratio:.2f} by processor time"
    )
