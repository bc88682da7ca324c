"""`activity evaluate holders`: who holds the weapon, on rendered scenes in which it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from activity.cli.console import count_progress, show_figures, stderr


def holders(
    scenes: Annotated[int, typer.Option(min=0, max=100_000, help="How many random scenes to draw.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Draws the scenes.")] = 0,
    pictures: Annotated[
        Path | None, typer.Option(help="Also write pictures of the three figures into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """How often the true holder of a weapon is named: by boxes and hands, and by IoU alone beside it.

    Rendered scenes, no network: three figures in which IoU alone fails or is right, and random crowds of two to four
    people, with true joints and with joints as a pose network finds them.

    Example:

    activity evaluate holders --scenes 50 --json
    """
    from activity.evaluation.holders import evaluate_holders, write_figures  # noqa: PLC0415  (keeps --help fast)

    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for path in write_figures(pictures):
            stderr.print(f"written: {path}", highlight=False)
    with count_progress("scenes") as advance:
        figures = evaluate_holders(scenes=scenes, seed=seed, on_scene=advance)
    show_figures(figures, as_json=as_json)
