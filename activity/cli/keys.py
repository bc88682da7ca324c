"""`activity keys`: API keys from the machine of the service, for when no admin key is at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr, stdout
from activity.errors import ConfigurationError

if TYPE_CHECKING:
    from activity.service.database import Database

app = typer.Typer(
    help="Make, list and revoke API keys of the service whose database this machine can open.",
    no_args_is_help=True,
)
Config = Annotated[
    Path | None,
    typer.Option(
        help="Settings of the service (YAML); the default is service.yaml in the state folder.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_ACTOR = "command line"


@contextmanager
def _database(config: Path | None) -> Iterator[Database]:
    # Imported here: the other commands need no database.
    from activity.service.database import Database  # noqa: PLC0415
    from activity.service.settings import load_service_settings  # noqa: PLC0415

    database = Database.open(load_service_settings(config).database_url)
    try:
        yield database
    finally:
        database.close()


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; shown in reviews and in the log.")],
    role: Annotated[Literal["viewer", "analyst", "admin"], typer.Option(help="What it allows.")] = "analyst",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once.

    Example:

    activity keys create "night shift" --role analyst
    """
    from activity.service.security.keys import create_key  # noqa: PLC0415

    if not name.isprintable() or not 0 < len(name) <= 100:
        raise ConfigurationError(f"name {name!r}: expected 1 to 100 printable characters")
    with _database(config) as database, database.write() as session:
        row, key = create_key(session, name=name, role=role, created_by=_ACTOR)
        made = {"id": row.id, "name": row.name, "role": row.role, "key": key}
    if as_json:
        print_json(made)
        return
    stderr.print(f"The key of {name} ({role}), shown this once:", highlight=False)
    stdout.print(key, highlight=False, soft_wrap=True)


@app.command("list")
def list_keys(config: Config = None, as_json: Json = False) -> None:
    """List all keys, without the keys themselves.

    Example:

    activity keys list
    """
    from sqlalchemy import select  # noqa: PLC0415

    from activity.service.database import ApiKey  # noqa: PLC0415

    with _database(config) as database, database.read() as session:
        rows = session.scalars(select(ApiKey).order_by(ApiKey.id)).all()
    keys = [
        {
            "id": row.id,
            "name": row.name,
            "role": row.role,
            "prefix": row.prefix,
            "created_at": row.created_at.isoformat(timespec="seconds"),
            "revoked": row.revoked,
        }
        for row in rows
    ]
    if as_json:
        print_json({"keys": keys})
        return
    table = Table(box=None)
    for heading in ("id", "name", "role", "prefix", "created_at", "revoked"):
        table.add_column(heading)
    for entry in keys:
        table.add_row(*(str(value) for value in entry.values()))
    stdout.print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The id, as `activity keys list` shows it.")],
    config: Config = None,
) -> None:
    """Let a key open nothing any more.

    Example:

    activity keys revoke 0193a5c1f2de8f0a4c1b7e6d5a493827
    """
    from activity.service.database import ApiKey  # noqa: PLC0415
    from activity.service.security.keys import revoke_key  # noqa: PLC0415

    with _database(config) as database, database.write() as session:
        row = session.get(ApiKey, key_id)
        if row is None:
            raise ConfigurationError(f"there is no key {key_id}; `activity keys list` shows their ids")
        revoke_key(session, row, revoked_by=_ACTOR)
    stderr.print(f"revoked {row.name}", highlight=False)
