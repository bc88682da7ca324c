"""The figures of a benchmark as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_markdown(figures: Mapping[str, Any]) -> str:
    """What `run_benchmark` returns: the average of all members, each alone, the averages between, and the floors.

    Means and standard deviations are over the seeds, the interval is the first seed's.
    """
    members, averages = figures["members"], figures["averages"]
    count = len(members)
    rows = [("all members averaged" if count > 1 else "one network", averages[-1])]
    if count > 1:
        rows += [(f"mean of the first {average['members']}", average) for average in reversed(averages[1:-1])]
        rows += [
            (f"member {number} alone ({member['stream']})", member)
            for number, member in enumerate(members, start=1)
        ]
    seeds = ", ".join(str(seed) for seed in figures["recipe"]["seeds"])
    lines = [
        f"{figures['data']}: {figures['protocol']}; {figures['seeds'][0]['n']} answers a seed, seeds {seeds}; "
        f"{figures['parameters']:,} parameters.",
        "",
        "| what answers | accuracy | of each seed | balanced accuracy | of each seed | interval, first seed | ECE | log loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows:
        low, high = row["interval"]
        cells = (name, *_of(row["accuracy"]), *_of(row["balanced_accuracy"]), f"{low:.3f} to {high:.3f}")
        lines.append(f"| {' | '.join(cells)} | {_of(row['ece'])[0]} | {_of(row['log_loss'])[0]} |")
    for name, floor in (figures["floors"] or {}).items():
        lines.append(
            f"| floor: {name} | {floor['accuracy']:.3f} | - | {floor['balanced_accuracy']:.3f} | - | - | - | - |"
        )
    return "\n".join([*lines, ""])


def _of(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Mean with standard deviation, and the values."""
    return (
        f"{figure['mean']:.3f} ± {figure['standard_deviation']:.3f}",
        ", ".join(f"{value:.3f}" for value in figure["values"]),
    )
