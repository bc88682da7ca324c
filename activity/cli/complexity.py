"""`activity complexity`: how large and how costly the networks are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr


def complexity(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    speed: Annotated[
        bool, typer.Option(help="Measure speed too: half a minute of an idle machine instead of seconds.")
    ] = True,
) -> None:
    """Count parameters and operations of every network of the paper's tables, and measure their speed here.

    Two counters that know nothing of each other: thop, which made the paper's figures, and torch's FLOP counter.
    Speed is segments in a second of one core's time, in batches of 32, as torch runs the network and in its fused form.

    Example:

    activity complexity --json
    """
    from activity.evaluation.complexity import (  # noqa: PLC0415  (--help must not wait for torch)
        REFERENCE_MODELS,
        complexity_report,
    )

    report = complexity_report()
    if speed:
        from activity.evaluation.speed import reference_speeds  # noqa: PLC0415

        for model, (name, config) in zip(report["models"], REFERENCE_MODELS, strict=True):
            with stderr.status(f"measuring {name}"):
                model["cpu_segments_per_s"] = reference_speeds(config)
    if json:
        print_json(report)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    headings = ["parameters", "thop parameters", "thop MACs", "FLOP counter / 2"]
    if speed:
        headings += ["segments/s eager", "fused"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for model in report["models"]:
        table.add_row(
            model["name"],
            *(
                f"{model[key]:,}"
                for key in ("parameters", "thop_parameters", "thop_macs", "flop_counter_macs")
            ),
            *(f"{value:,.0f}" for value in model.get("cpu_segments_per_s", {}).values()),
        )
    stderr.print(table)
    stderr.print(report["note"], highlight=False)
