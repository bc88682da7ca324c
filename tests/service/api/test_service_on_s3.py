"""The whole service on object storage: upload, analysis, evidence by range, export, retention, and an outage."""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activity.errors import StorageError
from activity.service.database import Clip, Job, now
from activity.service.deliveries import on_incidents
from activity.service.evidence import verify_bundle
from activity.service.jobs.problems import step_error_of
from activity.service.jobs.retention import sweep_retention
from activity.service.jobs.worker import PIPELINE_STEPS, Worker
from tests.service.api.conftest import Api
from tests.service.jobs.fakes import STEPS
from tests.service.s3 import S3Server

ROOT = Path(__file__).resolve().parents[3]
ANALYSIS = {"threads": 1, "video": {"sample_rate_hz": 5}}


@pytest.fixture
def on_s3(
    open_api: Callable[..., Api], s3_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Api:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return open_api(storage=s3_address, analysis=ANALYSIS)


def upload(api: Api, content: bytes) -> dict[str, Any]:
    answer = api.analyst.post("/v1/clips?name=entrance.mp4", content=content)
    assert answer.status_code == 202, answer.text
    submission: dict[str, Any] = answer.json()
    return submission


def work_until_final(api: Api, job_id: str, *, steps: str, timeout_s: float) -> None:
    service = api.service
    with Worker(
        database=service.database,
        storage=service.storage,
        settings=service.settings,
        on_incidents=on_incidents(service.settings.alerts),
        steps=steps,
        poll_s=0.05,
    ):
        deadline = time.monotonic() + timeout_s
        while True:
            with service.database.read() as session:
                job = session.get_one(Job, job_id)
            if job.is_final:
                break
            assert time.monotonic() < deadline, (job.state, job.step, job.attempts)
            time.sleep(0.05)
    assert (job.state, job.problem) == ("succeeded", None)


def check_ranges(api: Api, path: str, content: bytes) -> None:
    size = len(content)
    whole = api.viewer.get(path)
    assert (whole.status_code, whole.content) == (200, content)
    for header, expected in (
        ("bytes=0-3", content[:4]),
        (f"bytes={size - 5}-", content[-5:]),
        ("bytes=-3", content[-3:]),
        (f"bytes=2-{size + 100}", content[2:]),
    ):
        part = api.viewer.get(path, headers={"Range": header})
        assert (part.status_code, part.content) == (206, expected), header
        assert re.fullmatch(rf"bytes \d+-\d+/{size}", part.headers["content-range"])
    outside = api.viewer.get(path, headers={"Range": f"bytes={size}-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{size}")


def export_and_verify(api: Api, tmp_path: Path) -> list[str]:
    """Exports the newest incident; returns the names in the bundle."""
    incident, *_ = api.viewer.get("/v1/incidents").json()["items"]
    answer = api.analyst.get(f"/v1/incidents/{incident['id']}/bundle")
    assert answer.status_code == 200, answer.text
    path = tmp_path / "bundle.zip"
    path.write_bytes(answer.content)
    found = verify_bundle(path, public_key=api.service.signing_key.public_key)
    assert found.valid, found.broken
    with zipfile.ZipFile(path) as bundle:
        return bundle.namelist()


def expire(api: Api, clip_id: str) -> None:
    with api.service.database.write() as session:
        session.get_one(Clip, clip_id).created_at = now() - timedelta(days=3)
    assert sweep_retention(api.service.database, api.service.storage, default_retention_days=1) == [clip_id]


def test_a_clip_goes_the_whole_way_with_steps_that_take_no_time(
    on_s3: Api, demo: bytes, tmp_path: Path
) -> None:
    submission = upload(on_s3, demo)
    clip_id, job_id = submission["clip"]["id"], submission["job"]["id"]
    check_ranges(on_s3, f"/v1/clips/{clip_id}/content", demo)
    (tmp_path / "ledger").mkdir()
    with on_s3.service.database.write() as session:
        job = session.get_one(Job, job_id)
        job.settings = {**job.settings, "ledger": str(tmp_path / "ledger")}
    work_until_final(on_s3, job_id, steps=STEPS, timeout_s=60)
    assert sorted(path.name.split(".")[1] for path in (tmp_path / "ledger").iterdir()) == [
        "fuse",
        "observe",
        "probe",
        "recognize",
        "report",
    ]  # each was tried once
    report = on_s3.viewer.get(f"/v1/jobs/{job_id}/files/output.json")
    assert report.json()["step"] == "report"
    assert "clip/original.mp4" in export_and_verify(on_s3, tmp_path)

    with on_s3.service.database.read() as session:
        keys = [session.get_one(Clip, clip_id).storage_key, *session.get_one(Job, job_id).files_written]
    assert all(on_s3.service.storage.exists(key) for key in keys)
    expire(on_s3, clip_id)
    left = [key.rpartition("/")[2] for key in keys if on_s3.service.storage.exists(key)]
    assert left == ["alerts.json"]
    assert on_s3.viewer.get(f"/v1/clips/{clip_id}/content").status_code == 410


@pytest.mark.slow
def test_the_demo_clip_is_analysed_and_shown_from_s3(on_s3: Api, demo: bytes, tmp_path: Path) -> None:
    submission = upload(on_s3, demo)
    clip_id, job_id = submission["clip"]["id"], submission["job"]["id"]
    work_until_final(on_s3, job_id, steps=PIPELINE_STEPS, timeout_s=500)
    files = {file["name"]: file for file in on_s3.viewer.get(f"/v1/jobs/{job_id}/files").json()["items"]}
    assert {"report.json", "report.html", "annotated.mp4", "overlay.json", "overlay.jsonl"} <= files.keys()
    film = on_s3.viewer.get(files["annotated.mp4"]["href"]).content
    assert film[4:8] == b"ftyp"
    check_ranges(on_s3, files["annotated.mp4"]["href"], film)
    report = on_s3.viewer.get(files["report.json"]["href"]).json()
    assert report["clip"]["sha256"] == hashlib.sha256(demo).hexdigest()
    assert report["alerts"]
    assert {"clip/original.mp4", "report/report.json"} <= set(export_and_verify(on_s3, tmp_path))
    expire(on_s3, clip_id)
    assert on_s3.viewer.get(files["annotated.mp4"]["href"]).status_code == 404
    assert on_s3.viewer.get(files["report.json"]["href"]).json() == report


def test_while_the_storage_refuses_clients_are_asked_to_come_again(
    open_api: Callable[..., Api], s3_server: S3Server, demo: bytes
) -> None:
    api = open_api(storage="s3://clips/here")
    clip_id = upload(api, demo)["clip"]["id"]
    s3_server.secret_access_key = "another since this morning"  # noqa: S105
    for answer in (
        api.analyst.post("/v1/clips?name=entrance.mp4", content=demo),
        api.viewer.get(f"/v1/clips/{clip_id}/content"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:activity:problem:storage")
        assert answer.headers["retry-after"] == "5"
        assert "AWS" not in answer.text  # that is for the operator, in the log
    health = api.viewer.get("/v1/health").json()
    assert health["status"] == "degraded"
    assert health["checks"]["storage"].startswith("fails")
    assert api.anybody.get("/readyz").status_code == 503


def test_a_bucket_that_went_away_is_not_ready(open_api: Callable[..., Api], s3_server: S3Server) -> None:
    api = open_api(storage="s3://clips/here")
    assert api.anybody.get("/readyz").status_code == 200
    s3_server.buckets.clear()
    assert api.anybody.get("/readyz").status_code == 503


def test_a_job_whose_storage_fails_is_tried_again() -> None:
    problem = step_error_of(StorageError("s3://clips/here: cannot be stored"))
    assert problem.may_retry
    assert "s3://" not in problem.detail
