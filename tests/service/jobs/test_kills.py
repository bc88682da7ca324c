"""Workers are killed in every step of twenty jobs; what was promised holds nevertheless."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import select

from activity.service.audit_chain import FIRST_HASH, entry_hash
from activity.service.database import JOB_STEPS, Clip, Delivery, Incident, Job, JobStep, StepOutput, Webhook
from activity.service.database.repository.audit import audit_entries
from activity.service.deliveries import AlertSettings
from activity.service.jobs.step_files import fetch_files
from tests.service.jobs.conftest import ROOT, Bench
from tests.service.jobs.fakes import expected_output
from tests.service.jobs.pool import PoolSettings, WorkerPool

JOBS = 20
KILLS_A_JOB = int(os.environ.get("ACTIVITY_TEST_KILLS_A_JOB", "2"))
"""In different steps; 6 kills each job in each of its steps, and takes three times as long."""

WORKERS = 2
ALERTS = 2
KILLS = ("kill-worker", "kill-worker-late", "kill-after-put")
"""In the middle of a step, after its files are written, and after they are stored but not yet noted as done."""


class FlakyReceiver(ThreadingHTTPServer):
    """Fails every other call with 503; keeps the ids of the messages that it accepted."""

    def __init__(self) -> None:
        self.calls = 0
        self.accepted: list[str] = []
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts"


class _Handler(BaseHTTPRequestHandler):
    server: FlakyReceiver

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        if len(content) < int(self.headers["content-length"]):  # the sender was killed
            return
        body = json.loads(content)
        with self.server.lock:
            self.server.calls += 1
            accept = self.server.calls % 2 == 0
            if accept and self.headers["webhook-id"] not in self.server.accepted:
                assert body["type"] == "incident.alert"
                self.server.accepted.append(self.headers["webhook-id"])
        self.send_response(204 if accept else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def receiver() -> Iterator[FlakyReceiver]:
    server = FlakyReceiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def plan_kills(bench: Bench, markers: Path) -> list[str]:
    """Submit the jobs and plan `KILLS_A_JOB` kills in each, so that each step has each kind; the jobs' ids."""
    markers.mkdir(parents=True)
    job_ids = []
    for number in range(JOBS):
        do: dict[str, str] = {}
        late: list[JobStep] = []
        for kill in range(KILLS_A_JOB):
            step = JOB_STEPS[(number + kill * len(JOB_STEPS) // KILLS_A_JOB) % len(JOB_STEPS)]
            kind = KILLS[(number // len(JOB_STEPS) + kill) % len(KILLS)]
            if step == "store" or kind == "kill-after-put":
                late.append(step)
            else:
                do[step] = kind
        job_id = bench.submit(f"clip {number}".encode(), by=f"key:{number % 3}", alerts=ALERTS, do=do)
        for step in late:
            (markers / f"{job_id}.{step}").touch()
        job_ids.append(job_id)
    return job_ids


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_kill_in_each_step_of_twenty_jobs_loses_nothing_and_doubles_nothing(
    bench: Bench, receiver: FlakyReceiver
) -> None:
    alerts = AlertSettings.model_validate(
        {
            "allowed_networks": ["127.0.0.0/8"],
            # an attempt whose worker is killed counts as one
            "retry": {"first_delay_s": 0.05, "longest_delay_s": 0.2, "lease_s": 1.0, "attempts": 1000},
        }
    )
    with bench.database.write() as session:
        session.add(Webhook(url=receiver.url, secret="whsec_" + "A" * 43 + "=", created_by="key:ann"))
    logs = bench.folder / "log"
    logs.mkdir()
    jobs = plan_kills(bench, logs / "markers")
    url = bench.database.engine.url.render_as_string(hide_password=False)
    environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(bench.folder)}
    pool = WorkerPool(PoolSettings(url, bench.folder / "files", logs, alerts, environment), workers=WORKERS)
    try:
        deadline = time.monotonic() + 1800
        while (
            not all(bench.job(job_id).is_final for job_id in jobs) or len(receiver.accepted) < JOBS * ALERTS
        ):
            assert time.monotonic() < deadline, Counter(bench.job(job_id).state for job_id in jobs)
            pool.tend()
            time.sleep(0.1)
        settle_until = time.monotonic() + 60
        while _count_pending(bench) and time.monotonic() < settle_until:
            pool.tend()
            time.sleep(0.1)
    finally:
        pool.close()

    # All end, and the kills did happen.
    assert Counter(bench.job(job_id).state for job_id in jobs) == {"succeeded": JOBS}
    assert not list((logs / "markers").iterdir())
    # Two jobs of one worker may plan a kill at the same time, and then die of one.
    assert JOBS * KILLS_A_JOB * 0.5 < pool.deaths <= JOBS * KILLS_A_JOB

    for job_id in jobs:
        check_outputs(bench, job_id)
    with bench.database.read() as session:
        # No step's output is lost or doubled, neither in the tables nor in the storage.
        outputs = session.scalars(select(StepOutput)).all()
        assert Counter(output.step for output in outputs) == dict.fromkeys(JOB_STEPS, JOBS)
        bench.storage.remove_leftovers(older_than_s=0)  # of kills in the middle of writing a file
        named = {file["key"] for output in outputs for file in output.files.values()}
        stored = {
            str(path.relative_to(bench.folder / "files"))
            for path in (bench.folder / "files/jobs").rglob("*")
            if path.is_file()
        }
        assert stored == named
        # Each alert is there once, and was delivered once.
        assert Counter(session.scalars(select(Incident.job_id))) == dict.fromkeys(jobs, ALERTS)
        deliveries = session.scalars(select(Delivery)).all()
        assert Counter(delivery.state for delivery in deliveries) == {"delivered": JOBS * ALERTS}
        assert len({delivery.incident_id for delivery in deliveries}) == JOBS * ALERTS
        assert len(receiver.accepted) == JOBS * ALERTS
        # The log has each end once, in an unbroken chain.
        ends = Counter(entry.subject for entry in audit_entries(session) if entry.action == "job.end")
        assert ends == {f"job:{job_id}": 1 for job_id in jobs}
        previous = FIRST_HASH
        for entry in audit_entries(session):
            assert entry.previous_hash == previous
            previous = entry_hash(
                sequence=entry.sequence,
                previous_hash=previous,
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                subject=entry.subject,
                detail=entry.detail,
            )
            assert entry.hash == previous


def check_outputs(bench: Bench, job_id: str) -> None:
    """Every step's output is what the outputs before it make."""
    folder = bench.folder / "check" / job_id
    with bench.database.read() as session:
        sha256 = session.get_one(Clip, session.get_one(Job, job_id).clip_id).sha256
        for step in JOB_STEPS[:-1]:
            output = session.get_one(StepOutput, (job_id, step))
            fetch_files(bench.storage, output, folder / step)
            written = json.loads((folder / step / "output.json").read_text())
            assert written == expected_output(step, folder, sha256)


def _count_pending(bench: Bench) -> int:
    with bench.database.read() as session:
        return session.query(Delivery).filter_by(state="pending").count()
