"""Who may do what: keys, roles, sessions, and the gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from activity.errors import ConfigurationError
from activity.service.api import create_app
from activity.service.database import ApiKey, AuditEntry, BrowserSession, now
from activity.service.security.keys import create_key, ensure_admin, find_key, revoke_key
from tests.service.api.conftest import Api

ID = "0193a5c1f2de8f0a4c1b7e6d5a493827"


def operations(api: Api) -> list[tuple[str, str]]:
    document: dict[str, Any] = api.app.openapi()
    return [
        (method.upper(), path.replace("{id}", ID).replace("{name}", "report.json"))
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_every_documented_route_answers_401_without_credentials(api: Api) -> None:
    routes = operations(api)
    assert len(routes) > 25
    for method, path in routes:
        response = api.anybody.request(method, path)
        assert response.status_code == 401, (method, path)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["", "act_0", "act_" + "0" * 12 + "_wrong", "x" * 4000])
def test_every_documented_route_answers_401_to_a_wrong_key(api: Api, key: str) -> None:
    for method, path in operations(api):
        response = api.anybody.request(method, path, headers={"Authorization": f"Bearer {key}"})
        assert response.status_code == 401, (method, path)


def test_paths_that_do_not_exist_are_told_only_to_those_who_are_known(api: Api) -> None:
    assert api.anybody.get("/v1/nothing").status_code == 401
    response = api.viewer.get("/v1/nothing")
    assert response.status_code == 404
    assert response.json()["type"] == "urn:activity:problem:not-found"


def test_a_viewer_reads_but_changes_nothing(api: Api) -> None:
    for method, path in operations(api):
        response = api.viewer.request(method, path)
        hidden = path.startswith(("/v1/webhooks", "/v1/keys", "/v1/deliveries")) or path.endswith("/bundle")
        may = (method == "GET" and not hidden) or path == "/v1/session"
        assert (response.status_code == 403) == (not may), (method, path, response.status_code)


def test_an_analyst_may_not_set_up_cameras_webhooks_or_keys(api: Api) -> None:
    for path in ("/v1/cameras", "/v1/webhooks", "/v1/keys"):
        response = api.analyst.post(path, json={})
        assert response.status_code == 403
        assert "role admin" in response.json()["detail"]


def test_a_route_that_names_no_role_is_not_let_in(api: Api) -> None:
    careless = APIRouter()
    careless.add_api_route("/v1/careless", lambda: "open")
    with pytest.raises(ConfigurationError, match="/v1/careless"):
        create_app(api.service, more=(careless,))


def test_health_for_supervisors_needs_no_credentials_and_tells_nothing(api: Api) -> None:
    for path in ("/healthz", "/readyz"):
        response = api.anybody.get(path)
        assert (response.status_code, response.text) == (200, "ok\n")


def test_keys_are_stored_as_hashes(api: Api) -> None:
    with api.service.database.read() as session:
        rows = session.scalars(select(ApiKey)).all()
    for row in rows:
        key = api.keys[row.role]
        assert key.startswith(row.prefix)
        assert key not in (row.key_hash, row.prefix, row.id)
        assert key.rpartition("_")[2] not in row.key_hash


def test_the_first_start_makes_one_admin_key(api: Api) -> None:
    with api.service.database.write() as session:
        assert ensure_admin(session) is None
        session.query(AuditEntry).delete()
        session.query(ApiKey).delete()
        key = ensure_admin(session)
        assert key is not None
        found = find_key(session, key)
        assert found is not None
        assert found.role == "admin"
        assert ensure_admin(session) is None
        revoke_key(session, found, revoked_by="test")
        assert find_key(session, key) is None
        assert ensure_admin(session) is None  # a revoked key must not open the door to a new one


def test_an_admin_makes_a_key_that_is_shown_once_and_revokes_it(api: Api) -> None:
    made = api.admin.post("/v1/keys", json={"name": "night shift", "role": "analyst"})
    assert made.status_code == 201
    client = api.client(made.json()["key"])
    assert client.get("/v1/session").json() == {
        "name": "key:night shift",
        "role": "analyst",
        "csrf_token": None,
    }
    listed = api.admin.get("/v1/keys").json()["items"]
    assert made.json()["key"] not in str(listed)
    assert api.admin.delete(f"/v1/keys/{made.json()['id']}").status_code == 204
    fresh = create_app(api.service)  # another process has not seen the key yet
    again = TestClient(fresh, headers={"Authorization": f"Bearer {made.json()['key']}"})
    assert again.get("/v1/session").status_code == 401


def test_the_last_admin_key_stays(api: Api) -> None:
    admin = next(item for item in api.admin.get("/v1/keys").json()["items"] if item["role"] == "admin")
    response = api.admin.delete(f"/v1/keys/{admin['id']}")
    assert response.status_code == 409
    assert response.json()["type"].endswith("last-admin")


def begin_session(api: Api, role: str = "analyst") -> str:
    """Log in; the cookie then lies in the jar of `anybody`."""
    response = api.anybody.post("/v1/session", headers={"Authorization": f"Bearer {api.keys[role]}"})  # type: ignore[index]
    assert response.status_code == 201
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    return str(response.json()["csrf_token"])


def test_a_session_reads_freely_and_changes_with_its_token_only(api: Api) -> None:
    _, (incident,) = api.finished_job()
    token = begin_session(api)
    assert api.anybody.get("/v1/session").json()["csrf_token"] == token
    assert api.anybody.get("/v1/incidents").status_code == 200
    review = {"decision": "confirmed"}
    path = f"/v1/incidents/{incident}/review"
    refused = api.anybody.post(path, json=review)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:activity:problem:csrf")
    assert api.anybody.post(path, json=review, headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert api.anybody.post(path, json=review, headers={"X-CSRF-Token": token}).status_code == 200


def test_a_session_ends_when_its_time_is_over_when_one_logs_out_and_when_its_key_is_revoked(api: Api) -> None:
    token = begin_session(api)
    with api.service.database.write() as session:
        session.execute(update(BrowserSession).values(expires_at=now() - timedelta(seconds=1)))
    assert api.anybody.get("/v1/session").status_code == 401
    token = begin_session(api)
    cookie = dict(api.anybody.cookies)
    assert api.anybody.delete("/v1/session", headers={"X-CSRF-Token": token}).status_code == 204
    assert "activity_session" not in api.anybody.cookies
    api.anybody.cookies.update(cookie)
    assert api.anybody.get("/v1/session").status_code == 401
    api.anybody.cookies.clear()
    begin_session(api)
    with api.service.database.write() as session:
        row = session.scalars(select(ApiKey).where(ApiKey.role == "analyst")).one()
        revoke_key(session, row, revoked_by="test")
    assert api.anybody.get("/v1/session").status_code == 401


def test_the_cookie_is_not_stored(api: Api) -> None:
    begin_session(api)
    with api.service.database.read() as session:
        stored = session.scalars(select(BrowserSession)).one()
    assert api.anybody.cookies["activity_session"] != stored.token_hash


def test_a_person_without_a_session_is_led_to_the_login_page(api: Api) -> None:
    response = api.anybody.get("/incidents", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=/incidents")


def test_answers_carry_security_headers(api: Api) -> None:
    for response in (
        api.viewer.get("/v1/cameras"),
        api.anybody.get("/v1/cameras"),
        api.anybody.get("/healthz"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer"


def test_the_use_of_a_key_is_noted(api: Api) -> None:
    api.viewer.get("/v1/cameras")
    with api.service.database.read() as session:
        row = session.scalars(select(ApiKey).where(ApiKey.role == "viewer")).one()
    assert row.last_used_at is not None


def test_making_a_key_leaves_a_line_in_the_log(api: Api) -> None:
    with api.service.database.write() as session:
        row, _ = create_key(session, name="x", role="viewer", created_by="key:admin")
    with api.service.database.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"key:{row.id}")).one()
    assert (entry.action, entry.actor) == ("key.create", "key:admin")
