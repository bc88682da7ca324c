"""Exports of incidents: what is in a bundle, what the log shows of others, and files that are no evidence any more."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from activity.cli import app
from activity.errors import OutputError
from activity.service.database import Clip, Database, Incident, StepOutput, new_id
from activity.service.database.repository.audit import append_audit, audit_entries
from activity.service.database.repository.incidents import add_incidents, add_review
from activity.service.database.repository.jobs import add_job
from activity.service.evidence import verify_bundle
from activity.service.evidence.export import export_bundle
from activity.service.storage import FolderStorage
from activity.structures import Evidence, SceneAlert
from activity.video import sha256_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[Database, FolderStorage]]:
    database = Database.open(f"sqlite:///{tmp_path / 'activity.sqlite'}")
    yield database, FolderStorage(tmp_path / "files")
    database.close()


@pytest.fixture
def incident(stored: tuple[Database, FolderStorage], tmp_path: Path, report_json: Path) -> str:
    """An incident with clip, report and a review, among entries of the log on other things."""
    database, storage = stored
    files = {"report.json": report_json}
    for name in ("report.html", "annotated.mp4", "clip.mp4"):
        files[name] = tmp_path / name
        files[name].write_bytes(f"content of {name}".encode() * 50)
    entries: dict[str, Any] = {}
    for name, path in files.items():
        if name != "clip.mp4":
            key = f"jobs/j/report-1/{name}"
            storage.put(key, path)
            entries[name] = {"key": key, "sha256": sha256_of(path), "size_bytes": path.stat().st_size}
    storage.put("clips/c/file.mp4", files["clip.mp4"])
    clip_sha256 = sha256_of(files["clip.mp4"])
    with database.write() as session:
        append_audit(session, actor="key:zoe", action="key.add", subject="key:secret")
        clip = Clip(
            storage_key="clips/c/file.mp4",
            original_name="tür.mp4",
            sha256=clip_sha256,
            size_bytes=files["clip.mp4"].stat().st_size,
            uploaded_by="key:ann",
            recorded_at=NOON,
        )
        session.add(clip)
        session.flush()
        append_audit(
            session,
            actor="key:ann",
            action="clip.upload",
            subject=f"clip:{clip.id}",
            detail={"sha256": clip_sha256},
        )
        append_audit(session, actor="key:zoe", action="clip.upload", subject=f"clip:{new_id()}")
        job = add_job(session, clip_id=clip.id, submitted_by="key:ann", settings={"threads": 1})
        session.add(StepOutput(job_id=job.id, step="report", files=entries))
        (made,) = add_incidents(
            session,
            job,
            [
                SceneAlert(
                    "activity:Fighting",
                    "Fighting",
                    "police",
                    "severe",
                    1,
                    3,
                    0.9,
                    (1, 2),
                    (Evidence("activity", "person 1", 0.9),),
                )
            ],
        )
        add_review(session, made, reviewer="key:bo", decision="confirmed", note="clearly")
        append_audit(
            session,
            actor="key:bo",
            action="incident.review",
            subject=f"incident:{made.id}",
            detail={"decision": "confirmed"},
        )
        return made.id


@pytest.fixture(scope="module")
def report_json(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as the pipeline writes it, of a clip in which nobody was seen."""
    from activity.report import ClipAnalysis, ModelInfo, write_json  # noqa: PLC0415
    from activity.structures import ClipSummary, VideoInfo  # noqa: PLC0415

    path = tmp_path_factory.mktemp("report") / "report.json"
    analysis = ClipAnalysis(
        video=VideoInfo(Path("gate.mp4"), 64, 48, 25.0, 10, 0.4, "h264"),
        sha256="0" * 64,
        frames_decoded=10,
        frames_analysed=10,
        duration_s=0.4,
        damage=None,
        tracks=[],
        activities=[],
        summary=ClipSummary(None, None, {}, "rule", reason="nobody"),
        detections=[],
        holders=None,
        fire=None,
        alerts=[],
        models=[ModelInfo("detector", "detection", "d.onnx", "1" * 64)],
        timing_s={},
        settings={"threads": 1},
        created_at="2026-01-31T12:00:00+00:00",
    )
    write_json(analysis, path)
    return path


def test_a_bundle_holds_everything_and_proves_itself(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path
) -> None:
    exported = export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "b.zip")
    found = verify_bundle(exported.path, sha256=exported.sha256)
    assert found.valid, found.broken
    with zipfile.ZipFile(exported.path) as archive:
        assert archive.namelist() == [
            "manifest.json",
            "clip/original.mp4",
            "report/report.json",
            "models.json",
            "report/report.html",
            "report/annotated.mp4",
            "incident.json",
            "reviews.json",
            "alerts.json",
            "audit.jsonl",
        ]
        assert archive.read("clip/original.mp4").startswith(b"content of clip.mp4")
        (review,) = json.loads(archive.read("reviews.json"))
        assert (review["decision"], review["note"], review["reviewer"]) == ("confirmed", "clearly", "key:bo")
        models = json.loads(archive.read("models.json"))
        assert models["models"][0]["sha256"] == "1" * 64
        assert models["settings"] == {"threads": 1}
        assert json.loads(archive.read("incident.json"))["job_settings"] == {"threads": 1}
        log = [json.loads(line) for line in archive.read("audit.jsonl").splitlines()]
    assert [entry.get("action") for entry in log] == [
        "clip.upload",
        None,
        "incident.review",
        "incident.export",
    ]
    assert log[0]["sequence"] == 2
    assert exported.manifest.missing == ()
    assert b"zoe" not in exported.path.read_bytes()


def test_the_log_names_the_true_bundle(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path
) -> None:
    first = export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "a.zip")
    second = export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "b.zip")
    assert verify_bundle(second.path).valid
    with stored[0].read() as session:
        entries = list(audit_entries(session, subject=f"incident:{incident}"))
    told = [entry.detail["sha256"] for entry in entries if entry.action == "incident.bundle"]
    assert told == [first.sha256, second.sha256]
    with zipfile.ZipFile(second.path) as archive:
        log = archive.read("audit.jsonl")
    assert first.sha256.encode() in log  # the second bundle tells of the first


def test_a_clip_whose_time_is_over_is_named_as_missing(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path
) -> None:
    database, storage = stored
    with database.write() as session:
        clip = session.get_one(Incident, incident).clip
        clip.deleted_at = NOON
        storage.delete(clip.storage_key)
        storage.delete("jobs/j/report-1/annotated.mp4")
    exported = export_bundle(database, storage, incident, exported_by="key:bo", path=tmp_path / "b.zip")
    found = verify_bundle(exported.path)
    assert found.valid, found.broken
    assert [(entry.name, entry.reason.partition(":")[0]) for entry in exported.manifest.missing] == [
        ("clip/original.mp4", "deleted at 2026-01-31T12"),
        ("report/annotated.mp4", "the storage no longer has it"),
    ]
    assert exported.manifest.clip.member is None


@pytest.mark.parametrize("key", ["clips/c/file.mp4", "jobs/j/report-1/report.html"])
def test_a_stored_file_that_was_changed_is_no_evidence(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path, key: str
) -> None:
    changed = tmp_path / "changed"
    changed.write_bytes(b"something else")
    stored[1].put(key, changed)
    with pytest.raises(OutputError, match="was changed"):
        export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "b.zip")


def test_a_log_that_was_rewritten_in_the_database_breaks_the_bundle(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path
) -> None:
    database, _ = stored
    with database.write() as session:
        entry = next(e for e in audit_entries(session) if e.action == "incident.review")
        entry.detail = {"decision": "dismissed"}
    exported = export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "b.zip")
    found = verify_bundle(exported.path)
    assert found.broken is not None
    assert (found.broken.part, found.broken.name) == ("audit", "entry 4")


def test_an_unknown_incident_is_no_bundle(stored: tuple[Database, FolderStorage], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no incident"):
        export_bundle(*stored, new_id(), exported_by="key:bo", path=tmp_path / "b.zip")
    with stored[0].read() as session:
        assert list(audit_entries(session)) == []


def run_verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", *arguments])


def test_the_command_proves_a_bundle_or_names_the_change(
    stored: tuple[Database, FolderStorage], incident: str, tmp_path: Path
) -> None:
    exported = export_bundle(*stored, incident, exported_by="key:bo", path=tmp_path / "b.zip")
    good = run_verify(str(exported.path), "--json", "--sha256", exported.sha256)
    content = json.loads(good.stdout)
    assert (good.exit_code, content["valid"], content["broken"]) == (0, True, None)
    assert content["incident"] == incident
    assert content["audit"]["entries"] == 4
    assert content["sha256"] == exported.sha256
    assert len(content["members"]) == 9
    whole = bytearray(exported.path.read_bytes())
    whole[whole.index(b"content of clip.mp4")] ^= 1
    exported.path.write_bytes(whole)
    bad = run_verify(str(exported.path))
    assert bad.exit_code == 1
    assert bad.stdout == ""
    assert "clip/original.mp4" in bad.stderr
    wrong = run_verify(str(exported.path), "--anchor", "x")
    assert wrong.exit_code == 2
