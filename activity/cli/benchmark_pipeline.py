"""`activity benchmark pipeline`: seconds of work per second of video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, print_json, stdout
from activity.cli.machine import machine_facts


def pipeline(
    clip: Annotated[Path, typer.Argument(help="The clip to analyse.")],
    config: Annotated[Path | None, typer.Option(help="Settings as YAML, as for `activity analyze`.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads of an analysis: frames in work at once.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Seconds of work per second of video, by stage: analysis, drawing and report, as `activity analyze` does them.

    Below 1.0 the machine keeps up with one camera. Processor seconds stand beside wall seconds: where other programs
    share the machine, the wall shows them too.

    Example:

    activity benchmark pipeline docs/demo/demo.mp4 --json
    """
    from activity.evaluation.pipeline_speed import measure_pipeline  # noqa: PLC0415  (keeps --help fast)

    settings = load_analysis_settings(config, threads=threads)
    machine = machine_facts()
    with count_progress("frames") as advance:
        figures = measure_pipeline(
            clip, settings, on_progress=lambda _stage, done, total: advance(done, total)
        )
    if as_json:
        print_json({**figures, "machine": machine})
        return
    table = Table(box=None)
    for heading in ("stage", "seconds", "per second of video"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for name, stage in figures["stages"].items():
        table.add_row(name, f"{stage['wall_s']:.2f}", f"{stage['per_video_s']:.3f}")
    table.add_row("all", f"{figures['wall_s']:.2f}", f"{figures['per_video_s']:.3f}")
    table.add_row("processor", f"{figures['cpu_s']:.2f}", f"{figures['cpu_per_video_s']:.3f}")
    stdout.print(table)
