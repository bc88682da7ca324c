"""Opens everything that the service needs, and serves it from one process."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import APIRouter

from activity.config import state_folder
from activity.errors import ConfigurationError
from activity.service.api import create_app
from activity.service.background import background_work
from activity.service.database import Database
from activity.service.evidence.signing import SigningKey
from activity.service.metrics import Metrics
from activity.service.models import describe_models
from activity.service.pages import ROUTERS as PAGES
from activity.service.recognition import SegmentRecognizer
from activity.service.runtime import Service
from activity.service.security.keys import ensure_admin
from activity.service.settings import ServiceSettings
from activity.service.storage import open_storage

_STALE_UPLOAD_S: Final = 24 * 3600.0
_CLOSE_WITHIN_S: Final = 5


@dataclass(frozen=True, slots=True)
class Listening:
    """A service that takes requests.

    Attributes:
        url: Where it is.
        admin_key: On the first start, the key of the first admin; it can never be read again.
        evidence_key: Public key of the signatures of evidence bundles, 64 hexadecimal digits.
    """

    url: str
    admin_key: str | None
    evidence_key: str


@contextmanager
def open_service(settings: ServiceSettings) -> Iterator[tuple[Service, str | None]]:
    """Bring the database up to date, open the storage and load the recogniser; all is closed after the block.

    Yields:
        The service, and on the first start the first admin's key.

    Raises:
        ConfigurationError: If the database or the storage cannot be opened.
        CheckpointError: If a network is missing.
    """
    database = Database.open(settings.database_url)
    try:
        with database.write() as session:
            admin_key = ensure_admin(session)
        metrics = Metrics()
        service = Service(
            settings=settings,
            database=database,
            storage=open_storage(settings.storage_url),
            recognizer=SegmentRecognizer.from_settings(
                settings.analysis, settings.batch, on_batch=metrics.batch_requests.observe
            ),
            models=describe_models(settings.analysis),
            upload_folder=state_folder() / "uploads",
            signing_key=SigningKey.open(settings.signing_key_file),
            metrics=metrics,
        )
        _sweep_uploads(service.upload_folder)
        yield service, admin_key
    finally:
        database.close()


def serve(
    settings: ServiceSettings,
    *,
    more: tuple[APIRouter, ...] = PAGES,
    on_listening: Callable[[Listening], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT: the API and the pages, and in the same process the jobs and the alerts.

    Args:
        settings: Of the service.
        more: Routers beside those of the API; the pages, unless others are named.
        on_listening: Told where the service is, once it takes connections.

    Raises:
        ConfigurationError: If the address cannot be listened on, or as `open_service`.
        CheckpointError: As `open_service`.
    """
    http = settings.http
    listener = _listen(http.host, http.port)
    with listener, open_service(settings) as (service, admin_key):
        app = create_app(service, more=more)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_CLOSE_WITHIN_S,
            )
        )
        # uvicorn raises the signal again once it has closed; by then it shall end this process no more.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        with background_work(service.database, service.storage, settings):
            if on_listening is not None:
                host = f"[{http.host}]" if ":" in http.host else http.host
                address = f"http://{host}:{listener.getsockname()[1]}"
                on_listening(Listening(address, admin_key, service.signing_key.public_key))
            server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port}: cannot be listened on: {error.strerror}; name another with --host and --port"
        ) from error


def _sweep_uploads(folder: Path) -> None:
    """Delete what killed processes left of uploads that never became whole."""
    for path in folder.glob("upload-*"):
        if time.time() - path.stat().st_mtime > _STALE_UPLOAD_S:
            path.unlink(missing_ok=True)
