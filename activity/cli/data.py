"""`activity data`: check a download before hours of training, or make data up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from activity.cli.auto_label import auto_label
from activity.cli.console import print_json, stderr, stdout
from activity.errors import DatasetError

HR_CRIME_SOURCE = (
    "HR-Crime is not part of this project. Ask for it at DataverseNL, doi 10.34894/IRRDJE (Boekhoudt, Matei, Aghaei "
    "and Talavera, 2021), unpack it, and name the folder that holds `Trajectories`."
)
app = typer.Typer(help="Check a data set before hours of training, or make one up.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

app.command("auto-label")(auto_label)


@app.command("hr-crime")
def hr_crime(
    directory: Annotated[Path, typer.Argument(help="The folder that holds Trajectories/<class>/<video>/.")],
    frames: Annotated[
        int, typer.Option(min=2, help="Count trajectories shorter than a segment of so many.")
    ] = 24,
    as_json: Json = False,
) -> None:
    """Check a download of HR-Crime, and count videos, people and frames of each class.

    Example:

    activity data hr-crime ~/HR-Crime
    """
    from activity.datasets.generated import HR_CRIME_CLASSES  # noqa: PLC0415
    from activity.datasets.hr_crime import read_hr_crime  # noqa: PLC0415

    try:
        dataset = read_hr_crime(directory)
    except DatasetError as error:
        raise DatasetError(f"{error}. {HR_CRIME_SOURCE}") from error
    videos = Counter(dataset.videos.values())
    people, rows, short = Counter[str](), Counter[str](), Counter[str]()
    for trajectory in dataset.trajectories:
        length = len(trajectory.track.frame_indices)
        people[trajectory.category] += 1
        rows[trajectory.category] += length
        short[trajectory.category] += length < frames
    found: dict[str, Any] = {
        "classes": {
            name: {"videos": videos[name], "people": people[name], "frames": rows[name], "short": short[name]}
            for name in dataset.categories
        },
        "missing": [name for name in HR_CRIME_CLASSES if name not in videos],
        "unexpected": [name for name in dataset.categories if name not in HR_CRIME_CLASSES],
        "segment_frames": frames,
        "reading": dataset.report.to_json(),
    }
    if as_json:
        print_json(found)
    else:
        stdout.print(_table(found))
    _say(found)


@app.command()
def generate(
    directory: Annotated[Path, typer.Argument(help="An empty or new folder.")],
    videos: Annotated[int, typer.Option(min=1, help="Of each class.")] = 3,
    people: Annotated[int, typer.Option(min=1, help="In each video.")] = 2,
    frames: Annotated[int, typer.Option(min=2, help="Of each video.")] = 80,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same files.")] = 0,
) -> None:
    """Make up stick people in HR-Crime's format, 13 classes, to try training and tables before HR-Crime is there.

    Example:

    activity data generate made_up && activity data hr-crime made_up
    """
    from activity.datasets.generated import write_generated  # noqa: PLC0415

    write_generated(directory, videos=videos, people=people, frames=frames, seed=seed)
    stderr.print(f"made-up people written to {directory}; they say nothing about crime", highlight=False)


def _table(found: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for heading in ("videos", "people", "frames", f"under {found['segment_frames']} frames"):
        table.add_column(heading, justify="right")
    for name, counts in found["classes"].items():
        table.add_row(name, *(f"{counts[key]:,}" for key in ("videos", "people", "frames", "short")))
    return table


def _say(found: dict[str, Any]) -> None:
    reading = found["reading"]
    stderr.print(
        f"{reading['files']} files, {sum(reading['damaged_rows'].values())} damaged rows, "
        f"{len(reading['unreadable_files'])} unreadable files, {reading['gaps']} gaps, {reading['empty_rows']} frames "
        "without a joint",
        highlight=False,
    )
    if found["missing"]:
        stderr.print(
            f"[yellow]missing classes[/]: {', '.join(found['missing'])}. {HR_CRIME_SOURCE}", highlight=False
        )
    if found["unexpected"]:
        stderr.print(
            f"[yellow]classes that HR-Crime does not have[/]: {', '.join(found['unexpected'])}",
            highlight=False,
        )
