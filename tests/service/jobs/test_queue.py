from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from activity.config import Settings
from activity.errors import ConfigurationError
from activity.service.database import Camera, Clip, Database, Job, new_id
from activity.service.database.repository.jobs import count_unfinished, finish_job
from activity.service.jobs.queue import (
    QueueFullError,
    require_usable,
    settings_of,
    submit_job,
    threshold_labels,
)

sqlite_only = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def make_clip(**fields: Any) -> Clip:
    return Clip(
        storage_key=new_id(), original_name="a", sha256="0" * 64, size_bytes=1, uploaded_by="x", **fields
    )


def submit(database: Database, *, bound: int, **fields: Any) -> str:
    with database.write() as session:
        clip = make_clip(**fields)
        session.add(clip)
        session.flush()
        return submit_job(
            session, clip=clip, submitted_by="x", analysis=Settings(), max_unfinished=bound, retry_after_s=7
        ).id


@sqlite_only
def test_a_full_line_refuses_with_when_to_come_again_until_a_job_ends(database: Database) -> None:
    first = submit(database, bound=2)
    submit(database, bound=2)
    with pytest.raises(QueueFullError, match=r"2 jobs wait or run.* try again in 7 s") as caught:
        submit(database, bound=2)
    assert (caught.value.unfinished, caught.value.retry_after_s) == (2, 7)
    with database.read() as session:
        assert session.query(Clip).count() == 2  # the third one's transaction was rolled back

    with database.write() as session:
        finish_job(session, first, "failed")
    submit(database, bound=2)


def test_thirty_that_come_at_once_cannot_pass_the_bound(database: Database) -> None:
    refused: list[QueueFullError] = []

    def come() -> None:
        try:
            submit(database, bound=10)
        except QueueFullError as error:
            refused.append(error)

    threads = [threading.Thread(target=come) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        assert count_unfinished(session) == 10
        turns = sorted(job.turn for job in session.query(Job))
    assert turns == list(range(1, 11))  # of one sender: one after the other
    assert len(refused) == 20


@sqlite_only
def test_the_camera_and_the_time_of_recording_come_into_the_jobs_settings(database: Database) -> None:
    with database.write() as session:
        camera = Camera(
            name="yard", thresholds={"Fighting": 0.95}, zones=[{"name": "gate", "polygon": SQUARE}]
        )
        session.add(camera)
        session.flush()
        camera_id = camera.id
    job_id = submit(database, bound=9, camera_id=camera_id, recorded_at=datetime(2026, 1, 31, 12, tzinfo=UTC))

    with database.read() as session:
        settings = Settings.model_validate(session.get_one(Job, job_id).settings)
    assert settings.camera == "yard"
    assert settings.cameras["yard"].thresholds == {"Fighting": 0.95}
    assert settings.recorded_at == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_clip_of_no_camera_takes_the_servers_settings_as_they_are() -> None:
    analysis = Settings(threads=3)
    assert settings_of(make_clip(), None, analysis) == analysis


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"thresholds": {"Dancing": 0.5}}, "thresholds for Dancing, of which no rule speaks"),
        ({"thresholds": {"Fighting": 0.0}}, "greater than 0"),
        ({"zones": [{"name": "line", "polygon": [[0, 0], [1, 1], [0.5, 0.5]]}]}, "has no area"),
    ],
)
def test_a_camera_that_could_not_be_used_is_refused_before_its_first_clip(
    fields: dict[str, Any], reason: str
) -> None:
    camera = Camera(**{"name": "yard", "thresholds": {}, "zones": []} | fields)
    with pytest.raises(ConfigurationError, match=reason):
        require_usable(camera, Settings())


def test_labels_that_rules_speak_of_may_have_thresholds() -> None:
    assert "Fighting" in threshold_labels(Settings())
    require_usable(Camera(name="yard", thresholds={"Fighting": 0.5}, zones=[]), Settings())
