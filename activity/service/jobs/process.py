"""Starts and watches the limited process of one job."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from activity.service.jobs.limits import StepLimits
from activity.service.jobs.problems import StepError

TICK_S: Final = 0.25
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "ACTIVITY_CHECKPOINTS",
    "OMP_NUM_THREADS",
    "PYTHONPATH",
    "TORCH_HOME",
    "XDG_CACHE_HOME",
)
_LOG_TAIL_BYTES: Final = 4000


class StepProcess:
    """One limited process, in which the steps of one job run one after the other.

    Args:
        steps: ``module:class`` of the steps, see `activity.service.jobs.child.Steps`.
        settings: The settings of the analysis, JSON-like.
        limits: What it may take.
        log: A file for what it prints.
    """

    def __init__(self, *, steps: str, settings: Mapping[str, Any], limits: StepLimits, log: Path) -> None:
        self._limits = limits
        self._log = log
        self.peak_mib = 0.0
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "activity.service.jobs.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                start_new_session=True,
            )
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for above
        os.set_blocking(self._process.stdout.fileno(), False)
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._pending = b""
        self._send({"steps": steps, "settings": dict(settings), "limits": dataclasses.asdict(limits)})

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked for a step."""
        return self._process.poll() is None

    def run(
        self, step: str, *, clip: Path, sha256: str, folder: Path, on_tick: Callable[[float | None], None]
    ) -> None:
        """Do one step.

        Args:
            step: Its name.
            clip: The file.
            sha256: What its hash should be.
            folder: Has a folder for each earlier step with its files, and an empty one for this step.
            on_tick: Called a few times a second, with the share that is done where that is new; what it raises ends
                the process and comes through.

        Raises:
            StepError: If the step failed, took too long, or the process died of it.
        """
        deadline = time.monotonic() + self._limits.time_s
        try:
            self._send({"step": step, "clip": str(clip), "sha256": sha256, "folder": str(folder)})
            while True:
                answer = self._receive(min(TICK_S, max(0.0, deadline - time.monotonic())))
                if answer is None:
                    on_tick(None)
                    if time.monotonic() >= deadline:
                        raise StepError(
                            "time-limit", f"Step {step} did not end within {self._limits.time_s:g} s."
                        )
                elif "progress" in answer:
                    on_tick(float(answer["progress"]))
                else:
                    self.peak_mib = max(self.peak_mib, float(answer["peak_mib"]))
                    if "problem" in answer:
                        raise StepError(**answer["problem"])
                    return
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process; harmless when repeated."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # a request that nobody read
                    stream.close()
        self._selector.close()
        self._process.kill()
        self._process.wait()

    def log_tail(self) -> str:
        """The end of what it printed, for the server's log."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").strip()

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe, as asked for
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._died() from error

    def _receive(self, timeout_s: float) -> dict[str, Any] | None:
        """The next answer, or `None` where none came in time."""
        if b"\n" not in self._pending:
            if not self._selector.select(timeout_s):
                return None
            assert self._process.stdout is not None  # noqa: S101 - a pipe, as asked for
            chunk = os.read(self._process.stdout.fileno(), 65536)
            if not chunk:
                raise self._died()
            self._pending += chunk
            if b"\n" not in self._pending:
                return None
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> StepError:
        code = self._process.wait()
        if "MemoryError" in (tail := self.log_tail()) or "bad_alloc" in tail:
            return StepError(
                "memory-limit",
                f"The process needed more than the {self._limits.memory_mib} MiB that a job may take.",
                may_retry=True,
            )
        if code == -signal.SIGXCPU:
            return StepError("time-limit", "The process used more processor time than a job may take.")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return StepError("process-died", f"The process that read the clip ended with {name}.", may_retry=True)
