"""`activity worker`: join the workers of a service."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.console import print_json, stderr
from activity.errors import ConfigurationError


def worker(
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings of the service (YAML); the default is service.yaml in the state folder.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Jobs at a time; the default is what the settings say.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout when it works.")
    ] = False,
) -> None:
    """Work on the jobs of a service until told to stop (Ctrl-C or SIGTERM), and deliver its alerts.

    Workers share the service's database and storage. Any number of them may run, on one machine or on many; when one
    is killed, its jobs go on where they were on the others.

    Example:

    activity worker --config service.yaml --workers 2
    """
    # Imported here: the other commands need neither a database nor the engine of durable jobs.
    from activity.service.background import background_work  # noqa: PLC0415
    from activity.service.database import Database  # noqa: PLC0415
    from activity.service.settings import load_service_settings  # noqa: PLC0415
    from activity.service.storage import open_storage  # noqa: PLC0415

    settings = load_service_settings(config)
    at_a_time = workers or settings.queue.workers
    if at_a_time == 0:
        raise ConfigurationError("queue.workers is 0, so this worker would do nothing; say --workers 1")
    settings = settings.model_copy(update={"queue": settings.queue.model_copy(update={"workers": at_a_time})})
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    database = Database.open(settings.database_url)
    try:
        with background_work(database, open_storage(settings.storage_url), settings):
            stderr.print(f"working on the jobs of {database.place}, {at_a_time} at a time; Ctrl-C stops")
            if json:
                print_json({"database": database.place, "workers": at_a_time})
                sys.stdout.flush()
            stop.wait()
            stderr.print("stopping; unfinished jobs go on elsewhere, or here when it is started again")
    finally:
        database.close()
