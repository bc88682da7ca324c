"""`activity benchmark`: figures and ratios of one run, with the machine and the versions that gave them."""

from __future__ import annotations

import dataclasses
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import activity
from activity.cli.console import print_json, stderr, stdout

app = typer.Typer(
    help="Measure speed and memory; every figure stands beside a baseline of the same run.",
    no_args_is_help=True,
)


def _machine() -> dict[str, Any]:
    packages = ("numpy", "onnxruntime", "torch", "av", "opencv-python-headless", "openpifpaf")
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {"activity": activity.__version__, **{name: _version(name) for name in packages}},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed under this name"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


@app.command()
def memory(
    clip: Annotated[
        Path, typer.Argument(help="The clip that is repeated to make the short and the long video.")
    ],
    short_s: Annotated[float, typer.Option(min=1, help="Length of the short video, in seconds.")] = 10,
    long_s: Annotated[float, typer.Option(min=1, help="Length of the long video, in seconds.")] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Peak memory of `activity analyze` on a long video against a short one.

    The clip is repeated to both lengths; each is analysed in a process of its own, and the operating system's
    peak resident memory of that process is printed. A ratio near 1 says that memory does not grow with length.
    """
    from activity.evaluation.memory import peak_memory  # noqa: PLC0415  (keeps --help fast)

    machine = _machine()
    with stderr.status(f"analysing {short_s:g} s and {long_s:g} s of video"):
        short, long = peak_memory(clip, short_s=short_s, long_s=long_s)
    ratio = long.peak_mib / short.peak_mib
    if as_json:
        print_json(
            {
                "short": dataclasses.asdict(short),
                "long": dataclasses.asdict(long),
                "ratio": round(ratio, 4),
                "machine": machine,
            }
        )
        return
    table = Table(box=None)
    for heading in ("video", "frames", "peak memory", "time"):
        table.add_column(heading, justify="right")
    for result in (short, long):
        table.add_row(
            f"{result.duration_s:.0f} s",
            str(result.frames),
            f"{result.peak_mib:.0f} MiB",
            f"{result.wall_s:.0f} s",
        )
    stdout.print(table)
    stdout.print(f"long / short: {ratio:.3f}")
