"""Pages as they come over HTTP: who may see and do what, and that nothing from outside becomes markup."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from activity.service.database import AuditEntry, Clip, Incident, Role
from activity.service.database.repository.jobs import add_job
from activity.service.database.tables import JOB_STEPS
from activity.service.pages.rendering import environment, markdown
from tests.service.api.conftest import Api
from tests.service.pages.conftest import Browser, Page

Open = Callable[[Role], Browser]
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>.mp4"
NOWHERE = "0193a5c1f2de8f0a4c1b7e6d5a493827"


@pytest.mark.parametrize(
    "path", ["/", "/incidents", f"/incidents/{NOWHERE}", "/clips", "/cameras", "/models"]
)
def test_who_is_not_signed_in_is_led_to_the_login_page_from_everywhere(anonymous: Browser, path: str) -> None:
    response = anonymous.client.get(path)
    assert (response.status_code, response.headers["location"]) == (303, f"/login?next={path}")
    assert anonymous.page(response.headers["location"]).forms_to("/login") == 1


@pytest.mark.parametrize("path", [f"/incidents/{NOWHERE}/review", f"/clips/{NOWHERE}/cancel", "/logout"])
def test_who_is_not_signed_in_changes_nothing(anonymous: Browser, path: str) -> None:
    assert anonymous.client.post(path, data={"decision": "confirmed"}).status_code == 401


def test_a_wrong_key_opens_nothing_and_a_good_one_a_session(anonymous: Browser, api: Api) -> None:
    refused = anonymous.client.post("/login", data={"key": "act_wrong"})
    assert refused.status_code == 401
    assert "opens nothing" in refused.text
    assert "act_wrong" not in refused.text
    assert not anonymous.client.cookies
    anonymous.sign_in(api.keys["viewer"])
    assert anonymous.client.get("/login?next=/clips").headers["location"] == "/clips"
    page = anonymous.page("/incidents")
    assert anonymous.client.post("/logout", data={"csrf_token": page.token}).status_code == 303
    assert anonymous.client.get("/incidents").status_code == 303


@pytest.mark.parametrize("place", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", ""])
def test_signing_in_leads_nowhere_but_to_this_service(anonymous: Browser, api: Api, place: str) -> None:
    response = anonymous.client.post("/login", data={"key": api.keys["viewer"], "next": place})
    assert response.headers["location"] == "/incidents"


def test_another_site_cannot_sign_a_person_in(anonymous: Browser, api: Api) -> None:
    response = anonymous.client.post(
        "/login", data={"key": api.keys["viewer"]}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert response.status_code == 403
    assert not anonymous.client.cookies


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_form_without_the_token_of_the_session_is_refused(
    browser_of: Open, api: Api, token: str | None
) -> None:
    _, (incident,) = api.finished_job()
    data = {"decision": "confirmed"} | ({} if token is None else {"csrf_token": token})
    response = browser_of("analyst").client.post(f"/incidents/{incident}/review", data=data)
    assert response.status_code == 403
    assert "not of your session" in response.text
    assert api.viewer.get(f"/v1/incidents/{incident}").json()["state"] == "new"


def test_a_token_of_another_session_is_refused(browser_of: Open, api: Api) -> None:
    _, (incident,) = api.finished_job()
    other = browser_of("admin").page("/incidents").token
    response = browser_of("analyst").client.post(
        f"/incidents/{incident}/review", data={"decision": "confirmed", "csrf_token": other}
    )
    assert response.status_code == 403


def decide(browser: Browser, incident: str, **fields: str) -> Page:
    token = browser.page(f"/incidents/{incident}").token
    response = browser.client.post(f"/incidents/{incident}/review", data={**fields, "csrf_token": token})
    assert response.status_code == 303, response.text
    return browser.page(response.headers["location"])


def test_decisions_change_the_state_and_stand_in_the_history_and_in_the_log(
    browser_of: Open, api: Api
) -> None:
    _, (incident,) = api.finished_job()
    browser = browser_of("analyst")
    assert "Nobody has decided yet" in browser.page(f"/incidents/{incident}").html
    decide(browser, incident, decision="confirmed", note="two men")
    assert api.viewer.get(f"/v1/incidents/{incident}").json()["state"] == "confirmed"
    decide(browser, incident, decision="dismissed", reason="they dance")
    page = decide(browser, incident, decision="corrected", label="Dancing")
    assert [words in page.html for words in ("two men", "Reason: they dance", "was Fighting")] == [True] * 3
    found = api.viewer.get(f"/v1/incidents/{incident}").json()
    assert (found["state"], found["label_corrected"], len(found["reviews"])) == ("corrected", "Dancing", 3)
    with api.service.database.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "incident.review")).all()
    assert [entry.actor for entry in entries] == ["key:analyst"] * 3


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "dismissed"},
        {"decision": "dismissed", "reason": "  "},
        {"decision": "corrected", "label": "x" * 101},
        {"decision": "maybe"},
        {},
    ],
)
def test_a_decision_that_is_not_whole_is_refused_on_the_page(
    browser_of: Open, api: Api, fields: dict[str, str]
) -> None:
    _, (incident,) = api.finished_job()
    browser = browser_of("analyst")
    token = browser.page(f"/incidents/{incident}").token
    response = browser.client.post(f"/incidents/{incident}/review", data={**fields, "csrf_token": token})
    assert response.status_code == 422
    assert 'role="alert"' in response.text
    assert api.viewer.get(f"/v1/incidents/{incident}").json()["state"] == "new"


def test_a_viewer_sees_no_form_that_changes_anything_and_may_send_none(browser_of: Open, api: Api) -> None:
    _, (incident,) = api.finished_job()
    viewer, analyst = browser_of("viewer"), browser_of("analyst")
    path = f"/incidents/{incident}"
    assert (analyst.page(path).forms_to("/review"), viewer.page(path).forms_to("/review")) == (3, 0)
    assert "/bundle" in analyst.page(path).html
    assert "/bundle" not in viewer.page(path).html
    assert 'type="file"' in analyst.page("/clips").html
    assert 'type="file"' not in viewer.page("/clips").html
    data = {"decision": "confirmed", "csrf_token": viewer.page(path).token}
    refused = viewer.client.post(f"{path}/review", data=data)
    assert refused.status_code == 403
    assert "role analyst" in refused.text


def test_hostile_names_reasons_and_labels_stay_text(browser_of: Open, api: Api) -> None:
    _, (incident,) = api.finished_job()
    with api.service.database.write() as session:
        session.scalars(select(Clip)).one().original_name = HOSTILE
        row = session.scalars(select(Incident)).one()
        row.label = row.kind = HOSTILE
        row.explanation = [{"kind": HOSTILE, "text": HOSTILE, "weight": 0.5}]
        add_job(session, clip_id=row.clip_id, submitted_by="key:analyst")
    browser = browser_of("analyst")
    decide(browser, incident, decision="dismissed", reason=HOSTILE, note=HOSTILE)
    for path in ("/clips", "/incidents", f"/incidents/{incident}"):
        page = browser.page(path)
        assert "&lt;script&gt;alert(1)" in page.html
        assert all(str(script.get("src")).startswith("/static/") for script in page.all("script"))
        assert page.all("img") == []
        assert not any(name.startswith(("on", "style")) for _, own in page.elements for name in own)


def test_no_page_needs_an_inline_script_or_another_host(browser_of: Open, api: Api) -> None:
    _, (incident,) = api.finished_job()
    browser = browser_of("admin")
    for path in ("/clips", "/incidents", f"/incidents/{incident}", "/cameras", "/cameras/new", "/models"):
        page = browser.page(path)
        policy = browser.client.get(path).headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert page.all("style") == []
        for _, own in page.elements:
            for name in ("src", "href", "action"):
                assert not (own.get(name) or "").startswith(("http", "//"))


def test_incidents_are_filtered_by_state_severity_kind_and_clip(browser_of: Open, api: Api) -> None:
    job, (first, second) = api.finished_job(alerts=2)
    _, (third,) = api.finished_job(name="yard.mp4")
    browser = browser_of("analyst")
    decide(browser, first, decision="confirmed")

    def shown(query: str) -> set[str]:
        html = browser.page(f"/incidents?{query}").html
        return {incident for incident in (first, second, third) if f"/incidents/{incident}" in html}

    clip = api.viewer.get(f"/v1/jobs/{job}").json()["clip_id"]
    assert shown("") == shown("state=&severity=&kind=") == {first, second, third}
    assert shown("state=confirmed") == {first}
    assert shown("state=new&severity=severe&kind=Fighting") == {second, third}
    assert shown(f"clip_id={clip}") == {first, second}
    assert shown("severity=minor") == shown("kind=Fire") == set()
    assert "with these filters" in browser.page("/incidents?severity=minor").html
    browser.page("/incidents?state=odd", status=422)


def test_a_list_without_anything_says_so(browser_of: Open) -> None:
    browser = browser_of("analyst")
    assert "No incident yet" in browser.page("/incidents").html
    assert "No clip was sent yet" in browser.page("/clips").html


def test_what_does_not_exist_is_a_page_that_says_so(browser_of: Open) -> None:
    page = browser_of("viewer").page(f"/incidents/{NOWHERE}", status=404)
    assert f"There is no incident {NOWHERE}" in page.html


def test_a_job_that_waits_is_followed_and_can_be_cancelled(browser_of: Open, api: Api) -> None:
    api.finished_job()
    with api.service.database.write() as session:
        clip = session.scalars(select(Clip)).one()
        job = add_job(session, clip_id=clip.id, submitted_by="key:analyst").id
    browser = browser_of("analyst")
    page = browser.page("/clips")
    waiting = [row["data-job"] for row in page.all("tr") if row.get("data-final") == "no"]
    assert waiting == [job]
    assert len(page.all("progress")) == 1
    response = browser.client.post(f"/clips/{job}/cancel", data={"csrf_token": page.token})
    assert response.status_code == 303
    assert api.viewer.get(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert browser.page("/clips").all("progress") == []


def test_models_are_shown_with_their_cards(browser_of: Open, api: Api) -> None:
    html = browser_of("viewer").page("/models").html
    assert all(str(model.sha256) in html for model in api.service.models)


def test_a_card_is_shown_as_its_markdown_means_and_its_html_as_text() -> None:
    html = str(
        markdown("# A\n\n| a |\n| - |\n| **b** |\n\n<script>x</script> [l](javascript:x) ![p](http://x/p)")
    )
    assert ["<h1>A</h1>" in html, "<td><strong>b</strong></td>" in html] == [True, True]
    assert [tag for tag, _ in Page(html).elements if tag in ("script", "img")] == []
    assert all(not str(link["href"]).startswith("javascript") for link in Page(html).all("a"))


def test_a_job_is_told_by_its_step_in_words() -> None:
    steps = environment().globals["steps"]
    assert set(steps) == {"", *JOB_STEPS}  # type: ignore[call-overload]


def test_the_style_and_the_script_are_public_and_never_stale(anonymous: Browser) -> None:
    page = anonymous.page("/login")
    style, script = page.all("link")[1]["href"], page.all("script")[0]["src"]
    for address, kind in ((style, "text/css"), (script, "text/javascript")):
        response = anonymous.client.get(str(address))
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(kind)
        assert "immutable" in response.headers["cache-control"]
    assert "prefers-color-scheme: dark" in anonymous.client.get(str(style)).text
    assert anonymous.client.get("/static/keys.txt").status_code == 404


def test_pages_are_not_in_the_openapi_document(pages: FastAPI) -> None:
    paths = pages.openapi()["paths"]
    assert all(path.startswith(("/v1/", "/metrics", "/healthz", "/readyz")) for path in paths), list(paths)
