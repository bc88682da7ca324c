"""Jobs, incidents, cameras, webhooks, models and health over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook as Signer

from activity.service.database import AuditEntry, Webhook, now
from activity.service.database.repository.jobs import begin_step, finish_job
from tests.service.api.conftest import Api

ID = "0193a5c1f2de8f0a4c1b7e6d5a493827"
FTYP = b"\x00\x00\x00\x18ftypisom" + bytes(2000)


def test_every_error_is_a_problem(api: Api) -> None:
    for response, status in (
        (api.viewer.get(f"/v1/jobs/{ID}"), 404),
        (api.viewer.get("/v1/jobs/not-an-id"), 422),
        (api.viewer.patch("/v1/jobs"), 405),
        (
            api.analyst.post(
                f"/v1/incidents/{ID}/review", content=b"{", headers={"Content-Type": "application/json"}
            ),
            422,
        ),
        (api.analyst.post(f"/v1/incidents/{ID}/review", json={"decision": "maybe"}), 422),
    ):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body["status"] == status
        assert body["type"].startswith("urn:activity:problem:")
        assert body["title"]
        assert body["detail"]


def test_a_fault_of_the_service_tells_nothing_of_the_inside(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("secret path /var/lib")

    monkeypatch.setattr("activity.service.api.cameras.list_cameras", break_down)
    response = api.viewer.get("/v1/cameras")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in response.text


def test_a_body_above_the_limit_is_refused(open_api: Callable[..., Api]) -> None:
    api = open_api(limits={"max_body_bytes": 1024})
    for content in (b" " * 2000, iter([b" " * 1000, b" " * 1000])):
        response = api.admin.post(
            "/v1/cameras", content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 413
        assert response.json()["limit_bytes"] == 1024


def test_incidents_are_paged_newest_first_without_gaps(api: Api) -> None:
    _, ids = api.finished_job(alerts=5)
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = api.viewer.get(
            "/v1/incidents", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert sorted(seen) == sorted(ids)
    assert seen == sorted(seen, reverse=True)


def test_incidents_are_filtered(api: Api) -> None:
    _, (first,) = api.finished_job()
    api.finished_job(name="other.mp4")
    api.analyst.post(f"/v1/incidents/{first}/review", json={"decision": "confirmed"})

    def count(**query: str) -> int:
        response = api.viewer.get("/v1/incidents", params=query)
        assert response.status_code == 200, response.text
        return len(response.json()["items"])

    assert count() == 2
    assert count(state="confirmed") == 1
    assert count(state="new", kind="Fighting") == 1
    assert count(kind="Arson") == 0
    assert count(severity="severe") == 2
    assert count(severity="minor") == 0
    assert count(camera_id=ID) == 0
    assert count(**{"from": "2020-01-01T00:00:00Z"}) == 2
    assert count(before="2020-01-01T00:00:00Z") == 0


def test_a_review_confirms_dismisses_or_corrects_and_leaves_a_line_in_the_log(api: Api) -> None:
    _, (incident,) = api.finished_job()
    path = f"/v1/incidents/{incident}/review"
    body = api.analyst.post(path, json={"decision": "dismissed", "reason": "two friends dance"}).json()
    assert body["state"] == "dismissed"
    body = api.analyst.post(
        path, json={"decision": "corrected", "label": "Robbery", "note": "left\nside"}
    ).json()
    assert (body["state"], body["label_corrected"], body["label"]) == ("corrected", "Robbery", "Fighting")
    body = api.analyst.post(path, json={"decision": "confirmed"}).json()
    assert (body["state"], body["label_corrected"]) == ("confirmed", None)
    assert [review["decision"] for review in body["reviews"]] == ["dismissed", "corrected", "confirmed"]
    assert {review["reviewer"] for review in body["reviews"]} == {"key:analyst"}
    with api.service.database.read() as session:
        lines = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"incident:{incident}")).all()
    assert [line.detail["decision"] for line in lines] == ["dismissed", "corrected", "confirmed"]


@pytest.mark.parametrize(
    "review",
    [
        {"decision": "dismissed"},
        {"decision": "corrected"},
        {"decision": "confirmed", "label": "x"},
        {},
        {"decision": "dismissed", "reason": ""},
        {"decision": "confirmed", "note": "a\u0000b"},
    ],
)
def test_a_review_that_says_too_little_or_too_much_is_refused(api: Api, review: dict[str, str]) -> None:
    _, (incident,) = api.finished_job()
    assert api.analyst.post(f"/v1/incidents/{incident}/review", json=review).status_code == 422
    assert api.viewer.get(f"/v1/incidents/{incident}").json()["state"] == "new"


def test_a_review_that_is_sent_twice_counts_once(api: Api) -> None:
    _, (incident,) = api.finished_job()
    for _ in range(2):
        response = api.analyst.post(
            f"/v1/incidents/{incident}/review",
            json={"decision": "confirmed"},
            headers={"Idempotency-Key": "r1"},
        )
        assert response.status_code == 200
    assert len(api.viewer.get(f"/v1/incidents/{incident}").json()["reviews"]) == 1


def test_a_job_is_followed_until_its_end(api: Api) -> None:
    job = api.analyst.post("/v1/clips", content=FTYP).json()["job"]["id"]

    def work() -> None:
        time.sleep(0.5)
        with api.service.database.write() as session:
            begin_step(session, job, "observe", progress=0.4)
        time.sleep(0.8)
        with api.service.database.write() as session:
            finish_job(session, job, "failed", problem={"type": "x", "status": 422, "detail": "no frame"})

    worker = threading.Thread(target=work)
    worker.start()
    response = api.viewer.get(f"/v1/jobs/{job}/events")
    worker.join()
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[5:]) for line in response.text.splitlines() if line.startswith("data:")]
    assert [(event["state"], event["step"], event["progress"]) for event in events] == [
        ("queued", None, 0.0),
        ("running", "observe", 0.4),
        ("failed", "observe", 0.4),
    ]
    assert events[-1]["problem"]["detail"] == "no frame"


def test_a_job_that_does_not_exist_cannot_be_followed(api: Api) -> None:
    assert api.viewer.get(f"/v1/jobs/{ID}/events").status_code == 404


def test_a_final_job_cannot_be_cancelled_any_more(api: Api) -> None:
    job, _ = api.finished_job()
    assert api.analyst.post(f"/v1/jobs/{job}/cancel").json()["state"] == "succeeded"


def test_a_camera_is_added_changed_and_removed(api: Api) -> None:
    zone = {"name": "Door", "polygon": [[0, 0], [1, 0], [0.5, 1]]}
    made = api.admin.post("/v1/cameras", json={"name": "A", "zones": [zone], "retention_days": 3})
    assert made.status_code == 201
    camera = made.json()
    assert camera["zones"] == [
        {"name": "Door", "use": "named", "polygon": [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]}
    ]
    assert api.admin.post("/v1/cameras", json={"name": "A"}).status_code == 409
    path = f"/v1/cameras/{camera['id']}"
    changed = api.admin.put(path, json={"name": "B", "thresholds": {"Fighting": 0.7}}).json()
    assert (changed["name"], changed["zones"], changed["thresholds"]) == ("B", [], {"Fighting": 0.7})
    assert api.viewer.get(path).json() == changed
    assert [item["name"] for item in api.viewer.get("/v1/cameras").json()["items"]] == ["B"]
    api.analyst.post(f"/v1/clips?camera_id={camera['id']}", content=FTYP)
    assert api.admin.delete(path).status_code == 409
    other = api.admin.post("/v1/cameras", json={"name": "C"}).json()["id"]
    assert api.admin.delete(f"/v1/cameras/{other}").status_code == 204
    assert api.admin.delete(f"/v1/cameras/{other}").status_code == 404


@pytest.mark.parametrize(
    "camera",
    [
        {},
        {"name": ""},
        {"name": "x", "zones": [{"name": "z", "polygon": [[0, 0], [1, 1]]}]},
        {"name": "x", "zones": [{"name": "z", "polygon": [[0, 0], [1, 1], [2, 0]]}]},
        {"name": "x", "thresholds": {"Fighting": 1.5}},
        {"name": "x", "retention_days": -1},
        {"name": "x", "zonez": []},
        {"name": "a\nb"},
    ],
)
def test_a_camera_out_of_bounds_is_refused(api: Api, camera: dict[str, object]) -> None:
    assert api.admin.post("/v1/cameras", json=camera).status_code == 422


def test_a_webhooks_secret_is_shown_once_and_signs(api: Api) -> None:
    made = api.admin.post(
        "/v1/webhooks", json={"url": "https://alarms.example.org/x", "agencies": ["police"]}
    )
    assert made.status_code == 201
    secret = made.json()["secret"]
    Signer(secret).sign("id", now(), "{}")
    listed = api.admin.get("/v1/webhooks")
    assert "secret" not in listed.text
    path = f"/v1/webhooks/{made.json()['id']}"
    changed = api.admin.put(path, json={"url": "https://alarms.example.org/y", "active": False}).json()
    assert (changed["url"], changed["active"], changed["agencies"]) == (
        "https://alarms.example.org/y",
        False,
        [],
    )
    with api.service.database.read() as session:
        assert session.get_one(Webhook, made.json()["id"]).secret == secret
    assert api.admin.delete(path).status_code == 204
    assert api.admin.get("/v1/webhooks").json()["items"] == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "nonsense", "javascript:alert(1)"])
def test_a_webhook_of_another_scheme_is_refused(api: Api, url: str) -> None:
    assert api.admin.post("/v1/webhooks", json={"url": url}).status_code == 422


def test_models_are_named_with_their_hashes_and_cards(api: Api) -> None:
    models = {model["role"]: model for model in api.viewer.get("/v1/models").json()["items"]}
    assert set(models) == {"detection", "pose", "recognition", "fire", "posture"}
    assert all(len(model["sha256"]) == 64 for model in models.values())
    assert "balanced accuracy" in models["recognition"]["note"].lower()


def test_health_names_the_part_that_fails(api: Api) -> None:
    assert api.viewer.get("/v1/health").json()["status"] == "ok"
    assert api.viewer.get("/v1/readiness").status_code == 200
    with api.service.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO lost")
    health = api.viewer.get("/v1/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["checks"]["database"].startswith("fails")
    ready = api.viewer.get("/v1/readiness")
    assert ready.status_code == 503
    assert ready.headers["retry-after"] == "5"
    assert api.anybody.get("/readyz").status_code == 503


def test_metrics_count_requests_by_route_and_jobs_by_state(api: Api) -> None:
    api.finished_job()
    api.viewer.get(f"/v1/jobs/{ID}")
    text = api.viewer.get("/metrics").text
    assert 'activity_http_requests_total{method="GET",route="/v1/jobs/{id}",status="404"} 1.0' in text
    assert 'activity_jobs{state="succeeded"} 1.0' in text
    assert 'activity_incidents{state="new"} 1.0' in text


def test_the_openapi_document_tells_of_every_problem_and_every_way_to_log_in(api: Api) -> None:
    document = api.anybody.get("/openapi.json").json()
    assert document["security"] == [{"key": []}, {"session": []}]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "422", "500"} <= operation["responses"].keys(), (method, path)
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    assert {"Problem", "RecognizeRequest", "Job", "Incident", "Submission"} <= document["components"][
        "schemas"
    ].keys()
