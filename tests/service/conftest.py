"""Databases and storages for the service's tests: PostgreSQL and S3 by throw-away servers of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from activity.service.database import Database
from tests.service.postgresql import PostgresqlServer
from tests.service.s3 import S3Server


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresqlServer]:
    """A PostgreSQL server that lives as long as the tests; they fail where PostgreSQL is not installed."""
    with PostgresqlServer.start() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh, empty database: once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'activity.sqlite'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.make_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh database with all tables."""
    opened = Database.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with one empty bucket, ``clips``, and the environment that leads there."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with S3Server.start() as server:
        server.buckets["clips"] = {}
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def s3_address(request: pytest.FixtureRequest) -> str:
    """An address in object storage where nothing lies yet: of our own server, or below ``ACTIVITY_TEST_S3``."""
    elsewhere = os.environ.get("ACTIVITY_TEST_S3")
    if elsewhere:
        return f"{elsewhere.rstrip('/')}/{secrets.token_hex(8)}"
    request.getfixturevalue("s3_server")
    return "s3://clips/here"
