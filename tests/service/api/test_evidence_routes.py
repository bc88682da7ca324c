"""Export, deliveries and the head of the log over HTTP, and that reviews reach the outbox."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from activity.service.database import Clip, Delivery, Incident, StepOutput, new_id
from activity.service.database.repository.audit import append_audit
from activity.service.deliveries import plan_raised
from activity.service.evidence import verify_bundle

FILE_ALERTS = {
    "sinks": {"file": {"type": "json_lines", "path": "alerts.jsonl"}},
    "routes": [{"sinks": ["file"]}],
}


def exportable(api: Any) -> str:
    """An incident whose stored files have the hashes that the tables say."""
    job_id, (incident_id,) = api.finished_job()
    digest = hashlib.sha256(b"0123456789").hexdigest()
    with api.service.database.write() as session:
        clip = session.get_one(Incident, incident_id).clip
        session.get_one(Clip, clip.id).sha256 = digest
        session.delete(session.get_one(StepOutput, (job_id, "report")))
        append_audit(
            session,
            actor="key:test",
            action="clip.upload",
            subject=f"clip:{clip.id}",
            detail={"sha256": digest},
        )
    return str(incident_id)


def test_a_bundle_comes_over_http_and_proves_itself(api: Any, tmp_path: Path) -> None:
    incident_id = exportable(api)
    answer = api.analyst.get(f"/v1/incidents/{incident_id}/bundle")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="incident-{incident_id}.zip"'
    path = tmp_path / "b.zip"
    path.write_bytes(answer.content)
    head = api.viewer.get("/v1/audit/head").json()
    key = api.viewer.get("/v1/evidence/public-key").json()
    assert (key["algorithm"], key["pem"].splitlines()[0]) == ("Ed25519", "-----BEGIN PUBLIC KEY-----")
    found = verify_bundle(path, sha256=answer.headers["x-content-sha256"], public_key=str(key["public_key"]))
    assert found.valid, found.broken
    assert found.manifest is not None
    assert head["sequence"] == found.manifest.audit.last_sequence + 1  # the hash of the finished file
    assert not list(api.service.upload_folder.glob("upload-bundle-*"))


def test_only_analysts_export_and_only_what_is_evidence(api: Any) -> None:
    _, (incident_id,) = api.finished_job()  # its files have other hashes than the tables say
    assert api.viewer.get(f"/v1/incidents/{incident_id}/bundle").status_code == 403
    answer = api.analyst.get(f"/v1/incidents/{incident_id}/bundle")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:activity:problem:no-evidence")
    assert api.analyst.get(f"/v1/incidents/{new_id()}/bundle").status_code == 404


def test_a_review_over_http_writes_what_is_told_of_it(open_api: Any) -> None:
    api = open_api(alerts=FILE_ALERTS)
    _, (incident_id,) = api.finished_job()
    assert api.analyst.get("/v1/deliveries").json() == {"items": [], "next": None}
    answer = api.analyst.post(f"/v1/incidents/{incident_id}/review", json={"decision": "confirmed"})
    assert answer.status_code == 200
    (delivery,) = api.analyst.get(f"/v1/deliveries?incident_id={incident_id}").json()["items"]
    review_id = answer.json()["reviews"][0]["id"]
    assert (delivery["sink"], delivery["event"], delivery["state"]) == (
        "file",
        f"review:{review_id}",
        "pending",
    )


def test_dead_letters_are_listed_and_revived(open_api: Any) -> None:
    api = open_api(
        alerts=FILE_ALERTS | {"routes": [{"sinks": ["file"], "when": "raised"}]},
    )
    _, incidents = api.finished_job(alerts=2)
    with api.service.database.write() as session:
        for incident_id in incidents:
            plan_raised(session, session.get_one(Incident, incident_id), api.service.settings.alerts)
        first = session.query(Delivery).filter_by(incident_id=incidents[0]).one()
        first.state, first.last_error, first.attempts = "dead", "410 gone", 3
        dead_id, pending_id = first.id, session.query(Delivery).filter_by(state="pending").one().id
    page = api.analyst.get("/v1/deliveries?state=dead").json()
    assert [(item["id"], item["last_error"]) for item in page["items"]] == [(dead_id, "410 gone")]
    both = api.analyst.get("/v1/deliveries?limit=1").json()
    assert len(api.analyst.get(f"/v1/deliveries?limit=1&cursor={both['next']}").json()["items"]) == 1
    assert api.viewer.get("/v1/deliveries").status_code == 403
    assert api.analyst.post(f"/v1/deliveries/{dead_id}/retry").status_code == 403
    revived = api.admin.post(f"/v1/deliveries/{dead_id}/retry").json()
    assert (revived["state"], revived["attempts"]) == ("pending", 0)
    assert api.admin.post(f"/v1/deliveries/{pending_id}/retry").status_code == 409
    assert api.admin.post(f"/v1/deliveries/{new_id()}/retry").status_code == 404
