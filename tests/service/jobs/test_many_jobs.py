"""Two hundred queued jobs: they are served in a fair order, and the worker's memory stays flat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from activity.service.database import Job
from activity.service.settings import LimitSettings, QueueSettings, ServiceSettings
from tests.service.jobs.conftest import Bench

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
JOBS = 200


class LightProcess:
    """Stands in for the limited process, so that two hundred jobs take seconds: writes what fake steps would."""

    def __init__(self, **_: object) -> None:
        self.is_alive = True

    def run(self, step: str, *, folder: Path, **_: object) -> None:
        (folder / step / "output.json").write_text("{}")
        if step == "fuse":
            (folder / step / "alerts.json").write_text('{"alerts": []}')

    def close(self) -> None:
        self.is_alive = False

    def log_tail(self) -> str:
        return ""


def resident_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.slow
def test_two_hundred_jobs_are_served_in_turn_and_memory_stays_flat(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activity.service.jobs.runner.StepProcess", LightProcess)
    bench.settings = ServiceSettings(
        queue=QueueSettings(workers=1, attempts=2), limits=LimitSettings(job_memory_mib=512)
    )
    crowd = [bench.submit(by="key:many") for _ in range(JOBS - 20)]
    few = [bench.submit(by=f"key:few-{number % 2}") for number in range(20)]
    with bench.worker():
        bench.wait_until(lambda: finished(bench) >= 40, 1200)
        early = resident_mib()
        bench.wait(*crowd, *few, timeout_s=3000)
        late = resident_mib()

    assert late - early < 40
    with bench.database.read() as session:
        jobs = session.query(Job).order_by(Job.started_at).all()
    assert Counter(job.state for job in jobs) == {"succeeded": JOBS}
    # Each round serves one of every sender: the twenty that came last are done within the first thirty.
    order = [job.submitted_by for job in jobs]
    assert Counter(order[:30]) == {"key:many": 10, "key:few-0": 10, "key:few-1": 10}
    # Within one sender, first come is first served; two that a worker claims one right after the other may begin in
    # either order, since each begins in a thread of its own.
    for sender in ("key:many", "key:few-0", "key:few-1"):
        began = [job.id for job in jobs if job.submitted_by == sender]
        came = [job_id for job_id in (*crowd, *few) if job_id in set(began)]
        assert all(abs(began.index(job_id) - place) <= 1 for place, job_id in enumerate(came))


def finished(bench: Bench) -> int:
    with bench.database.read() as session:
        return session.query(Job).filter(Job.state == "succeeded").count()
