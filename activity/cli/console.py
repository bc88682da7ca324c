"""What all commands share: a console on stderr for people, and one JSON object on stdout for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
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
