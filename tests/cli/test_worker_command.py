from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import ConfigurationError
from activity.service.database import Database, WorkerProcess


def test_a_worker_says_where_it_works_and_stops_in_good_order(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text(f"database: sqlite:///{tmp_path}/a.sqlite\nstorage: {tmp_path}/files\n")
    command = [
        sys.executable,
        "-m",
        "activity",
        "worker",
        "--config",
        str(config),
        "--workers",
        "2",
        "--json",
    ]
    with subprocess.Popen(  # noqa: S603 - our own command line
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"TMPDIR": str(tmp_path)}
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=300)

    assert json.loads(said) == {"database": f"sqlite:///{tmp_path}/a.sqlite", "workers": 2}
    assert process.returncode == 0, errors
    assert "unfinished jobs go on elsewhere" in errors
    database = Database.open(f"sqlite:///{tmp_path}/a.sqlite")
    with database.read() as session:
        assert session.query(WorkerProcess).one().heartbeat_at.year == 2000
    database.close()


def test_a_worker_that_would_do_nothing_says_so(tmp_path: Path) -> None:
    config = tmp_path / "service.yaml"
    config.write_text("queue: {workers: 0}\n")

    result = CliRunner().invoke(app, ["worker", "--config", str(config)])

    assert isinstance(result.exception, ConfigurationError)
    assert "--workers 1" in str(result.exception)


@pytest.mark.parametrize("wrong", ["0", "65"])
def test_a_number_of_workers_out_of_bounds_is_wrong_usage(wrong: str) -> None:
    assert CliRunner().invoke(app, ["worker", "--workers", wrong]).exit_code == 2
