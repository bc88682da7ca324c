"""`activity experiment`: whole tables, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from activity.cli.console import print_json, stderr
from activity.errors import ConfigurationError

app = typer.Typer(
    help="Run the experiments of a paper, one configuration a row; a run that was stopped goes on.",
    no_args_is_help=True,
)


@app.callback()
def _root() -> None:
    pass


@app.command()
def table1(
    trajectories: Annotated[
        Path | None, typer.Option(help="People in HR-Crime's layout: <class>/<video>/<person>.csv.")
    ] = None,
    sbu: Annotated[Path | None, typer.Option(help="SBU's archive (.npz): its five official folds.")] = None,
    nw_ucla: Annotated[
        Path | None, typer.Option(help="NW-UCLA's archive (.npz): views 1 and 2 against 3.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Names under --configs, with commas; all otherwise.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="by_video or paper; each row's own (paper) otherwise. For trajectories."),
    ] = None,
    sources: Annotated[
        Path | None, typer.Option(help="CSV with clip and source: split sources instead of videos.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many, to try the machinery.")] = None,
    configs: Annotated[Path, typer.Option(help="Folder of the rows.")] = Path("configs/table1"),
    out: Annotated[Path, typer.Option(help="Gets table1.md, table1.json and the state of each row.")] = Path(
        "runs/table1"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Train and measure every row of the BPTubeFormer paper's Table 1.

    Examples:

    activity experiment table1 --trajectories HR-Crime/Trajectories --out runs/hr_crime

    activity data generate made_up && activity experiment table1 --trajectories made_up --rows bpt_v3 --epochs 2
    """
    from activity.training.recognizer.table1 import ROWS, read_rows, run_table  # noqa: PLC0415

    given = [
        (name, path)
        for name, path in (("trajectories", trajectories), ("sbu", sbu), ("nw_ucla", nw_ucla))
        if path is not None
    ]
    if len(given) != 1:
        raise ConfigurationError("data: give exactly one of --trajectories, --sbu and --nw-ucla")
    names = tuple(name.strip() for name in rows.split(",")) if rows else ROWS
    table = run_table(
        read_rows(configs, names),
        data=_data(given[0][0]),
        path=given[0][1],
        out=out,
        sources=sources,
        protocol=_protocol(protocol),
        epochs=epochs,
        on_row=_say_row,
        on_epoch=_say_epoch,
    )
    stderr.print(f"tables written: {out / 'table1.md'}, {out / 'table1.json'}", highlight=False)
    if as_json:
        print_json(table)


def _data(name: str) -> Literal["trajectories", "sbu", "nw_ucla"]:
    return "trajectories" if name == "trajectories" else "sbu" if name == "sbu" else "nw_ucla"


def _protocol(name: str | None) -> Literal["by_video", "paper"] | None:
    match name:
        case None:
            return None
        case "by_video" | "by-video":
            return "by_video"
        case "paper":
            return "paper"
        case _:
            raise ConfigurationError(f"--protocol: expected by_video or paper, got {name!r}")


def _say_row(name: str, entry: dict[str, Any]) -> None:
    level = "segment" if "segment" in entry else "balanced_accuracy"
    figures = entry[level]
    stderr.print(
        f"{name}: {figures['mean']:.4f} ± {figures['standard_deviation']:.4f} ({level})", highlight=False
    )


def _say_epoch(name: str, done: int, epochs: int, loss: float) -> None:
    if done == epochs or done % 10 == 0:
        stderr.print(f"  {name}: epoch {done} of {epochs}, loss {loss:.3f}", highlight=False)
