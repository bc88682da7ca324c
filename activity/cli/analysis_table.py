"""What `activity analyze` says at its end: a line for each clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from activity.cli.console import stderr


def print_results(results: Sequence[dict[str, Any]], out: Path) -> None:
    """Print a table of the analysed clips, the counts, and every failure."""
    table = Table(title=None, box=None, pad_edge=False)
    for heading in ("clip", "people", "summary", "alerts", "report"):
        table.add_column(heading, overflow="fold")
    for result in results:
        if result["status"] == "analyzed":
            label, score = result["summary"]["label"], result["summary"]["score"]
            summary = f"{label} {score:.2f}" if label is not None else "nothing to judge"
            table.add_row(
                escape(result["clip"]),
                str(result["people"]),
                escape(summary),
                str(result["alerts"]),
                escape(f"{result['directory']}/report.html"),
            )
    if table.row_count:
        stderr.print(table)
    counts = {
        status: sum(1 for r in results if r["status"] == status)
        for status in ("analyzed", "skipped", "failed")
    }
    stderr.print(
        f"{counts['analyzed']} analysed, {counts['skipped']} already done, {counts['failed']} failed; "
        f"alerts in {out / 'alerts.jsonl'}",
        highlight=False,
    )
    for result in results:
        if result["status"] == "failed":
            stderr.print(f"[red]failed[/] {escape(result['message'])}", highlight=False, soft_wrap=True)
