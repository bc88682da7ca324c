"""Files of finished steps: put into the storage by the worker that made them, fetched by the one that goes on."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any, Final

from activity.service.database import JobStep, StepOutput
from activity.service.jobs.problems import StepError
from activity.service.storage import Storage, check_key

NEEDS: Final[dict[JobStep, tuple[JobStep, ...]]] = {
    "probe": (),
    "observe": (),
    "recognize": ("observe",),
    "fuse": ("observe", "recognize"),
    "report": ("fuse",),
    "store": ("fuse",),
}
"""The earlier steps whose files a step reads."""


def describe_files(folder: Path, *, job_id: str, step: JobStep, attempt: int) -> dict[str, dict[str, Any]]:
    """The files of a step, each with the storage key that it will have and that no other attempt uses.

    Returns:
        File name to ``key``, ``sha256`` and ``size_bytes``, as `StepOutput.files` has them.
    """
    files: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        key = check_key(f"jobs/{job_id}/{step}-{attempt}/{path.name}")
        files[path.name] = {"key": key, "sha256": digest, "size_bytes": path.stat().st_size}
    return files


def fetch_files(storage: Storage, output: StepOutput, folder: Path) -> None:
    """Copy the files of a finished step into `folder`, and check that they are as they were made.

    Raises:
        StepError: If one is missing or changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in output.files.items():
        path = folder / name
        if path.exists():  # made or fetched by this worker
            continue
        part = folder / f".{name}"
        try:
            with storage.open(file["key"]) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1024 * 1024)
        except FileNotFoundError as error:
            raise StepError("internal", f"The output {name} of step {output.step} is missing.") from error
        with part.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != file["sha256"]:
            raise StepError("internal", f"The output {name} of step {output.step} was changed.")
        part.replace(path)
