"""What the tests of jobs share: a storage, clips, and workers that run fake steps."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from activity.service.database import Clip, Database, Job
from activity.service.database.repository.jobs import add_job
from activity.service.jobs.worker import Worker
from activity.service.settings import LimitSettings, QueueSettings, ServiceSettings
from activity.service.storage import FolderStorage, new_key
from tests.service.jobs.fakes import STEPS

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Bench:
    """A database, a storage, and what is needed to put jobs there and look at them."""

    database: Database
    storage: FolderStorage
    folder: Path
    settings: ServiceSettings = field(
        default_factory=lambda: ServiceSettings(
            queue=QueueSettings(workers=2, attempts=3),
            limits=LimitSettings(job_memory_mib=512, job_time_s=60),
        )
    )

    def submit(
        self, content: bytes = b"clip", *, by: str = "key:ann", real: bool = False, **settings: Any
    ) -> str:
        """Put a clip into the storage and its job, for fake steps unless they are `real`, into the line."""
        source = self.folder / "upload"
        source.write_bytes(content)
        key = new_key("clips", ".mp4")
        self.storage.put(key, source)
        digest = hashlib.sha256(content).hexdigest()
        ledger = self.folder / "ledger"
        ledger.mkdir(exist_ok=True)
        with self.database.write() as session:
            clip = Clip(
                storage_key=key, original_name="a.mp4", sha256=digest, size_bytes=len(content), uploaded_by=by
            )
            session.add(clip)
            session.flush()
            if not real:
                settings["ledger"] = str(ledger)
            return add_job(session, clip_id=clip.id, submitted_by=by, settings=settings).id

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        with self.database.read() as session:
            return session.get_one(Job, job_id)

    def wait(self, *job_ids: str, timeout_s: float = 60.0) -> list[Job]:
        """Wait until the jobs are final."""
        return self.wait_until(lambda: all(self.job(j).is_final for j in job_ids), timeout_s, *job_ids)

    def wait_until(self, true: Callable[[], bool], timeout_s: float, *job_ids: str) -> list[Job]:
        """Wait until something is so; the jobs after that."""
        deadline = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline, [
                (job.state, job.step, job.attempts) for job in map(self.job, job_ids)
            ]
            time.sleep(0.05)
        return [self.job(job_id) for job_id in job_ids]

    def tries(self, job_id: str, step: str) -> int:
        """How often a fake step was begun."""
        return len(list((self.folder / "ledger").glob(f"{job_id}.{step}.*")))

    def worker(self, **arguments: Any) -> Worker:
        """A worker that runs fake steps."""
        given: dict[str, Any] = {
            "database": self.database,
            "storage": self.storage,
            "settings": self.settings,
            "on_incidents": lambda session, incidents: None,
            "steps": STEPS,
            "poll_s": 0.05,
        }
        return Worker(**given | arguments)


@pytest.fixture
def bench(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A fresh bench on each kind of database."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return Bench(database, FolderStorage(tmp_path / "files"), tmp_path)
