"""Opening the database: SQLite for one machine, PostgreSQL for many, and the migrations that bring it up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from activity.errors import ConfigurationError

BUSY_TIMEOUT_S: Final = 30.0
_MIGRATION_LOCK: Final = 7_142_001  # any number, as long as all our processes use the same
_IMMEDIATE: Final = "activity_immediate"


class Database:
    """The service's database; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading = sessionmaker(engine, expire_on_commit=False)
        # A transaction that reads first and then writes can be refused by SQLite at once, however long it is
        # told to wait. So one that may write takes the write lock when it begins.
        self._writing = sessionmaker(engine.execution_options(**{_IMMEDIATE: True}), expire_on_commit=False)

    @classmethod
    def open(cls, url: str | URL, *, migrate_first: bool = True) -> Database:
        """Connect, and bring the tables up to date.

        Args:
            url: Such as ``sqlite:////var/lib/activity/activity.sqlite`` or ``postgresql://user@host/activity``.
            migrate_first: Whether to apply migrations; several processes may do so at the same time.

        Raises:
            ConfigurationError: If the address is not understood, the database cannot be reached, or it was made by a
                newer version.
        """
        engine = make_engine(url)
        if migrate_first:
            migrate(engine)
        return cls(engine)

    @property
    def place(self) -> str:
        """The address of the database, for people: without a password."""
        url = self.engine.url
        return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; what it loaded stays usable after it."""
        with self._reading() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session in one transaction: committed when the block ends, rolled back if it raises.

        Keep it short, and let nothing slow happen inside: on SQLite one writer works at a time.
        """
        with self._writing.begin() as session:
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def make_engine(url: str | URL) -> Engine:
    """An engine for SQLite or PostgreSQL, with the settings that this service relies on.

    Raises:
        ConfigurationError: If the address is not understood.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            f"database {url!r}: expected an address such as sqlite:////path/to/file or postgresql://user@host/name"
        ) from error
    match parsed.get_backend_name():
        case "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise ConfigurationError("database: expected a file, since several processes share it")
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(
                parsed.set(drivername="sqlite+pysqlite"), connect_args={"timeout": BUSY_TIMEOUT_S}
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        case "postgresql" | "postgres":
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                connect_args={"client_encoding": "utf8"},  # a server of plain ASCII would give bytes back
                pool_pre_ping=True,
                pool_size=10,
                max_overflow=20,
            )
        case other:
            raise ConfigurationError(f"database: expected sqlite or postgresql, got {other}")


def migrate(engine: Engine) -> None:
    """Apply every migration that the database lacks.

    Raises:
        ConfigurationError: If the database cannot be reached, or was made by a newer version.
    """
    place = engine.url.render_as_string(hide_password=True)
    try:
        with engine.execution_options(**{_IMMEDIATE: True}).begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            command.upgrade(_alembic(connection), "head")
    except CommandError as error:
        raise ConfigurationError(
            f"{place}: cannot be brought up to date ({error}); it was probably made by a newer version of activity"
        ) from error
    except OperationalError as error:
        raise ConfigurationError(f"{place}: cannot be opened: {error.orig}") from error
    except SQLAlchemyError as error:
        raise ConfigurationError(f"{place}: cannot be brought up to date: {error}") from error


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "activity.service.database:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # `_begin_sqlite` says BEGIN, not the driver
    cursor = connection.cursor()
    _begin_wal(cursor)
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_wal(cursor: sqlite3.Cursor) -> None:
    """Turn the write-ahead log on, which several may do to a new file at once: SQLite itself waits for nobody there."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(_IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
