"""`activity doctor` finds what is missing and says how to mend it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from activity.cli import app
from activity.cli.doctor import Check, run_checks
from activity.config import state_folder
from tests.service.s3 import S3Server


def by_name(checks: list[Check]) -> dict[str, Check]:
    named = {check.name: check for check in checks}
    assert len(named) == len(checks), "two checks share a name"
    return named


def test_this_machine_has_what_the_project_needs() -> None:
    checks = by_name(run_checks())
    for name in ("python", "packages", "torch", "openpifpaf", "video", "onnxruntime", "opencv"):
        assert checks[name].status == "ok", checks[name]
        assert checks[name].mend == ""
    assert "torch 2" in checks["torch"].found
    assert "libx264" in checks["video"].found
    assert "C++ decoder answers" in checks["openpifpaf"].found


def test_every_check_that_does_not_pass_says_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTIVITY_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    monkeypatch.setenv("ACTIVITY_HOME", "/dev/null/state")
    checks = by_name(run_checks())
    assert checks["threads"].status == "warning"
    assert checks["ACTIVITY_HOME (state)"].status == "failed"
    missing = [check for name, check in checks.items() if name.startswith("checkpoint ")]
    assert len(missing) == 4
    assert all(check.status == "failed" and "is missing" in check.found for check in missing)
    assert all(check.mend for check in checks.values() if check.status != "ok")


def test_a_library_that_does_not_load_fails_its_own_check_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # what Python does for a module that must not be found
    checks = by_name(run_checks())
    assert checks["video"].status == "failed"
    assert "ModuleNotFoundError" in checks["video"].found
    assert "scripts/setup" in checks["video"].mend
    assert checks["torch"].status == "ok"


def test_a_checkpoint_is_read_whole_and_its_card_is_missed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTIVITY_CHECKPOINTS", str(tmp_path))
    save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(4, np.float32)}, tmp_path / "good.safetensors")
    (tmp_path / "good.md").write_text("# card")
    save_file({"a": np.ones(1, np.float32)}, tmp_path / "cardless.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "good.safetensors").read_bytes()[:-5])
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    checks = by_name(run_checks())
    assert checks["checkpoint good.safetensors"].status == "ok"
    assert "10 parameters in 2 arrays, sha256 " in checks["checkpoint good.safetensors"].found
    assert checks["checkpoint cardless.safetensors"].status == "warning"
    assert "cardless.md" in checks["checkpoint cardless.safetensors"].mend
    assert checks["checkpoint cut.safetensors"].status == "failed"
    assert checks["checkpoint broken.onnx"].status == "failed"


@pytest.mark.parametrize(
    ("bucket", "status", "found"),
    [
        ("clips", "ok", "s3://clips/here takes files and gives them back"),
        ("nobucket", "failed", "there is no such bucket"),
    ],
)
def test_the_object_storage_of_a_service_is_tried_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bucket: str, status: str, found: str
) -> None:
    with S3Server.start() as server:
        server.buckets["clips"] = {}
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ACTIVITY_HOME", str(tmp_path))
        (tmp_path / "service.yaml").write_text(f"storage: s3://{bucket}/here\n")
        check = by_name(run_checks())["service storage"]
    assert (check.status, found in check.found) == (status, True), check
    assert bool(check.mend) == (status == "failed")


def test_a_service_that_keeps_its_files_here_has_no_object_storage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTIVITY_HOME", str(tmp_path))
    (tmp_path / "service.yaml").write_text("queue: {workers: 2}\n")
    assert "service storage" not in by_name(run_checks())


def test_json_is_one_object_on_stdout_and_failure_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ACTIVITY_CHECKPOINTS", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    content = json.loads(result.stdout)
    assert result.exit_code == 1
    assert content["ok"] is False
    assert all(set(check) == {"name", "status", "found", "mend"} for check in content["checks"])


def test_people_see_a_table_on_stderr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = sys.modules["activity.cli.doctor"]  # the package's attribute of this name is the command
    monkeypatch.setattr(module, "run_checks", lambda: [Check("python", "ok", "CPython [3.11]")])
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert result.stdout == ""


def test_state_lives_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACTIVITY_HOME", str(tmp_path / "state"))
    assert state_folder() == tmp_path / "state"
    assert not state_folder().exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the default differs by platform")
def test_state_lives_in_the_users_data_directory_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTIVITY_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert state_folder() == Path("/data/activity")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", os.sep + "home/someone")
    assert state_folder() == Path("/home/someone/.local/share/activity")
