from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from activity.config import Settings
from activity.service.database import Clip, Incident, Job
from activity.service.database.repository.jobs import get_step_file, get_step_output
from activity.service.jobs.queue import submit_job
from activity.service.jobs.worker import PIPELINE_STEPS
from activity.service.settings import ServiceSettings
from activity.service.storage import new_key
from tests.service.jobs.conftest import ROOT, Bench

DEMO = ROOT / "docs/demo/demo.mp4"


def submit(bench: Bench, clip: Path, analysis: Settings) -> str:
    key = new_key("clips", ".mp4")
    bench.storage.put(key, clip)
    content = clip.read_bytes()
    with bench.database.write() as session:
        row = Clip(
            storage_key=key,
            original_name="../demo <script>.mp4",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            uploaded_by="key:ann",
        )
        session.add(row)
        session.flush()
        return submit_job(
            session, clip=row, submitted_by="key:ann", analysis=analysis, max_unfinished=9, retry_after_s=1
        ).id


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_demo_clip_is_analysed_by_two_workers_one_after_the_other(bench: Bench) -> None:
    analysis = Settings.model_validate({"threads": 1, "video": {"sample_rate_hz": 7.5}})
    bench.settings = ServiceSettings()  # the limits that the service runs with
    job_id = submit(bench, DEMO, analysis)
    with bench.worker(steps=PIPELINE_STEPS):
        bench.wait_until(lambda: bench.job(job_id).step == "recognize", 500, job_id)
    assert not bench.job(job_id).is_final
    with bench.worker(steps=PIPELINE_STEPS):
        (job,) = bench.wait(job_id, timeout_s=500)

    assert (job.state, job.problem) == ("succeeded", None)
    with bench.database.read() as session:
        observed = get_step_output(session, job_id, "observe")
        assert observed is not None
        assert observed.files["observations.npz"]["key"].endswith("/observe-1/observations.npz")
        key = get_step_file(session, job_id, "report", "report.json")
        assert key is not None
        with bench.storage.open(key) as stream:
            report = json.load(stream)
        clip = session.get_one(Job, job_id).clip
        assert report["clip"]["sha256"] == clip.sha256
        assert report["clip"]["path"].endswith(f"{clip.id}.mp4")
        assert len(report["tracks"]) >= 3
        incidents = session.query(Incident).filter_by(job_id=job_id).order_by(Incident.ordinal).all()
        alerts = report["alerts"]
        assert [i.label for i in incidents] == [a["label"] for a in alerts]
        assert [i.start_s for i in incidents] == pytest.approx([a["start_s"] for a in alerts], abs=1e-6)
        for name, signature in (("annotated.mp4", b"ftyp"), ("report.html", b"OCTYP")):
            key = get_step_file(session, job_id, "report", name)
            assert key is not None
            with bench.storage.open(key) as stream:
                assert signature in stream.read(16)
