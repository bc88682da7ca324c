"""`activity serve`: the HTTP API, the pages, the jobs and the alerts in one process."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from activity.cli.console import print_json, stderr

if TYPE_CHECKING:
    from activity.service.serve import Listening


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 0.0.0.0 is every network.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; 0 takes a free one.", show_default="8000")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings of the service (YAML); the default is service.yaml in the state folder.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, help="Jobs at a time; 0 leaves them to `activity worker`.", show_default="1"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout when it listens.")
    ] = False,
) -> None:
    """Serve the HTTP API and the pages until told to stop (Ctrl-C or SIGTERM).

    One command, nothing to set up: the database (SQLite) and the files lie in the state folder, `$ACTIVITY_HOME`.
    The first start prints an admin key, once.

    Example:

    activity serve --port 8000
    """
    # Imported here: the other commands need no web server.
    from activity.service.serve import serve as serve_until_stopped  # noqa: PLC0415
    from activity.service.settings import load_service_settings  # noqa: PLC0415

    settings = load_service_settings(config)
    http = settings.http.model_copy(
        update={
            "host": settings.http.host if host is None else host,
            "port": settings.http.port if port is None else port,
        }
    )
    queue = settings.queue
    if workers is not None:
        queue = queue.model_copy(update={"workers": workers})
    settings = settings.model_copy(update={"http": http, "queue": queue})
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO
    )

    def tell(listening: Listening) -> None:
        if as_json:
            print_json(
                {
                    "url": listening.url,
                    "admin_key": listening.admin_key,
                    "evidence_key": listening.evidence_key,
                }
            )
            sys.stdout.flush()
            return
        if listening.admin_key is not None:
            stderr.print(
                f"\nThe first admin's key, shown this once:\n\n    [bold]{listening.admin_key}[/]\n",
                highlight=False,
                soft_wrap=True,
            )
        stderr.print(
            f"Evidence is signed with the Ed25519 key {listening.evidence_key}",
            highlight=False,
            soft_wrap=True,
        )
        stderr.print(f"activity serves at [bold]{listening.url}[/]; Ctrl-C stops it", highlight=False)

    serve_until_stopped(settings, on_listening=tell)
