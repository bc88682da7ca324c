"""`activity keys` on a database of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import ConfigurationError


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVITY_HOME", str(tmp_path))
    made = json.loads(invoke("create", "night shift", "--role", "viewer", "--json"))
    assert made["key"].startswith("act_")
    listed = invoke("list", "--json")
    assert made["key"] not in listed
    (entry,) = json.loads(listed)["keys"]
    assert (entry["name"], entry["role"], entry["revoked"]) == ("night shift", "viewer", False)
    invoke("revoke", made["id"])
    assert json.loads(invoke("list", "--json"))["keys"][0]["revoked"] is True
    with pytest.raises(ConfigurationError, match="keys list"):
        invoke("revoke", "0" * 32)
    with pytest.raises(ConfigurationError, match="printable"):
        invoke("create", "a\nb")
