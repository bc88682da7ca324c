"""`activity benchmark pose`: all pose estimators on the frames of one clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, print_json, stdout
from activity.cli.machine import machine_facts


def pose(
    clip: Annotated[Path, typer.Argument(help="The clip whose frames are shown to every estimator.")],
    frames: Annotated[int, typer.Option(min=1, max=10_000, help="Frames, taken evenly.")] = 40,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads of each estimator.")] = 2,
    width: Annotated[int, typer.Option(min=16, max=7680, help="Frames are scaled to this width.")] = 640,
    height: Annotated[int, typer.Option(min=16, max=4320, help="Frames are scaled to this height.")] = 360,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Frames a second of every pose estimator, and of OpenPifPaf's own Predictor with the same weights.

    All get the same blocks of frames in turns, each block as a stream, person detection included where an estimator needs
    it. Networks by ONNX Runtime have several frames in work at once, as in an analysis; torch and the Predictor take one
    after the other, with as many threads as are fastest for them. Figures are medians over blocks; processor time stands
    beside wall-clock time, for a busy machine.

    Example:

    activity benchmark pose docs/demo/demo.mp4 --json
    """
    from activity.evaluation.pose_speed import (  # noqa: PLC0415  (keeps --help fast)
        describe_timings,
        pose_estimators,
        read_frames,
        time_estimators,
    )

    machine = machine_facts()
    settings = load_analysis_settings(config, threads=threads)
    pictures = read_frames(clip, frames=frames, size=(width, height))
    with (
        pose_estimators(settings, threads=threads, sample=pictures[0]) as estimators,
        count_progress("frames") as advance,
    ):
        timings = time_estimators(estimators, pictures, progress=advance)
    figures = describe_timings(timings, estimators)
    if as_json:
        facts = {"frames": len(pictures), "width": width, "height": height, "threads": threads}
        print_json(figures | facts | {"machine": machine})
        return
    table = Table(box=None)
    for heading in ("estimator", "frames/s", "ms", "CPU ms", "at once", "people a frame", "times Predictor"):
        table.add_column(heading, justify="left" if heading == "estimator" else "right")
    for name, row in figures["estimators"].items():
        table.add_row(
            name,
            f"{row['frames_per_s']:.1f}",
            f"{row['ms']:.0f}",
            f"{row['cpu_ms']:.0f}",
            f"{row['frames_at_once']} x {row['call_threads']}",
            f"{row['people']:.1f}",
            f"{figures['times_predictor'][name]:.2f}",
        )
    stdout.print(table)
    stdout.print(f"{len(pictures)} frames of {width}x{height}, {threads} threads, {machine['processor']}")
