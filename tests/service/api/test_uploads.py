"""Clips come in: streamed, sniffed, limited, and once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from activity.service.database import AuditEntry, Clip, Job
from activity.service.sniffing import HEAD_BYTES, container_of
from tests.service.api.conftest import Api

FTYP = b"\x00\x00\x00\x18ftypisom" + bytes(2000)


def test_a_raw_body_becomes_a_clip_and_a_job(api: Api, demo: bytes) -> None:
    response = api.analyst.post(
        "/v1/clips?name=door.mp4&recorded_at=2026-03-01T10:00:00%2B01:00", content=demo
    )
    assert response.status_code == 202, response.text
    body = response.json()
    assert response.headers["location"] == f"/v1/jobs/{body['job']['id']}"
    assert int(response.headers["retry-after"]) >= 1
    assert body["clip"]["sha256"] == hashlib.sha256(demo).hexdigest()
    assert body["clip"]["size_bytes"] == len(demo)
    assert body["clip"]["name"] == "door.mp4"
    assert body["clip"]["recorded_at"] == "2026-03-01T09:00:00Z"
    assert body["job"]["state"] == "queued"
    content = api.viewer.get(f"/v1/clips/{body['clip']['id']}/content")
    assert content.content == demo
    assert content.headers["content-type"] == "video/mp4"
    with api.service.database.read() as session:
        actions = [(entry.action, entry.actor) for entry in session.scalars(select(AuditEntry))]
    assert ("clip.upload", "key:analyst") in actions
    assert ("file.view", "key:viewer") in actions


def test_a_form_gives_the_same_clip_with_its_fields(api: Api, demo: bytes) -> None:
    camera = api.admin.post("/v1/cameras", json={"name": "Door"}).json()["id"]
    response = api.analyst.post(
        "/v1/clips",
        data={"camera_id": camera, "recorded_at": "2026-03-01T10:00:00Z"},
        files={"file": ("C:\\clips\\my door.mp4", demo, "text/plain")},
    )
    assert response.status_code == 202, response.text
    clip = response.json()["clip"]
    assert clip["sha256"] == hashlib.sha256(demo).hexdigest()
    assert (clip["name"], clip["camera_id"]) == ("my door.mp4", camera)
    assert clip["recorded_at"] == "2026-03-01T10:00:00Z"


def test_a_form_that_comes_byte_by_byte_is_read_the_same(api: Api) -> None:
    clip = FTYP + b"\r\n--x\r\n" + FTYP  # something like a boundary inside
    body = (
        b'--bound\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        + clip
        + b"\r\n--bound--\r\n"
    )

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    response = api.analyst.post(
        "/v1/clips", content=pieces(), headers={"Content-Type": "multipart/form-data; boundary=bound"}
    )
    assert response.status_code == 202, response.text
    assert response.json()["clip"]["sha256"] == hashlib.sha256(clip).hexdigest()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "two boundaries are missing"),
        (b'--bound\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + FTYP, "never ends"),
        (b'--bound\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--bound--\r\n', "no file"),
        (
            b'--bound\r\nContent-Disposition: form-data; name="o"\r\n\r\n'
            + b"x" * 2000
            + b"\r\n--bound--\r\n",
            "long",
        ),
        (b"rubbish before the boundary", "no boundary"),
    ],
)
def test_a_broken_form_is_a_problem(api: Api, body: bytes, reason: str) -> None:
    response = api.analyst.post(
        "/v1/clips", content=body, headers={"Content-Type": "multipart/form-data; boundary=bound"}
    )
    assert response.status_code == 400, reason
    assert response.json()["type"] == "urn:activity:problem:form"
    assert leftovers(api) == []


def test_a_form_of_parts_without_end_is_given_up(open_api: Callable[..., Api]) -> None:
    """Each part is short and has the same name, so none of the other limits sees them."""
    api = open_api(limits={"max_upload_bytes": 4096})
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(20_000):
            part = b'--bound\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
            sent += len(part)
            yield part

    headers = {"Content-Type": "multipart/form-data; boundary=bound"}
    answer = api.analyst.post("/v1/clips", content=parts(), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:activity:problem:too-large")
    assert leftovers(api) == []


@pytest.mark.parametrize("header", [b"X: " + b"x" * 100_000, b"\r\n".join([b"X: y"] * 1000)])
def test_headers_of_a_part_have_an_end(api: Api, header: bytes) -> None:
    body = b"--bound\r\n" + header + b"\r\n\r\nx\r\n--bound--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=bound"}
    answer = api.analyst.post("/v1/clips", content=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:activity:problem:form")


def test_a_form_without_a_boundary_is_a_problem(api: Api) -> None:
    response = api.analyst.post("/v1/clips", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a concat playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "an HLS playlist"),
        (b'<?xml version="1.0"?><MPD/>', "XML text"),
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "a PNG picture"),
        (b"PK\x03\x04" + bytes(5000), "a ZIP archive"),
        (b"\x80\x04\x95pickle" + bytes(5000), "no known video container"),
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_what_is_no_video_is_refused_whatever_it_is_called(
    api: Api, content: bytes, what: str, form: bool
) -> None:
    if form:
        response = api.analyst.post("/v1/clips", files={"file": ("clip.mp4", content, "video/mp4")})
    else:
        response = api.analyst.post(
            "/v1/clips?name=clip.mp4", content=content, headers={"Content-Type": "video/mp4"}
        )
    assert response.status_code == 415
    assert what in response.json()["detail"]
    assert leftovers(api) == []
    assert api.jobs() == 0


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x00\x00\x00\x18ftypisom", "MP4"),
        (b"\x00\x00\x00\x14ftypqt  ", "QuickTime"),
        (b"\x00\x00\x00\x08wide", "QuickTime"),
        (b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x42\x82\x84webm", "WebM"),
        (b"\x1a\x45\xdf\xa3\x01\x00\x00\x00\x42\x82\x88matroska", "Matroska"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "AVI"),
        ((b"\x47" + bytes(187)) * 4, "MPEG transport stream"),
        ((bytes(4) + b"\x47" + bytes(187)) * 4, "MPEG transport stream"),
        (b"\x00\x00\x01\xba", "MPEG program stream"),
        (b"FLV\x01", "Flash video"),
        (b"OggS", "Ogg"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"\x47" + bytes(500), None),
    ],
)
def test_containers_are_told_by_their_first_bytes(head: bytes, name: str | None) -> None:
    found = container_of(head[:HEAD_BYTES])
    assert (found.name if found else None) == name


def test_a_clip_above_the_limit_is_refused_announced_or_not(open_api: Callable[..., Api]) -> None:
    api = open_api(limits={"max_upload_bytes": 4096})

    def pieces() -> Iterator[bytes]:
        yield from (FTYP, bytes(3000))

    for content in (FTYP + bytes(3000), pieces()):
        response = api.analyst.post("/v1/clips", content=content)
        assert response.status_code == 413
        assert response.json()["limit_bytes"] == 4096
    assert api.analyst.post("/v1/clips", files={"file": ("a.mp4", FTYP + bytes(3000))}).status_code == 413
    assert api.analyst.post("/v1/clips", content=FTYP + bytes(4096 - len(FTYP))).status_code == 202
    assert leftovers(api) == []


def test_a_full_queue_answers_429_with_the_time_to_come_again(open_api: Callable[..., Api]) -> None:
    api = open_api(queue={"max_unfinished": 2, "retry_after_s": 7})
    assert [api.analyst.post("/v1/clips", content=FTYP).status_code for _ in range(3)] == [202, 202, 429]
    refused = api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k"})
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "7"
    assert refused.json()["type"] == "urn:activity:problem:queue-full"
    assert api.jobs() == 2
    with api.service.database.read() as session:
        clips = session.scalars(select(Clip)).all()
    assert len(clips) == 2
    job = api.viewer.get("/v1/jobs").json()["items"][0]["id"]
    assert api.analyst.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k"}).status_code == 202


def test_the_same_idempotency_key_gives_the_same_job(api: Api) -> None:
    first = api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k1"})
    again = api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k1"})
    assert again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert api.jobs() == 1
    other = api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k2"})
    assert other.json()["job"]["id"] != first.json()["job"]["id"]
    someone_else = api.admin.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k1"})
    assert someone_else.json()["job"]["id"] != first.json()["job"]["id"]
    assert api.jobs() == 3


def test_the_same_idempotency_key_with_another_clip_is_refused(api: Api) -> None:
    api.analyst.post("/v1/clips", content=FTYP, headers={"Idempotency-Key": "k1"})
    response = api.analyst.post("/v1/clips", content=FTYP + b"more", headers={"Idempotency-Key": "k1"})
    assert response.status_code == 422
    assert response.json()["type"].endswith("idempotency-key-reused")
    assert api.jobs() == 1


def test_an_unknown_camera_and_a_wrong_time_are_refused(api: Api) -> None:
    for query in (
        "camera_id=" + "0" * 32,
        "camera_id=../x",
        "recorded_at=yesterday",
        "recorded_at=0001-01-01T00:00:00%2B10:00",
    ):
        response = api.analyst.post(f"/v1/clips?{query}", content=FTYP)
        assert response.status_code == 422, query
    response = api.analyst.post("/v1/clips", data={"camera_id": "../x"}, files={"file": ("a.mp4", FTYP)})
    assert response.status_code == 422
    assert leftovers(api) == []
    assert api.jobs() == 0


@pytest.mark.parametrize("name", ["../../etc/passwd.mp4", "a\\b\\passwd.mp4", "passwd.mp4"])
def test_the_senders_name_is_text_to_show_and_never_a_path(api: Api, name: str) -> None:
    clip = api.analyst.post("/v1/clips", params={"name": name}, content=FTYP).json()["clip"]
    assert clip["name"] == "passwd.mp4"
    with api.service.database.read() as session:
        row = session.get_one(Clip, clip["id"])
    assert "passwd" not in row.storage_key


def test_a_jobs_settings_hold_the_cameras_thresholds(api: Api) -> None:
    camera = api.admin.post("/v1/cameras", json={"name": "Door", "thresholds": {"Fighting": 0.4}}).json()[
        "id"
    ]
    job = api.analyst.post(f"/v1/clips?camera_id={camera}", content=FTYP).json()["job"]["id"]
    with api.service.database.read() as session:
        row = session.get_one(Job, job)
    assert row.settings["cameras"]["Door"]["thresholds"] == {"Fighting": 0.4}


def leftovers(api: Api) -> list[str]:
    return [path.name for path in api.service.upload_folder.glob("upload-*")]
