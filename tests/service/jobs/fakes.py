"""Steps that take no time and do as they are told; they run in the limited process, as the real ones do."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from activity.errors import VideoError
from activity.service.jobs.child import Progress
from activity.service.jobs.limits import StepLimits

NEEDS = {
    "probe": (),
    "observe": (),
    "recognize": ("observe",),
    "fuse": ("observe", "recognize"),
    "report": ("fuse",),
}
STEPS = "tests.service.jobs.fakes:FakeSteps"
ALERT = {
    "rule": "Fighting",
    "label": "Fighting",
    "agency": "police",
    "severity": "severe",
    "start_s": 1.0,
    "end_s": 2.0,
    "score": 0.9,
    "track_ids": [1],
    "explanation": [{"kind": "activity", "text": "Person 1: Fighting", "weight": 0.9}],
}


class FakeSteps:
    """Each step writes ``output.json``: its name, and the hash of what it read.

    Settings:
        ledger: A folder; every try of a step leaves a file ``JOB.STEP.TRY`` there.
        alerts: How many alerts step `fuse` raises.
        do: Step to what it does the first time, or always with ``!`` at the end: ``kill-worker``,
            ``kill-worker-late`` (after its output is written), ``crash``, ``sleep``, ``memory``, ``unreadable``,
            ``bug``, ``exit``.
    """

    def __init__(self, settings: dict[str, Any], limits: StepLimits) -> None:
        self._settings = settings

    def run(self, step: str, *, clip: Path, sha256: str, folder: Path, progress: Progress) -> None:
        tries = self._count(folder.name, step)
        what: str = self._settings.get("do", {}).get(step, "")
        acts = what.endswith("!") or tries == 1
        what = what.removesuffix("!")
        if acts:
            act(what)
        progress(0.5)
        (folder / step / "output.json").write_text(json.dumps(expected_output(step, folder, sha256)))
        if step == "fuse":
            alerts = {"alerts": [ALERT] * self._settings.get("alerts", 1)}
            (folder / step / "alerts.json").write_text(json.dumps(alerts))
        if acts and what == "kill-worker-late":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)

    def _count(self, job_id: str, step: str) -> int:
        """Note one more try; which one it is."""
        ledger = Path(self._settings["ledger"])
        number = 1
        while True:
            try:
                (ledger / f"{job_id}.{step}.{number}").touch(exist_ok=False)
            except FileExistsError:
                number += 1
            else:
                return number


def expected_output(step: str, folder: Path, sha256: str) -> dict[str, str]:
    """What a step writes, given what the steps before it wrote."""
    read = hashlib.sha256(sha256.encode())
    for need in NEEDS[step]:
        read.update((folder / need / "output.json").read_bytes())
    return {"step": step, "read": read.hexdigest()}


def act(what: str) -> None:
    """Do what goes wrong."""
    match what:
        case "kill-worker":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(3)
        case "sleep":
            time.sleep(60)
        case "memory":
            hoard = [bytearray(64 * 1024 * 1024) for _ in range(100)]
            raise AssertionError(f"{len(hoard)} blocks were to be had")
        case "unreadable":
            raise VideoError(Path("/secret/path.mp4"), "damaged: a packet cannot be decoded", good_frames=3)
        case "bug":
            raise ZeroDivisionError("1/0")
        case "environment":
            raise RuntimeError(json.dumps(sorted(os.environ)))
