"""Evidence files over HTTP: what is listed, ranges, and what a look leaves in the log."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from activity.service.api.files import parse_range
from activity.service.database import AuditEntry, Clip, now
from activity.service.problems import Problem
from tests.service.api.conftest import Api

FTYP = b"\x00\x00\x00\x18ftypisom" + bytes(2000)


def test_evidence_is_the_report_and_the_clip_and_not_the_jobs_own_files(api: Api) -> None:
    _, (incident,) = api.finished_job()
    files = {
        file["name"]: file for file in api.viewer.get(f"/v1/incidents/{incident}/evidence").json()["items"]
    }
    assert set(files) == {"report.json", "clip.mp4"}
    assert api.viewer.get(files["clip.mp4"]["href"]).content == b"0123456789"
    assert api.viewer.get(f"/v1/incidents/{incident}/evidence/observations.npz").status_code == 404
    with api.service.database.write() as session:
        session.scalars(select(Clip)).one().deleted_at = now()
    names = [file["name"] for file in api.viewer.get(f"/v1/incidents/{incident}/evidence").json()["items"]]
    assert names == ["report.json"]


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("frames=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
def test_files_are_sent_in_the_ranges_that_are_asked_for(
    api: Api, header: str | None, status: int, content: bytes | None, content_range: str | None
) -> None:
    job, _ = api.finished_job()
    response = api.viewer.get(
        f"/v1/jobs/{job}/files/report.json", headers={"Range": header} if header else {}
    )
    assert response.status_code == status
    assert response.headers.get("content-range") == content_range
    if content is None:
        assert response.json()["type"] == "urn:activity:problem:range"
    else:
        assert response.content == content
        assert response.headers["content-length"] == str(len(content))
        assert response.headers["accept-ranges"] == "bytes"


def test_a_range_of_a_file_that_has_changed_since_gives_the_whole(api: Api) -> None:
    job, _ = api.finished_job()
    path = f"/v1/jobs/{job}/files/report.json"
    etag = api.viewer.get(path).headers["etag"]
    for value, status in ((etag, 206), ('"other"', 200)):
        response = api.viewer.get(path, headers={"Range": "bytes=0-1", "If-Range": value})
        assert response.status_code == status


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2f..%2fetc%2fpasswd",
        "..%2F..%2Factivity.sqlite",
        "%2e%2e%2freport.json",
        "..%5c..%5cactivity.sqlite",
        "%2fetc%2fpasswd",
        "report.json%00.png",
        "....//report.json",
        "../../activity.sqlite",
        "observations.npz",  # written by the job, but for nobody to see
    ],
)
def test_a_file_that_no_one_listed_is_not_sent(api: Api, name: str) -> None:
    job, (incident,) = api.finished_job()
    for path in (f"/v1/jobs/{job}/files/{name}", f"/v1/incidents/{incident}/evidence/{name}"):
        answer = api.viewer.get(path)
        assert answer.status_code in (404, 422), path
        assert answer.headers["content-type"] == "application/problem+json"


def test_many_ranges_cost_no_more_than_the_whole_file(api: Api) -> None:
    job, _ = api.finished_job()
    header = "bytes=" + ",".join(f"{first}-" for first in range(1000))
    answer = api.viewer.get(f"/v1/jobs/{job}/files/report.json", headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert "multipart" not in answer.headers["content-type"]


def test_a_range_of_an_empty_file_cannot_be_met() -> None:
    assert parse_range(None, 0) is None
    with pytest.raises(Problem):
        parse_range("bytes=0-", 0)


def test_many_parts_of_a_file_are_one_look_in_the_log(api: Api) -> None:
    job, _ = api.finished_job()
    for header in ("bytes=0-1", "bytes=2-3", "bytes=4-5"):
        api.viewer.get(f"/v1/jobs/{job}/files/report.json", headers={"Range": header})
    with api.service.database.read() as session:
        looks = session.scalars(select(AuditEntry).where(AuditEntry.action == "file.view")).all()
    assert [(look.subject, look.detail) for look in looks] == [(f"job:{job}", {"file": "report.json"})]


def test_a_clip_whose_time_is_over_is_gone(api: Api) -> None:
    clip = api.analyst.post("/v1/clips", content=FTYP).json()["clip"]["id"]
    with api.service.database.write() as session:
        session.get_one(Clip, clip).deleted_at = now()
    assert api.viewer.get(f"/v1/clips/{clip}/content").status_code == 410
    assert api.viewer.get(f"/v1/clips/{clip}").json()["deleted_at"] is not None
