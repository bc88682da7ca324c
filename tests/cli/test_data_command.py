from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.datasets.generated import write_generated
from activity.errors import ConfigurationError, DatasetError

RUNNER = CliRunner()


def test_a_generated_set_is_whole(tmp_path: Path) -> None:
    made = RUNNER.invoke(
        app, ["data", "generate", str(tmp_path / "g"), "--videos", "1", "--people", "1", "--frames", "12"]
    )
    assert made.exit_code == 0
    result = RUNNER.invoke(app, ["data", "hr-crime", str(tmp_path / "g"), "--json"])
    found = json.loads(result.stdout)
    assert found["missing"] == found["unexpected"] == []
    assert found["classes"]["Fighting"] == {"videos": 1, "people": 1, "frames": 12, "short": 1}


def test_missing_classes_and_where_to_get_them_are_named(tmp_path: Path) -> None:
    root = write_generated(tmp_path / "g", videos=1, people=1, frames=5)
    (root / "Arson").rename(root / "Dancing")
    result = RUNNER.invoke(app, ["data", "hr-crime", str(root)])
    assert result.exit_code == 0
    words = " ".join(result.stderr.split())
    assert "missing classes: Arson" in words
    assert "10.34894/IRRDJE" in words
    assert "HR-Crime does not have: Dancing" in words


def test_a_folder_that_is_no_download_says_where_to_get_it(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["data", "hr-crime", str(tmp_path / "none")])
    assert isinstance(result.exception, DatasetError)
    assert "DataverseNL" in str(result.exception)


def test_a_table_needs_exactly_one_kind_of_data(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["experiment", "table1"])
    assert isinstance(result.exception, ConfigurationError)
    assert "exactly one of --trajectories, --sbu and --nw-ucla" in str(result.exception)
    result = RUNNER.invoke(
        app, ["experiment", "table1", "--trajectories", str(tmp_path), "--protocol", "mine"]
    )
    assert "expected by_video or paper, got 'mine'" in str(result.exception)


@pytest.mark.parametrize(
    "arguments", [["data"], ["experiment"], ["data", "hr-crime"], ["experiment", "table1"]]
)
def test_help_shows_an_example_or_the_commands(arguments: list[str]) -> None:
    result = RUNNER.invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0
    assert "activity" in result.stdout or "Commands" in result.stdout
