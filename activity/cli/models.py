"""`activity models`: the networks that analyses use."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table

from activity.cli.console import print_json, stdout
from activity.config import Settings, load_settings
from activity.errors import ConfigurationError


def models(
    name: Annotated[
        str | None, typer.Argument(help="Show the model card of this one.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings of an analysis (YAML) that name other checkpoints.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the networks that an analysis uses, with their files and hashes, or show one's model card.

    Example:

    activity models recognizer_fighting
    """
    from activity.service.models import describe_models  # noqa: PLC0415  (keeps --help fast)

    found = describe_models(Settings() if config is None else load_settings(config))
    if name is not None:
        found = [model for model in found if model.name == name]
        if not found:
            raise ConfigurationError(f"there is no model {name!r}; `activity models` lists them")
    if as_json:
        print_json({"models": [dataclasses.asdict(model) for model in found]})
        return
    if name is not None:
        stdout.print(Markdown(found[0].note))
        return
    table = Table(box=None)
    for heading in ("name", "role", "file", "sha256"):
        table.add_column(heading, overflow="fold")
    for model in found:
        table.add_row(model.name, model.role, model.file or "-", (model.sha256 or "-")[:16])
    stdout.print(table)
