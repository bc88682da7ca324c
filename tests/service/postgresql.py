"""A throw-away PostgreSQL server in a temporary folder, run by a user who is not root."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PLACES = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server that listens on this machine's loopback address alone."""

    port: int

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[PostgresqlServer]:
        """Make a cluster, serve it, and remove it afterwards."""
        programs = find_programs()
        folder = Path(tempfile.mkdtemp(prefix="activity-pg-", dir="/tmp"))
        user = _unprivileged_user()
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        port = _free_port()
        data = folder / "data"
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} "
            "-c fsync=off -c max_connections=200 -c shared_buffers=32MB"
        )
        pg_ctl = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
        try:
            _run(
                [
                    str(programs / "initdb"),
                    "-D",
                    str(data),
                    "-A",
                    "trust",
                    "-U",
                    "activity",
                    "-E",
                    "UTF8",
                    "--no-sync",
                ],
                user,
            )
            _run([*pg_ctl, "-l", str(folder / "log"), "-o", options, "start"], user)
            try:
                yield cls(port)
            finally:
                _run([*pg_ctl, "-m", "immediate", "stop"], user)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def make_database(self) -> str:
        """Make an empty database and give its address."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, name: str) -> str:
        """The address of one database of this server."""
        return f"postgresql://activity@127.0.0.1:{self.port}/{name}"


def find_programs() -> Path:
    """The folder with PostgreSQL's `initdb` and `pg_ctl`; the test fails where there is none."""
    found = [folder for place in PLACES for folder in sorted(Path(place).glob("*/bin"), reverse=True)]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).parent)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    pytest.fail(
        "PostgreSQL is not installed, and this test needs a real one: apt-get install postgresql; "
        "or leave these tests out: scripts/test without --all"
    )


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root; `None` where we are not root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.fail("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody")


def _run(command: list[str], user: pwd.struct_passwd | None) -> None:
    finished = subprocess.run(  # noqa: S603 - our own command line
        command,
        check=False,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        timeout=120,
    )
    if finished.returncode != 0:
        pytest.fail(f"{' '.join(command)}: ended with {finished.returncode}; run it by hand to see why")


def _free_port() -> int:
    for _ in range(20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port > 1024:
            return port
        time.sleep(0.01)
    pytest.fail("no free port")
