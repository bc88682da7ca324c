"""Databases for the service's tests: SQLite always, PostgreSQL by a throw-away server of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from activity.service.database import Database
from tests.service.postgresql import PostgresqlServer


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
