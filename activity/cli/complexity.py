"""`activity complexity`: how large and how costly the networks are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr


def complexity(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count parameters and operations of every network of the paper's tables.

    Two counters that know nothing of each other: thop, which made the paper's figures, and torch's FLOP counter.

    Example:

    activity complexity --json
    """
    from activity.evaluation.complexity import complexity_report  # noqa: PLC0415  (--help must not wait for torch)

    report = complexity_report()
    if json:
        print_json(report)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for heading in ("parameters", "thop parameters", "thop MACs", "FLOP counter / 2"):
        table.add_column(heading, justify="right")
    for model in report["models"]:
        table.add_row(
            model["name"],
            *(
                f"{model[key]:,}"
                for key in ("parameters", "thop_parameters", "thop_macs", "flop_counter_macs")
            ),
        )
    stderr.print(table)
    stderr.print(report["note"], highlight=False)
