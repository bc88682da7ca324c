from __future__ import annotations

from datetime import timedelta

import pytest

from activity.service.database import Camera, Clip, Incident, Job, now
from activity.service.database.repository.audit import audit_entries
from activity.service.database.repository.incidents import add_incidents
from activity.service.database.repository.jobs import add_step_output, finish_job, note_files
from activity.service.jobs.retention import sweep_retention
from activity.structures import Evidence, SceneAlert
from tests.service.jobs.conftest import Bench

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FILES = ("annotated.mp4", "report.html", "report.json")


def finished_job(bench: Bench) -> str:
    """A job with an incident and a report, as it is after its analysis."""
    job_id = bench.submit()
    source = bench.folder / "output"
    source.write_text("{}")
    files: dict[str, dict[str, str | int]] = {}
    for name in FILES:
        key = f"jobs/{job_id}/report-1/{name}"
        bench.storage.put(key, source)
        files[name] = {"key": key, "sha256": "", "size_bytes": 2}
    evidence = (Evidence("activity", "Person 1: Fighting", 0.9),)
    alert = SceneAlert("Fighting", "Fighting", "police", "severe", 0.0, 1.0, 0.9, (1,), evidence)
    with bench.database.write() as session:
        note_files(session, job_id, [str(file["key"]) for file in files.values()])
        add_step_output(session, job_id, "report", files)
        add_incidents(session, session.get_one(Job, job_id), [alert])
        finish_job(session, job_id, "succeeded")
    return job_id


def test_an_expired_clip_and_all_that_shows_it_go_and_the_log_stays(bench: Bench) -> None:
    job_id, waiting = finished_job(bench), bench.submit()
    with bench.database.write() as session:
        camera = Camera(name="yard", retention_days=2)
        session.add(camera)
        session.flush()
        for job in session.query(Job):
            job.clip.camera_id, job.clip.created_at = camera.id, now() - timedelta(days=3)
        clip_id, key = session.get_one(Job, job_id).clip_id, session.get_one(Job, job_id).clip.storage_key

    assert sweep_retention(bench.database, bench.storage, default_retention_days=None) == [clip_id]
    assert sweep_retention(bench.database, bench.storage, default_retention_days=None) == []

    assert not bench.storage.exists(key)
    assert [bench.storage.exists(f"jobs/{job_id}/report-1/{name}") for name in FILES] == [False, False, True]
    with bench.database.read() as session:
        assert session.get_one(Clip, clip_id).deleted_at is not None
        assert session.query(Incident).count() == 1
        (entry,) = audit_entries(session, subject=f"clip:{clip_id}")
        assert (entry.action, entry.detail["files"]) == ("clip.expire", 3)
        untouched = session.get_one(Job, waiting).clip
        assert untouched.deleted_at is None  # its job is still to read it
        assert bench.storage.exists(untouched.storage_key)


def test_a_sweep_that_was_killed_is_finished_by_the_next_one(bench: Bench) -> None:
    job_id = finished_job(bench)
    with bench.database.write() as session:
        clip = session.get_one(Job, job_id).clip
        clip.created_at = now() - timedelta(days=3)
        bench.storage.delete(clip.storage_key)  # this far it came

    assert sweep_retention(bench.database, bench.storage, default_retention_days=None) == []
    assert sweep_retention(bench.database, bench.storage, default_retention_days=1) == [clip.id]
    with bench.database.read() as session:
        assert len(list(audit_entries(session))) == 1
