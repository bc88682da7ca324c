"""The `activity` command.

Every command prints tables and progress for people; `--json` prints one JSON object on stdout and nothing else.
Exit code: 0 all well, 1 something failed (named on stderr), 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import activity
from activity.cli import (
    benchmark,
    benchmark_api,
    benchmark_pipeline,
    corrections,
    data,
    evaluate,
    experiment,
    keys,
    thresholds,
    train,
)
from activity.cli.analyze import analyze
from activity.cli.complexity import complexity
from activity.cli.console import stderr
from activity.cli.doctor import doctor
from activity.cli.explain import explain
from activity.cli.export import export
from activity.cli.models import models
from activity.cli.serve import serve
from activity.cli.submit import submit
from activity.cli.verify import verify
from activity.cli.worker import worker
from activity.errors import ActivityError

app = typer.Typer(
    name="activity",
    help="Skeleton-based activity recognition: a clip goes in, a scene alert with its evidence comes out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(analyze)
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(experiment.app, name="experiment")
app.add_typer(data.app, name="data")
benchmark.app.command()(benchmark_api.api)
benchmark.app.command()(benchmark_pipeline.pipeline)
app.add_typer(benchmark.app, name="benchmark")
app.command()(complexity)
app.command()(explain)
app.command()(export)
app.command()(doctor)
app.command()(serve)
app.command()(worker)
app.add_typer(keys.app, name="keys")
app.command()(submit)
app.command()(verify)
app.add_typer(corrections.app, name="corrections")
app.add_typer(thresholds.app, name="thresholds")
app.command()(models)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"activity {activity.__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an `ActivityError` ends it with its message and exit code 1."""
    try:
        app()
    except ActivityError as error:
        stderr.print(f"[bold red]{type(error).__name__}[/]: {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("interrupted", highlight=False)
        sys.exit(130)
