"""The process that reads a stranger's clip: limited, without secrets, and asked for one step after the other.

Run as ``python -P -m activity.service.jobs.child``. Each line on stdin and stdout is one JSON object. First comes what
stays the same: ``steps`` (module:class), ``settings``, ``limits``. Then for each step ``step``, ``clip``, ``sha256`` and
``folder``; the answers are ``progress`` (a share in [0, 1]) any number of times, and at last ``done`` or ``problem``.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any, Protocol, cast

from activity.service.jobs.limits import (
    StepLimits,
    die_with_parent,
    limit_cpu,
    limit_memory,
    peak_memory_mib,
)
from activity.service.jobs.problems import StepError, step_error_of

PROGRESS_EVERY_S = 0.5


class Steps(Protocol):
    """The steps of a job that read the clip; made once a process, with the settings and limits of the job."""

    def __init__(self, settings: dict[str, Any], limits: StepLimits) -> None: ...

    def run(self, step: str, *, clip: Path, sha256: str, folder: Path, progress: Progress) -> None:
        """Do one step.

        Args:
            step: Its name.
            clip: The file.
            sha256: What its hash should be.
            folder: Holds a folder for each earlier step with that step's files, and an empty one for this step.
            progress: To be called with the share in [0, 1] that is done, as often as one likes.
        """
        ...


class Progress(Protocol):
    """Told how far a step is."""

    def __call__(self, share: float) -> None:
        """Note that this share in [0, 1] is done."""
        ...


def main() -> None:
    """Serve one worker until it closes the pipe."""
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print must not stand among the answers
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, requests), daemon=True).start()
    first = requests.get()
    limits = StepLimits(**first["limits"])
    limit_memory(limits.memory_mib)
    steps: Steps | None = None
    while True:
        request = requests.get()
        limit_cpu(limits.time_s)
        try:
            if steps is None:
                module, _, name = str(first["steps"]).partition(":")
                steps = cast(
                    "Steps", getattr(importlib.import_module(module), name)(first["settings"], limits)
                )
            steps.run(
                request["step"],
                clip=Path(request["clip"]),
                sha256=request["sha256"],
                folder=Path(request["folder"]),
                progress=_Reporter(answers),
            )
            answer: dict[str, Any] = {"done": True}
        except Exception as error:
            problem = step_error_of(error)
            if not isinstance(error, StepError):
                traceback.print_exc()
            answer = {"problem": problem.as_message()}
        _say(answers, answer | {"peak_mib": peak_memory_mib()})


class _Reporter:
    """Passes progress on, no more than twice a second."""

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._last = 0.0

    def __call__(self, share: float) -> None:
        if time.monotonic() - self._last >= PROGRESS_EVERY_S:
            self._last = time.monotonic()
            _say(self._answers, {"progress": min(1.0, max(0.0, share))})


def _say(answers: IO[str], message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _listen(stream: IO[str], requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in stream:
        requests.put(json.loads(line))
    os._exit(0)  # the worker has closed the pipe, or is no more


if __name__ == "__main__":
    main()
