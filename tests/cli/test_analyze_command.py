"""`activity analyze` as a person runs it: a process, its exit code, its files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.mp4"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "activity", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_help_teaches_and_starts_without_loading_networks() -> None:
    result = run("analyze", "--help")
    assert result.returncode == 0
    for word in ("CLIP...", "--out", "--config", "--pose", "--allow-damaged", "report.html"):
        assert word in result.stdout


def test_the_version_is_the_package_version() -> None:
    import activity  # noqa: PLC0415

    assert run("--version").stdout.strip() == f"activity {activity.__version__}"


def test_wrong_usage_is_exit_code_2() -> None:
    assert run("analyze").returncode == 2
    assert run("analyze", "clip.mp4", "--out", "x", "--sample-rate", "-1").returncode == 2


def test_a_batch_goes_on_after_a_bad_file_and_lists_it_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a_bad.mp4").write_bytes(b"\0" * 64)
    (folder / "b_good.mp4").write_bytes(DEMO.read_bytes())
    (folder / "notes.txt").write_text("no video")
    out = tmp_path / "out"
    arguments = ("analyze", str(folder), "--out", str(out), "--sample-rate", "3", "--threads", "1", "--json")
    result = run(*arguments)
    assert result.returncode == 1
    clips = json.loads(result.stdout)["clips"]
    assert [clip["status"] for clip in clips] == ["failed", "analyzed"]
    assert "a_bad.mp4" in clips[0]["message"]
    assert "a_bad.mp4" in result.stderr
    assert "left out, being no videos: 1" in result.stderr
    assert (out / "b_good" / "report.json").is_file()
    again = run(*arguments, "--resume")
    assert [clip["status"] for clip in json.loads(again.stdout)["clips"]] == ["failed", "skipped"]


def test_a_folder_without_videos_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    result = run("analyze", str(tmp_path), "--out", str(tmp_path / "out"))
    assert result.returncode == 1
    assert "no video in this folder" in result.stderr


def test_a_missing_clip_is_named(tmp_path: Path) -> None:
    result = run("analyze", str(tmp_path / "missing.mp4"), "--out", str(tmp_path / "out"))
    assert result.returncode == 1
    assert "missing.mp4" in result.stderr


def test_an_output_path_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "out"
    blocked.write_text("in the way")
    result = run("analyze", str(DEMO), "--out", str(blocked))
    assert result.returncode == 1
    assert "OutputError" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("video: {sample_rate: 5}", "sample_rate"),
        ("video: {sample_rate_hz: -5}", "greater than 0"),
        ("[1, 2]", "expected a mapping"),
        ("pose: {estimator: magic}", "topdown"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, yaml: str, expected: str) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(yaml)
    result = run("analyze", str(DEMO), "--out", str(tmp_path / "out"), "--config", str(config))
    assert result.returncode == 1
    assert "settings.yaml" in result.stderr
    assert expected in result.stderr
