"""Cameras: who may see and change them, what a form stores, and what is refused with what was typed still there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select

from activity.config import Settings
from activity.service.database import AuditEntry, Camera, Clip, Job, Role
from activity.service.jobs.queue import settings_of
from tests.service.api.conftest import Api
from tests.service.pages.conftest import Browser

Open = Callable[[Role], Browser]
DOOR = {"name": "Door", "use": "named", "polygon": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}
STREET = {"name": "Street", "use": "ignore", "polygon": [[0, 0], [1, 0], [1, 0.2]]}
YARD = {"name": "Yard", "use": "watch", "polygon": [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]}


def save(browser: Browser, path: str, **fields: str) -> Response:
    token = browser.page("/cameras").token
    return browser.client.post(path, data={"csrf_token": token, **fields})


@pytest.fixture
def camera(api: Api) -> str:
    made = api.admin.post(
        "/v1/cameras", json={"name": "Gate", "zones": [DOOR, STREET], "thresholds": {"Fighting": 0.8}}
    )
    return str(made.json()["id"])


def test_an_admin_adds_a_camera_and_changes_it(browser_of: Open, api: Api) -> None:
    browser = browser_of("admin")
    assert browser.page("/cameras/new").forms_to("/cameras") == 1
    made = save(
        browser,
        "/cameras",
        name=" Hall ",
        retention_days="30",
        zones=json.dumps([DOOR]),
        **{"threshold:Fighting": "85", "threshold:fire": ""},
    )
    assert made.status_code == 303, made.text
    (found,) = api.viewer.get("/v1/cameras").json()["items"]
    assert (found["name"], found["zones"], found["thresholds"], found["retention_days"]) == (
        "Hall", [DOOR], {"Fighting": 0.85}, 30
    )  # fmt: skip
    page = browser.page(made.headers["location"])
    assert "Saved." in page.html
    field = next(own for own in page.all("input") if own.get("name") == "threshold:Fighting")
    assert field["value"] == "85.0"
    changed = save(browser, f"/cameras/{found['id']}", name="Hall", zones=json.dumps([DOOR, YARD]))
    assert changed.status_code == 303
    (found,) = api.viewer.get("/v1/cameras").json()["items"]
    assert (found["zones"], found["thresholds"], found["retention_days"]) == ([DOOR, YARD], {}, None)
    with api.service.database.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action.startswith("camera."))).all()
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("camera.add", "key:admin"), ("camera.change", "key:admin")
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_others_see_a_camera_and_change_nothing(browser_of: Open, camera: str, role: Role) -> None:
    browser = browser_of(role)
    page = browser.page(f"/cameras/{camera}")
    assert [own["class"] for own in page.all("polygon")] == ["zone use-named", "zone use-ignore"]
    assert "what happens here does not count" in page.html
    assert "from 80%" in page.html
    forms = [form["action"] for form in page.all("form")]
    assert forms == ["/logout"]
    assert "cameras.js" not in page.html
    assert "Add a camera" not in browser.page("/cameras").html
    for path in ("/cameras", f"/cameras/{camera}", f"/cameras/{camera}/remove"):
        assert save(browser, path, name="Mine").status_code == 403
    assert browser.client.get("/cameras/new").status_code == 403
    assert "Mine" not in browser.page("/cameras").html


def test_a_form_of_another_session_is_refused(browser_of: Open, camera: str) -> None:
    browser = browser_of("admin")
    for path in ("/cameras", f"/cameras/{camera}", f"/cameras/{camera}/remove"):
        data = {"csrf_token": browser_of("viewer").page("/cameras").token, "name": "Mine"}
        assert browser.client.post(path, data=data).status_code == 403
        assert browser.client.post(path, data={"name": "Mine"}).status_code == 403


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "name"),
        ({"retention_days": "soon"}, "retention_days"),
        ({"zones": "no json"}, "zones"),
        ({"zones": '[{"name": "z", "polygon": [[0, 0], [1, 1]]}]'}, "at least 3"),
        ({"zones": '[{"name": "z", "polygon": [[0, 0], [1, 1], [2, 0]]}]'}, "less than or equal to 1"),
        ({"zones": json.dumps([DOOR, DOOR | {"use": "watch"}])}, "a name of its own for each zone"),
        ({"zones": '[{"name": "z", "polygon": [[0, 0], [1, 1], [0.5, 0.5]]}]'}, "has no area"),
        ({"zones": "[7]"}, "zones"),
        ({"threshold:Fighting": "high"}, "Fighting"),
        ({"threshold:Fighting": "180"}, "Fighting"),
        ({"threshold:Juggling": "50"}, "of which no rule speaks"),
    ],
)
def test_what_cannot_be_used_is_refused_and_stays_in_the_form(
    browser_of: Open, api: Api, camera: str, fields: dict[str, str], reason: str
) -> None:
    before = api.viewer.get(f"/v1/cameras/{camera}").json()
    sent = {"name": "North gate", "zones": "[]", "retention_days": "7"} | fields
    refused = save(browser_of("admin"), f"/cameras/{camera}", **sent)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert reason in refused.text.replace("&#39;", "'")
    assert f'value="{sent["retention_days"]}"' in refused.text
    assert api.viewer.get(f"/v1/cameras/{camera}").json() == before


def test_a_name_that_is_taken_is_refused(browser_of: Open, camera: str) -> None:
    refused = save(browser_of("admin"), "/cameras", name="Gate", zones="[]")
    assert refused.status_code == 409
    assert "take another name" in refused.text


def test_a_camera_with_clips_stays_and_one_without_can_be_removed(
    browser_of: Open, api: Api, camera: str
) -> None:
    browser = browser_of("admin")
    api.finished_job()
    with api.service.database.write() as session:
        session.scalars(select(Clip)).one().camera_id = camera
    assert browser.page(f"/cameras/{camera}").forms_to("/remove") == 0
    assert save(browser, f"/cameras/{camera}/remove").status_code == 409
    with api.service.database.write() as session:
        session.scalars(select(Clip)).one().camera_id = None
    assert save(browser, f"/cameras/{camera}/remove").headers["location"] == "/cameras"
    assert api.viewer.get("/v1/cameras").json()["items"] == []


def test_zones_are_drawn_on_the_latest_clip_and_on_no_original_that_hides_people(
    browser_of: Open, api: Api, camera: str
) -> None:
    browser = browser_of("admin")
    assert browser.page(f"/cameras/{camera}").all("video") == []
    job, _ = api.finished_job()
    with api.service.database.write() as session:
        clip = session.scalars(select(Clip)).one()
        clip.camera_id = camera
        clip_id = clip.id
    (video,) = browser.page(f"/cameras/{camera}").all("video")
    assert video["src"] == f"/v1/clips/{clip_id}/content#t=0.1"
    with api.service.database.write() as session:
        session.get_one(Job, job).settings = {"output": {"redact": True}}
    assert browser.page(f"/cameras/{camera}").all("video") == []  # this job wrote no annotated film


def test_every_use_of_a_zone_reaches_the_analysis() -> None:
    zones: list[dict[str, Any]] = [STREET, YARD, {"name": "Old", "polygon": DOOR["polygon"]}]
    row = Camera(name="Gate", zones=zones, thresholds={})
    made = settings_of(Clip(), row, Settings()).cameras["Gate"]
    assert made.ignore == (((0, 0), (1, 0), (1, 0.2)),)
    assert made.watch == (((0, 0.2), (1, 0.2), (1, 1), (0, 1)),)
    assert list(made.zones) == ["Old"]  # stored before there were other uses


def test_hostile_names_stay_text(browser_of: Open, api: Api) -> None:
    name = '"><script>alert(1)</script>'
    zone = DOOR | {"name": name}
    made = save(browser_of("admin"), "/cameras", name=name, zones=json.dumps([zone]))
    for role in ("admin", "viewer"):
        for path in ("/cameras", made.headers["location"], "/clips"):
            page = browser_of(role).page(path)
            assert "<script>alert" not in page.html
            assert all(str(own.get("src")).startswith("/static/") for own in page.all("script"))
            assert not any(key.startswith(("on", "style")) for _, own in page.elements for key in own)


def test_a_clip_can_be_sent_as_one_of_a_camera(browser_of: Open, camera: str) -> None:
    page = browser_of("analyst").page("/clips")
    assert [own.get("value") for own in page.all("option")] == ["", camera]
