from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from activity.errors import VideoError
from activity.service.jobs.limits import StepLimits
from activity.service.jobs.problems import StepError, is_out_of_memory, make_problem, step_error_of
from activity.service.jobs.process import StepProcess
from tests.service.jobs.conftest import ROOT
from tests.service.jobs.fakes import STEPS

LIMITS = StepLimits(time_s=120, memory_mib=512, max_frame_pixels=10**6, max_frames=100, max_duration_s=10)


def run_step(tmp_path: Path, step: str, do: dict[str, str]) -> list[float]:
    """Run one fake step in a limited process; the progress that it told."""
    (tmp_path / "ledger").mkdir(exist_ok=True)
    (tmp_path / step).mkdir()
    process = StepProcess(
        steps=STEPS,
        settings={"ledger": str(tmp_path / "ledger"), "do": do},
        limits=LIMITS,
        log=tmp_path / "log",
    )
    told: list[float] = []
    try:
        process.run(
            step,
            clip=tmp_path / "clip",
            sha256="0" * 64,
            folder=tmp_path,
            on_tick=lambda share: None if share is None else told.append(share),
        )
        assert process.peak_mib > 1
    finally:
        process.close()
    return told


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_a_step_writes_its_output_and_tells_how_far_it_is(tmp_path: Path) -> None:
    assert run_step(tmp_path, "probe", {}) == [0.5]
    assert json.loads((tmp_path / "probe/output.json").read_text())["step"] == "probe"


def test_the_process_gets_none_of_the_services_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")

    with pytest.raises(StepError, match="RuntimeError"):
        run_step(tmp_path, "probe", {"probe": "environment"})

    log = (tmp_path / "log").read_text()
    names = json.loads(log[log.index("RuntimeError: ") + len("RuntimeError: ") :])
    assert "PATH" in names
    assert not {"DATABASE_PASSWORD", "AWS_SECRET_ACCESS_KEY"} & set(names)


def test_the_process_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "probe").mkdir()
    program = f"""
from pathlib import Path
from activity.service.jobs.process import StepProcess
from tests.service.jobs.test_process import LIMITS, STEPS
folder = Path({str(tmp_path)!r})
process = StepProcess(
    steps=STEPS, settings={{"ledger": str(folder / "ledger"), "do": {{"probe": "sleep!"}}}}, limits=LIMITS, log=folder / "log"
)
print(process._process.pid, flush=True)
process.run("probe", clip=folder, sha256="", folder=folder, on_tick=lambda share: None)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as worker:  # noqa: S603
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        _wait(lambda: any((tmp_path / "ledger").iterdir()))
        worker.send_signal(signal.SIGKILL)
    _wait(lambda: not _is_running(pid))


def test_a_problem_is_of_a_kind_and_says_what_happened() -> None:
    assert make_problem("time-limit", "It took long.") == {
        "type": "urn:activity:problem:time-limit",
        "title": "The analysis took longer than this server allows",
        "status": 422,
        "detail": "It took long.",
    }


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 10 bytes"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_library_has_its_own_word_for_no_memory(error: Exception) -> None:
    assert step_error_of(error).kind == "memory-limit"
    wrapped = ValueError("something else")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)
    assert not is_out_of_memory(ValueError("something else"))


def test_a_clip_whose_sizes_are_lies_is_unreadable_rather_than_too_large_for_the_memory() -> None:
    error = VideoError(Path("/a.mp4"), "an MP4 file whose index cannot be read [Cannot allocate memory]")
    assert step_error_of(error).kind == "clip-unreadable"


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
