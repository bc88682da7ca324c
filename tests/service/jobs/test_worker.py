from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from activity.service.database import Delivery, Incident, Job, WorkerProcess
from activity.service.database.repository.audit import audit_entries
from activity.service.database.repository.jobs import get_step_file, get_step_output, request_cancel
from activity.service.jobs.worker import Worker
from tests.service.jobs.conftest import Bench

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not depend on the kind of database."""


def incidents_of(bench: Bench, job_id: str) -> list[Incident]:
    with bench.database.read() as session:
        return list(session.query(Incident).filter_by(job_id=job_id))


def test_a_job_runs_through_every_step_and_stores_its_incidents(bench: Bench) -> None:
    told: list[int] = []
    job_id = bench.submit(alerts=2)
    with bench.worker(on_incidents=lambda _, incidents: told.append(len(incidents))):
        (job,) = bench.wait(job_id)

    assert (job.state, job.progress, job.problem) == ("succeeded", 1.0, None)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert told == [2]
    assert [incident.ordinal for incident in incidents_of(bench, job_id)] == [0, 1]
    assert all(bench.tries(job_id, step) == 1 for step in ("probe", "observe", "recognize", "fuse", "report"))
    with bench.database.read() as session:
        key = get_step_file(session, job_id, "report", "output.json")
        assert key == f"jobs/{job_id}/report-1/output.json"
        with bench.storage.open(key) as stream:
            assert json.load(stream)["step"] == "report"
        (entry,) = audit_entries(session, subject=f"job:{job_id}")
        assert entry.detail["state"] == "succeeded"
        assert len(entry.detail["incidents"]) == 2
        assert session.query(WorkerProcess).one().heartbeat_at.year == 2000  # it stopped in good order
    assert not list(bench.folder.glob("activity-jobs-*/*"))


POISON = {
    "unreadable!": (1, "clip-unreadable", "damaged: a packet cannot be decoded (3 good frames)"),
    "crash!": (3, "process-died", "ended with SIGSEGV"),
    "exit!": (3, "process-died", "ended with exit code 3"),
    "bug!": (3, "internal", "ZeroDivisionError"),
    "memory!": (3, "memory-limit", "memory"),
}


@sqlite_only
def test_poisoned_clips_fail_with_a_problem_that_says_why_and_others_do_not_suffer(bench: Bench) -> None:
    poisoned = {what: bench.submit(do={"observe": what}) for what in POISON}
    once = {what: bench.submit(do={"recognize": what}) for what in ("crash", "bug", "memory")}
    with bench.worker():
        bench.wait(*poisoned.values(), *once.values(), timeout_s=300)

    for what, (tries, kind, text) in POISON.items():
        job = bench.job(poisoned[what])
        assert job.state == "failed"
        assert job.problem is not None
        assert job.problem["type"] == f"urn:activity:problem:{kind}"
        assert text in job.problem["detail"]
        assert "/" not in job.problem["detail"]
        assert (job.problem["step"], job.problem["attempts"]) == ("observe", tries)
        assert bench.tries(job.id, "observe") == tries
        assert bench.tries(job.id, "probe") == 1
        assert incidents_of(bench, job.id) == []
    for job_id in once.values():  # what goes wrong once does not fail a job
        assert bench.job(job_id).state == "succeeded"
        assert (bench.tries(job_id, "observe"), bench.tries(job_id, "recognize")) == (1, 2)
        with bench.database.read() as session:
            output = get_step_output(session, job_id, "recognize")
            assert output is not None
            assert output.files["output.json"]["key"].endswith("/recognize-2/output.json")


@sqlite_only
def test_a_step_that_takes_too_long_is_ended(bench: Bench) -> None:
    limits = bench.settings.limits.model_copy(update={"job_time_s": 10})
    bench.settings = bench.settings.model_copy(update={"limits": limits})
    job_id = bench.submit(do={"observe": "sleep!"})
    with bench.worker():
        (job,) = bench.wait(job_id, timeout_s=120)

    assert job.problem is not None
    assert job.problem["type"].endswith("time-limit")
    assert job.problem["detail"] == "Step observe did not end within 10 s."
    assert bench.tries(job_id, "observe") == 1


def test_a_running_job_is_cancelled_soon_and_a_waiting_one_never_begins(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(
        update={"queue": bench.settings.queue.model_copy(update={"workers": 1})}
    )
    running, waiting = bench.submit(do={"observe": "sleep!"}), bench.submit()
    with bench.worker():
        bench.wait_until(lambda: bench.tries(running, "observe") == 1, 30, running)
        with bench.database.write() as session:
            request_cancel(session, waiting)
            request_cancel(session, running)
        begin = time.monotonic()
        jobs = bench.wait(running, waiting)
        assert time.monotonic() - begin < 20

    assert [job.state for job in jobs] == ["cancelled", "cancelled"]
    assert bench.tries(waiting, "probe") == 0
    assert [job.problem for job in jobs] == [None, None]


def test_a_stopped_workers_job_goes_on_where_it_was(bench: Bench) -> None:
    job_id = bench.submit(do={"fuse": "sleep"})
    with bench.worker():
        bench.wait_until(lambda: bench.tries(job_id, "fuse") == 1, 30, job_id)
    assert bench.job(job_id).state == "running"
    assert bench.job(job_id).attempts == 0  # a worker that is stopped says nothing against the clip

    with bench.worker():
        (job,) = bench.wait(job_id)

    assert job.state == "succeeded"
    assert {step: bench.tries(job_id, step) for step in ("probe", "observe", "recognize", "fuse")} == {
        "probe": 1,
        "observe": 1,
        "recognize": 1,
        "fuse": 2,
    }


@sqlite_only
def test_a_clip_that_was_deleted_meanwhile_fails_its_job(bench: Bench) -> None:
    job_id = bench.submit()
    with bench.database.read() as session:
        bench.storage.delete(session.get_one(Job, job_id).clip.storage_key)
    with bench.worker():
        (job,) = bench.wait(job_id)

    assert job.problem is not None
    assert job.problem["type"] == "urn:activity:problem:clip-missing"


@sqlite_only
def test_an_output_that_was_changed_in_the_storage_is_not_used(bench: Bench) -> None:
    job_id = bench.submit(do={"recognize": "sleep"})
    with bench.worker():
        bench.wait_until(lambda: bench.tries(job_id, "recognize") == 1, 30, job_id)
    changed = bench.folder / "changed"
    changed.write_text("{}")
    with bench.database.read() as session:
        key = get_step_file(session, job_id, "observe", "output.json")
    assert key is not None
    bench.storage.put(key, changed)
    with bench.worker():
        (job,) = bench.wait(job_id)

    assert job.problem is not None
    assert job.problem["detail"] == "The output output.json of step observe was changed."


def test_a_job_of_which_the_engine_has_lost_all_trace_is_brought_back(bench: Bench) -> None:
    job_id = bench.submit()
    with bench.database.write() as session:
        job = session.get_one(Job, job_id)
        job.enqueued_at = job.created_at  # as if it had been handed over to an engine whose tables are gone
    with bench.worker():
        assert bench.wait(job_id)[0].state == "succeeded"


@sqlite_only
def test_what_is_told_of_incidents_is_stored_with_them_or_not_at_all(bench: Bench) -> None:
    calls: list[int] = []

    def tell(session: Session, incidents: Sequence[Incident]) -> None:
        calls.append(len(incidents))
        session.add_all([Delivery(incident_id=incident.id, sink="a") for incident in incidents])
        session.flush()
        if len(calls) == 1:
            raise RuntimeError("the first time goes wrong after it was written")

    job_id = bench.submit(alerts=1)
    with bench.worker(on_incidents=tell):
        (job,) = bench.wait(job_id)

    assert job.state == "succeeded"
    assert calls == [1, 1]
    assert len(incidents_of(bench, job_id)) == 1
    with bench.database.read() as session:
        assert session.query(Delivery).count() == 1


@sqlite_only
def test_a_worker_removes_what_killed_ones_left_on_the_disk(bench: Bench, tmp_path: Path) -> None:
    worker: Worker = bench.worker()
    left = worker._scratch.parent / "999999999-dead"
    left.mkdir()
    (left / "clip.mp4").touch()

    bench.worker()

    assert not left.exists()
