"""`activity thresholds fit`: thresholds of alerts from what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr
from activity.errors import ConfigurationError

if TYPE_CHECKING:
    from activity.service.corrections.thresholds import Case, FittedThreshold, Quality

app = typer.Typer(no_args_is_help=True, help="Thresholds of alerts, from what people decided.")


@app.callback()
def _group() -> None:
    """Thresholds of alerts, from what people decided."""


@app.command()
def fit(
    cases: Annotated[
        Path | None,
        typer.Option(
            help='JSON list of {"label", "score", "correct", "source"}; the default is the service\'s reviews.',
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings of the service (YAML); the default is service.yaml in the state folder.",
            show_default=False,
        ),
    ] = None,
    current: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=THRESHOLD",
            help="The threshold in force, where the settings' rules do not say; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    min_precision: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Take the least threshold with this precision, not the best F1.",
            show_default=False,
        ),
    ] = None,
    least_cases: Annotated[int, typer.Option(min=10, help="Fit nothing to fewer cases of a class.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit the threshold of each class to reviewed alerts, and show precision and recall before and after.

    Reviews know nothing of what stayed below the threshold, so they can only raise it, and recall is that among the
    alerts that were raised; a file of cases from labelled data may lower it, too. The figures "held out" are those to
    believe: each fifth of the sources is judged by a threshold fitted to the others. Nothing is changed: write the
    thresholds that convince you into the rules, or into a camera.

    Examples:

    activity thresholds fit

    activity thresholds fit --cases scored.json --current Fighting=0.85 --min-precision 0.9 --json
    """
    from activity.service.corrections.thresholds import fit_thresholds, read_cases  # noqa: PLC0415
    from activity.service.settings import load_service_settings  # noqa: PLC0415

    settings = load_service_settings(config)
    in_force = {
        rule.label: condition.at_least
        for rule in settings.analysis.fusion.rules
        for condition in rule.needs
        if condition.kind in ("activity", "weapon", "fire")
    }
    in_force |= dict(_current(text) for text in current or ())
    found = fit_thresholds(
        _reviews(settings.database_url) if cases is None else read_cases(cases),
        in_force,
        min_precision=min_precision,
        may_lower=cases is not None,
        least_cases=least_cases,
    )
    if json:
        print_json(
            {
                "source": "reviews" if cases is None else str(cases),
                "classes": [entry.to_json() for entry in found],
            }
        )
        return
    if not found:
        stderr.print("no reviewed alert of a class that a rule knows; nothing to fit")
        return
    stderr.print(_table(found))
    for entry in found:
        stderr.print(f"{entry.label}: {entry.verdict}: {entry.reason}", highlight=False, soft_wrap=True)


def _reviews(database_url: str) -> list[Case]:
    from sqlalchemy import select  # noqa: PLC0415
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    from activity.service.corrections.thresholds import cases_of_reviews  # noqa: PLC0415
    from activity.service.database import Database, Incident  # noqa: PLC0415

    url = make_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise ConfigurationError(
            f"{url.database}: the service has no database yet; name a file of cases with --cases"
        )
    database = Database.open(database_url)
    try:
        with database.read() as session:
            return cases_of_reviews(session.scalars(select(Incident).where(Incident.state != "new")))
    finally:
        database.close()


def _current(text: str) -> tuple[str, float]:
    label, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not label or not 0 <= value <= 1:
        raise typer.BadParameter(f"expected LABEL=0.85, got {text!r}", param_hint="--current")
    return label, value


def _table(found: list[FittedThreshold]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("class", "cases", "", "threshold", "alerts", "precision", "recall"):
        table.add_column(heading)
    for entry in found:
        rows: list[tuple[str, Quality | None]] = [
            ("before", entry.before),
            ("fitted", entry.after),
            ("held out", entry.held_out),
        ]
        for number, (name, quality) in enumerate(rows):
            if quality is None:
                continue
            content = quality.to_json()
            table.add_row(
                entry.label if number == 0 else "",
                f"{entry.cases} ({entry.positives} right)" if number == 0 else "",
                name,
                "" if name == "held out" else f"{quality.threshold:g}",
                str(quality.alerts),
                _share(quality.precision, content["precision_interval"]),
                _share(quality.recall, content["recall_interval"]),
            )
    return table


def _share(value: float | None, interval: list[float]) -> str:
    return "-" if value is None else f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
