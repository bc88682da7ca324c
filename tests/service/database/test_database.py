from __future__ import annotations

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError

from activity.errors import ConfigurationError, StructureError
from activity.service.database import (
    ApiKey,
    Base,
    Camera,
    Clip,
    Database,
    Delivery,
    Incident,
    Job,
    engine,
    new_id,
)
from activity.service.database.engine import make_engine, migrate
from activity.service.database.repository.clips import list_expired_clips
from activity.service.database.repository.incidents import (
    add_incidents,
    add_review,
    list_incidents,
)
from activity.service.database.repository.jobs import (
    add_job,
    add_step_output,
    begin_step,
    count_unfinished,
    finish_job,
    get_job,
    get_step_file,
    list_jobs,
    request_cancel,
    set_progress,
)
from activity.structures import Evidence, SceneAlert

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def make_clip(**fields: object) -> Clip:
    values: dict[str, object] = {
        "storage_key": f"clips/{new_id()}",
        "original_name": "../../etc/passwd.mp4",
        "sha256": "0" * 64,
        "size_bytes": 7,
        "uploaded_by": "key:ann",
    }
    return Clip(**(values | fields))


def make_alert(start_s: float = 1.0) -> SceneAlert:
    evidence = (Evidence("activity", "Person 1: Fighting, 0.91", 0.91),)
    return SceneAlert(
        "Fighting", "Fighting", "police", "severe", start_s, start_s + 2, 0.91, (1, 2), evidence
    )


def add_clip_and_job(database: Database, *, by: str = "key:ann", **fields: object) -> str:
    with database.write() as session:
        clip = make_clip(**fields)
        session.add(clip)
        session.flush()
        return add_job(session, clip_id=clip.id, submitted_by=by).id


def test_ids_sort_by_the_time_they_were_made_and_never_repeat() -> None:
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert all(len(one) == 32 for one in ids)
    assert [one[:12] for one in ids] == sorted(one[:12] for one in ids)


def test_the_migrations_make_exactly_the_tables_of_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_twice_and_from_four_threads_at_once_changes_nothing(database_url: str) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            Database.open(database_url).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    Database.open(database_url).close()


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    Database.open(database_url).close()
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("no address", "expected an address"),
        ("mysql://host/name", "expected sqlite or postgresql, got mysql"),
        ("sqlite://", "expected a file"),
        ("postgresql://nobody@127.0.0.1:1/nothing", "cannot be opened"),
    ],
)
def test_an_unusable_address_says_why(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Database.open(url)


def test_sqlite_keeps_a_journal_ahead_waits_for_others_and_checks_foreign_keys(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'a.sqlite'}")
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA busy_timeout")) == 30_000
    database.close()


def test_a_job_of_no_clip_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Job(clip_id="nothing", submitted_by="x"))


def test_an_unknown_state_is_refused(database: Database) -> None:
    job_id = add_clip_and_job(database)
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text("UPDATE jobs SET state = 'odd' WHERE id = :id"), {"id": job_id})


def test_times_come_back_in_utc_and_a_time_without_zone_is_refused(database: Database) -> None:
    with database.write() as session:
        clip = make_clip(recorded_at=NOON.astimezone(timezone(timedelta(hours=5))))
        session.add(clip)
        session.flush()
        session.expire(clip)
        assert clip.recorded_at == NOON
        assert clip.recorded_at is not None
        assert clip.recorded_at.utcoffset() == timedelta(0)
    with pytest.raises((StructureError, StatementError), match="time zone"), database.write() as session:
        session.add(make_clip(recorded_at=datetime(2026, 1, 31, 12)))


def test_what_raises_inside_a_write_is_rolled_back(database: Database) -> None:
    def add_and_fail() -> None:
        with database.write() as session:
            session.add(Camera(name="yard"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()

    with database.read() as session:
        assert session.query(Camera).count() == 0


def test_one_who_sends_many_jobs_waits_behind_himself(database: Database) -> None:
    crowd = [add_clip_and_job(database, by="key:many") for _ in range(5)]
    single = add_clip_and_job(database, by="key:few")

    with database.read() as session:
        turns = {job.id: job.turn for job in list_jobs(session)}
    order = sorted(turns, key=lambda job_id: (turns[job_id], job_id))
    # many's jobs have the turns 1 to 5, few's one has turn 1 and came later
    assert order == [crowd[0], single, *crowd[1:]]


def test_one_who_comes_later_gets_no_turn_of_the_past(database: Database) -> None:
    crowd = [add_clip_and_job(database, by="key:many") for _ in range(4)]
    with database.write() as session:
        for job_id in crowd[:3]:
            begin_step(session, job_id, "probe", progress=0)
    late = [add_clip_and_job(database, by="key:few") for _ in range(2)]

    with database.read() as session:
        turns = {job.id: job.turn for job in list_jobs(session)}
    # turn 3 is served now; many's last job has turn 4, few's get 3 and 4
    assert [turns[job_id] for job_id in late] == [3, 4]


def test_a_job_counts_its_attempts_at_each_step_and_never_loses_progress(database: Database) -> None:
    job_id = add_clip_and_job(database)
    with database.write() as session:
        assert begin_step(session, job_id, "probe", progress=0.0)
        assert begin_step(session, job_id, "observe", progress=0.1)
        assert set_progress(session, job_id, 0.5)
        assert begin_step(session, job_id, "observe", progress=0.1)
        assert set_progress(session, job_id, 0.2)
        job = get_job(session, job_id)
        assert job is not None
        session.refresh(job)
        assert (job.state, job.step, job.attempts, job.progress) == ("running", "observe", 2, 0.5)


def test_a_final_state_stays(database: Database) -> None:
    job_id = add_clip_and_job(database)
    with database.write() as session:
        assert finish_job(session, job_id, "failed", problem={"title": "bad clip"})
        assert not finish_job(session, job_id, "succeeded")
        assert not begin_step(session, job_id, "probe", progress=0)
        assert not set_progress(session, job_id, 0.9)
        job = request_cancel(session, job_id)
        assert job is not None
        assert (job.state, job.problem, job.cancel_requested) == ("failed", {"title": "bad clip"}, False)
    with database.read() as session:
        assert count_unfinished(session) == 0


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked_to_stop(database: Database) -> None:
    waiting, running = add_clip_and_job(database), add_clip_and_job(database)
    with database.write() as session:
        begin_step(session, running, "observe", progress=0)
        for job_id, state in ((waiting, "cancelled"), (running, "running")):
            job = request_cancel(session, job_id)
            assert job is not None
            assert job.state == state
        assert not set_progress(session, running, 0.5)
        assert request_cancel(session, "unknown") is None


def test_the_first_output_of_a_step_stays(database: Database) -> None:
    job_id = add_clip_and_job(database)
    with database.write() as session:
        add_step_output(
            session, job_id, "report", {"report.html": {"key": "a", "sha256": "1", "size_bytes": 1}}
        )
        second = add_step_output(session, job_id, "report", {"report.html": {"key": "b"}})
        assert second.files["report.html"]["key"] == "a"
        assert get_step_file(session, job_id, "report", "report.html") == "a"
        assert get_step_file(session, job_id, "report", "other.html") is None
        assert get_step_file(session, job_id, "observe", "report.html") is None


def test_alerts_are_stored_once_however_often_it_is_tried(database: Database) -> None:
    job_id = add_clip_and_job(database, recorded_at=NOON)
    for _ in range(2):
        with database.write() as session:
            job = session.get_one(Job, job_id)
            first, _second = add_incidents(session, job, [make_alert(60.0), make_alert(5.0)])
            assert (first.ordinal, first.occurred_at) == (0, NOON + timedelta(minutes=1))
            assert first.explanation == [
                {"kind": "activity", "text": "Person 1: Fighting, 0.91", "weight": 0.91}
            ]
    with database.read() as session:
        assert session.query(Incident).count() == 2


def test_the_database_itself_refuses_the_same_message_twice(database: Database) -> None:
    job_id = add_clip_and_job(database)
    with database.write() as session:
        (incident,) = add_incidents(session, session.get_one(Job, job_id), [make_alert()])
    with pytest.raises(IntegrityError), database.write() as session:
        session.add_all([Delivery(incident_id=incident.id, sink="a") for _ in range(2)])


def test_incidents_are_filtered_and_paged(database: Database) -> None:
    job_id = add_clip_and_job(database, recorded_at=NOON)
    with database.write() as session:
        incidents = add_incidents(session, session.get_one(Job, job_id), [make_alert(s) for s in (0, 10, 20)])
        review = add_review(
            session, incidents[1], reviewer="key:bo", decision="corrected", label="Dancing", note="a party"
        )
        assert review.id
        wanted = {incident.id for incident in incidents}
        first = list_incidents(session, limit=2)
        rest = list_incidents(session, limit=2, after=first[-1].id)
        assert {incident.id for incident in [*first, *rest]} == wanted
        assert (len(first), len(rest)) == (2, 1)
        (corrected,) = list_incidents(session, state="corrected", kind="Fighting", severity="severe")
        assert corrected.label_corrected == "Dancing"
        assert [r.note for r in corrected.reviews] == ["a party"]
        (late,) = list_incidents(session, occurred_from=NOON + timedelta(seconds=11))
        assert late.start_s == 20
        assert len(list_incidents(session, occurred_before=NOON + timedelta(seconds=10))) == 1
        assert list_incidents(session, camera_id="other") == []


def test_clips_expire_by_their_cameras_retention(database: Database) -> None:
    with database.write() as session:
        short, never = Camera(name="short", retention_days=2), Camera(name="own default")
        session.add_all([short, never])
        session.flush()
        old = NOON - timedelta(days=3)
        mine = make_clip(camera_id=short.id, created_at=old, original_name="expired")
        session.add_all(
            [
                mine,
                make_clip(camera_id=short.id, created_at=NOON, original_name="young"),
                make_clip(camera_id=short.id, created_at=old, deleted_at=NOON, original_name="gone"),
                make_clip(camera_id=never.id, created_at=old, original_name="by default"),
                make_clip(created_at=NOON - timedelta(days=9), original_name="no camera"),
            ]
        )
        waiting = make_clip(camera_id=short.id, created_at=old, original_name="waiting")
        session.add(waiting)
        session.flush()
        add_job(session, clip_id=waiting.id, submitted_by="x")

        def names(days: int | None) -> list[str]:
            clips = list_expired_clips(session, at=NOON, default_retention_days=days)
            return [clip.original_name for clip in clips]

        assert names(None) == ["expired"]
        assert names(5) == ["no camera", "expired"]
        assert sorted(names(1)) == ["by default", "expired", "no camera"]


def test_a_key_is_revoked_from_the_moment_it_says(database: Database) -> None:
    key = ApiKey(name="a", prefix="p", key_hash="h", role="viewer")
    assert not key.revoked
    key.revoked_at = NOON
    assert key.revoked
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(ApiKey(name="a", prefix="p", key_hash="h", role="root"))


@pytest.mark.parametrize("others_s", [0.0, 0.1])
def test_the_write_ahead_log_is_waited_for_while_others_turn_it_on(
    others_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cursor:
        """Of a file that others are turning over to the log."""

        until = time.monotonic() + others_s
        asked = 0

        def execute(self, command: str) -> None:
            assert command == "PRAGMA journal_mode = WAL"
            self.asked += 1
            if self.asked == 1 or time.monotonic() < self.until:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise error

    cursor = Cursor()
    engine._begin_wal(cursor)  # type: ignore[arg-type]
    assert cursor.asked >= 2
    assert time.monotonic() >= cursor.until
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        engine._begin_wal(Cursor())  # type: ignore[arg-type]
