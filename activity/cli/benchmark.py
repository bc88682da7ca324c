"""`activity benchmark`: figures and ratios of one run, with the machine and the versions that gave them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from activity.cli.benchmark_pose import pose
from activity.cli.console import print_json, stderr, stdout
from activity.cli.machine import machine_facts

app = typer.Typer(
    help="Measure speed and memory; every figure stands beside a baseline of the same run.",
    no_args_is_help=True,
)
app.command()(pose)


@app.command()
def memory(
    clip: Annotated[
        Path, typer.Argument(help="The clip that is repeated to make the short and the long video.")
    ],
    short_s: Annotated[float, typer.Option(min=1, help="Length of the short video, in seconds.")] = 10,
    long_s: Annotated[float, typer.Option(min=1, help="Length of the long video, in seconds.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Peak memory of `activity analyze` on a long video against a short one.

    The clip is repeated to both lengths; each is analysed in a process of its own, and the operating system's
    peak resident memory of that process is printed. A ratio near 1 says that memory does not grow with length.
    """
    from activity.evaluation.memory import peak_memory  # noqa: PLC0415  (keeps --help fast)

    machine = machine_facts()
    with stderr.status(f"analysing {short_s:g} s and {long_s:g} s of video"):
        short, long = peak_memory(clip, short_s=short_s, long_s=long_s)
    ratio = long.peak_mib / short.peak_mib
    if as_json:
        print_json(
            {
                "short": dataclasses.asdict(short),
                "long": dataclasses.asdict(long),
                "ratio": round(ratio, 4),
                "machine": machine,
            }
        )
        return
    table = Table(box=None)
    for heading in ("video", "frames", "peak memory", "time"):
        table.add_column(heading, justify="right")
    for result in (short, long):
        table.add_row(
            f"{result.duration_s:.0f} s",
            str(result.frames),
            f"{result.peak_mib:.0f} MiB",
            f"{result.wall_s:.0f} s",
        )
    stdout.print(table)
    stdout.print(f"long / short: {ratio:.3f}")


@app.command()
def recognizer(
    threads: Annotated[int, typer.Option(min=1, help="Threads of every form.")] = 2,
    turns: Annotated[int, typer.Option(min=1, help="Rounds in which the forms take turns.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Segments a second of every recogniser, as torch runs it and fused, at batch 1 and 64.

    Our fastest exact form is held against ST-Tran as torch runs it, in the same run, and every form against the
    fp32 peak of a large matrix product.

    Example:

    activity benchmark recognizer --json
    """
    from activity.evaluation.speed import benchmark_recognizer  # noqa: PLC0415  (keeps --help fast)

    machine = machine_facts()
    with stderr.status("building the networks") as status:
        figures = benchmark_recognizer(
            threads=threads, turns=turns, on_progress=lambda stage, _done, _total: status.update(stage)
        )
    if as_json:
        print_json({**figures, "machine": machine})
        return
    table = Table(box=None)
    table.add_column("model")
    table.add_column("form")
    for batch in figures["ratios"]:
        table.add_column(f"batch {batch}: segments/s", justify="right")
        table.add_column("of the peak", justify="right")
    for entry in figures["models"]:
        cells = [
            text
            for speeds in entry["batches"].values()
            for text in (f"{speeds['segments_per_s']:,.0f}", f"{speeds['share_of_peak']:.0%}")
        ]
        table.add_row(entry["name"], entry["form"], *cells)
    stdout.print(table)
    stdout.print(f"fp32 peak of {threads} threads: {figures['peak_gflops']:.0f} GFLOP/s", highlight=False)
    for batch, ratios in figures["ratios"].items():
        for form, key, by in (("best_form", "ratio", "clock"), ("cpu_best_form", "cpu_ratio", "processor")):
            stdout.print(
                f"batch {batch}, by the {by}: BPT-V2 ({ratios[form]}) answers {ratios['st_tran_t60'][key]:.1f} times as "
                f"many segments as ST-Tran T=60, {ratios['st_tran_t24'][key]:.1f} times as many as ST-Tran T=24",
                highlight=False,
                soft_wrap=True,
            )
    stderr.print(figures["note"], highlight=False)
