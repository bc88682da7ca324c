"""`activity export`: a recogniser as one ONNX file, for programs that have no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stdout


def export(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A .safetensors recogniser; the embedded one otherwise.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="8-bit weights: smaller and faster, not exact.")
    ] = False,
    trajectories: Annotated[
        Path | None,
        typer.Option(help="HR-Crime layout: measure what each form costs in accuracy on these."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Write a recogniser in its fused form; the file names its classes and how tracks must be cut for it.

    `activity analyze` needs no export: it builds the same form in memory from the checkpoint.

    Examples:

    activity export --out recognizer.onnx

    activity export --int8 --out recognizer_int8.onnx --trajectories ../shared/data/trajectories
    """
    from activity.assembly import RECOGNIZER_CHECKPOINT  # noqa: PLC0415  (keeps --help fast)
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.evaluation.engines import compare_engines  # noqa: PLC0415
    from activity.recognition.checkpoint import load_checkpoint  # noqa: PLC0415
    from activity.recognition.export import export_onnx  # noqa: PLC0415

    path = checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT)
    size = export_onnx(load_checkpoint(path), out, int8=int8)
    engines = compare_engines(path, trajectories, threads=os.cpu_count() or 1) if trajectories else None
    if as_json:
        print_json({"file": str(out), "bytes": size, "int8": int8, "engines": engines})
        return
    stdout.print(f"{out}: {size / 1e6:.2f} MB", highlight=False)
    if engines is None:
        return
    table = Table(box=None)
    for heading in ("form", "largest difference", "changed answers", "segments", "clips"):
        table.add_column(heading, justify="left" if heading == "form" else "right")
    for name, figures in engines.items():
        table.add_row(
            name,
            f"{figures['largest_difference']:.1e}",
            f"{figures['changed_answers']:.1%}",
            *(f"{figures[level]['balanced_accuracy']:.3f}" for level in ("segment", "clip")),
        )
    stdout.print(table)
    stdout.print(
        "Differences of probabilities from the eager network; balanced accuracy of segments and clips."
    )
