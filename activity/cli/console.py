"""What all commands share: a console on stderr for people, and one JSON object on stdout for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

stderr = Console(stderr=True)
stdout = Console()


def print_json(content: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout, and nothing else."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")


def frame_progress() -> Progress:
    """A progress bar of frames with rate and time left, on stderr; a plain log where stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
    )


@contextmanager
def count_progress(unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar, moved by calling it with how many are done and how many there are."""
    with frame_progress() as progress:
        task = progress.add_task(unit, total=None, rate="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def show_figures(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print figures: one JSON object, or a table with a line for each, nested names joined by dots."""
    if as_json:
        print_json(figures)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _flat(figures):
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    stdout.print(table)


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
