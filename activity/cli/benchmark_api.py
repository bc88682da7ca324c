"""`activity benchmark api`: what micro-batching gives."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
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
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the network in each server.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Requests a second of `POST /v1/segments:recognize` with micro-batching and one at a time.

    Two real servers take the same load in turns; they differ in nothing but how many segments may go through the
    network together. Requests a second of processor time leave out what other programs took from the machine. Two
    networks are measured, the shipped one and the paper's BPT-V2 with random weights, each also by itself: what it gains
    from a full batch bounds what the servers can.

    Example:

    activity benchmark api --seconds 10 --connections 64
    """
    from activity.service.benchmark import measure_batching  # noqa: PLC0415  (keeps --help fast)

    machine = machine_facts()
    machine["threads"] = threads
    machine["versions"] |= {name: version(name) for name in ("fastapi", "uvicorn", "httptools", "uvloop")}
    with stderr.status("measuring two servers in turns") as status:
        comparisons = measure_batching(
            seconds=seconds,
            connections=connections,
            rounds=rounds,
            threads=threads,
            on_network=lambda name: status.update(f"measuring two servers in turns: {name}"),
        )
    if as_json:
        shipped = dataclasses.asdict(comparisons[0])
        print_json(
            {
                **{name: shipped[name] for name in ("batched", "one_at_a_time", "ratio", "cpu_ratio")},
                "networks": [dataclasses.asdict(comparison) for comparison in comparisons],
                "connections": connections,
                "machine": machine,
            }
        )
        return
    table = Table(box=None)
    for heading in ("network", "server", "requests/s", "requests/CPU s", "median", "99 %", "mean batch"):
        table.add_column(heading, justify="left" if heading in ("network", "server") else "right")
    for comparison in comparisons:
        for name, result in (
            ("micro-batching", comparison.batched),
            ("one at a time", comparison.one_at_a_time),
        ):
            table.add_row(
                comparison.network,
                name,
                f"{result.requests_per_s:.1f}",
                f"{result.requests_per_cpu_s:.1f}",
                f"{result.latency_ms_p50:.0f} ms",
                f"{result.latency_ms_p99:.0f} ms",
                f"{result.mean_batch:.1f}",
            )
    stdout.print(table)
    for comparison in comparisons:
        alone = comparison.network_alone
        stdout.print(
            f"{comparison.network}, {comparison.parameters:,} parameters: micro-batching / one at a time "
            f"{comparison.ratio:.2f} by the clock, {comparison.cpu_ratio:.2f} by processor time; the network by itself takes "
            f"{alone.alone_ms:.2f} ms for a segment alone, {alone.in_batch_ms:.2f} ms in a full batch: {alone.ratio:.2f}",
            highlight=False,
            soft_wrap=True,
        )
    stdout.print(
        f"{connections} clients on the same {machine['cores']} cores, {machine['processor']}; {threads} threads a network",
        highlight=False,
    )
