"""Schemathesis against the OpenAPI document: no 5xx, no status, type or body that the document does not name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from traceback import format_exception_only
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, Response
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from activity.recognition.recognizer import Recognizer
from activity.service.api import create_app
from activity.service.database import Delivery, Incident, StepOutput
from activity.service.metrics import Metrics
from activity.service.recognition import SegmentRecognizer
from tests.service.api.conftest import Api

CAMERA = {"name": "Yard", "thresholds": {"Fighting": 0.8}, "retention_days": 30}
SEQUENCE = {"frame_rate_hz": 12.0, "keypoints": [[[300.0 + joint, 9.0 * joint, 0.9] for joint in range(17)]]}
CALLS: dict[str, dict[str, Any]] = {
    "POST /v1/clips": {
        "body": b"\x00\x00\x00\x18ftypisom" + bytes(2000),
        "media_type": "application/octet-stream",
    },
    "GET /v1/clips/{id}": {},
    "GET /v1/clips/{id}/content": {},
    "GET /v1/jobs": {"query": {"state": "succeeded", "limit": 1}},
    "GET /v1/jobs/{id}": {},
    "GET /v1/jobs/{id}/events": {},
    "POST /v1/jobs/{id}/cancel": {},
    "GET /v1/jobs/{id}/files": {},
    "GET /v1/jobs/{id}/files/{name}": {},
    "GET /v1/incidents": {"query": {"severity": "severe"}},
    "GET /v1/incidents/{id}": {},
    "POST /v1/incidents/{id}/review": {"body": {"decision": "dismissed", "reason": "sport"}},
    "GET /v1/incidents/{id}/evidence": {},
    "GET /v1/incidents/{id}/evidence/{name}": {},
    "GET /v1/incidents/{id}/bundle": {},
    "GET /v1/audit/head": {},
    "GET /v1/evidence/public-key": {},
    "GET /v1/deliveries": {"query": {"state": "dead"}},
    "POST /v1/deliveries/{id}/retry": {},
    "GET /v1/cameras": {},
    "POST /v1/cameras": {"body": CAMERA},
    "GET /v1/cameras/{id}": {},
    "PUT /v1/cameras/{id}": {"body": CAMERA | {"name": "Backyard"}},
    "DELETE /v1/cameras/{id}": {},
    "GET /v1/webhooks": {},
    "POST /v1/webhooks": {"body": {"url": "https://alarms.example.org/new", "severities": ["severe"]}},
    "PUT /v1/webhooks/{id}": {"body": {"url": "https://alarms.example.org/other", "active": False}},
    "DELETE /v1/webhooks/{id}": {},
    "GET /v1/keys": {},
    "POST /v1/keys": {"body": {"name": "night shift", "role": "analyst"}},
    "DELETE /v1/keys/{id}": {},
    "GET /v1/session": {},
    "POST /v1/session": {},
    "DELETE /v1/session": {},
    "POST /v1/segments:recognize": {"body": {"sequences": [SEQUENCE]}},
    "GET /v1/models": {},
    "GET /v1/health": {},
    "GET /v1/readiness": {},
    "GET /metrics": {},
}
"""What a proper call of each operation brings beside an id that exists."""


def real_ids(api: Api) -> dict[str, str]:
    """An id that exists for each kind of thing; the incident's files are what their hashes say, one message is dead."""
    job, (incident,) = api.finished_job()
    digest = hashlib.sha256(b"0123456789").hexdigest()
    with api.service.database.write() as session:
        clip = session.get_one(Incident, incident).clip
        clip.sha256 = digest
        picture = {"key": f"jobs/{job}/report.json", "sha256": digest, "size_bytes": 10}
        session.get_one(StepOutput, (job, "report")).files = {"keyframe.jpg": picture}
        dead = Delivery(incident_id=incident, sink="file", state="dead", attempts=3, last_error="410 gone")
        session.add(dead)
        session.flush()
        clip_id, delivery = clip.id, dead.id
    return {
        "jobs": job,
        "incidents": incident,
        "clips": clip_id,
        "deliveries": delivery,
        "cameras": api.admin.post("/v1/cameras", json={"name": "Door"}).json()["id"],
        "webhooks": api.admin.post("/v1/webhooks", json={"url": "https://alarms.example.org/"}).json()["id"],
        "keys": api.admin.post("/v1/keys", json={"name": "spare", "role": "viewer"}).json()["id"],
    }


MEANINGS = ("no-video", "form", "idempotency-key-reused", "unusable", "unknown-camera")
"""What no schema can say: bytes at random are no video, labels at random are no rule's, a key was used before."""


def refused_for_its_meaning(response: Response) -> bool:
    kind = response.headers.get("content-type", [""])[0]
    if response.status_code < 400 or kind != "application/problem+json":
        return False
    return str(response.json()["type"]).rpartition(":")[2] in MEANINGS


class Examined:
    """An application over the wire of Schemathesis, which starts it in an event loop of its own."""

    def __init__(self, api: Api, network: Recognizer) -> None:
        self.ids = real_ids(api)
        recognizer = SegmentRecognizer(network, api.service.settings.batch, name="recognizer_fighting")
        app = create_app(replace(api.service, recognizer=recognizer, metrics=Metrics()))
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        self.credentials = {"Authorization": f"Bearer {api.keys['admin']}"}

    def operations(self) -> list[APIOperation[Any, Any, Any, Any]]:
        found = []
        for result in self.schema.get_all_operations():
            assert isinstance(result, Ok), result
            found.append(result.ok())
        return found

    def real_path(self, path: str) -> dict[str, str]:
        """What exists, for the parameters of a path."""
        real = {"id": self.ids[path.split("/")[2]]} if "{id}" in path else {}
        return real | {"name": "keyframe.jpg"} if "{name}" in path else real

    def answer(self, case: Case[Any]) -> Response:
        """What the application answers; it is as the document says."""
        response = case.call(headers=self.credentials)
        assert response.status_code < 500, response.text
        excluded: list[CheckFunction] = (
            [positive_data_acceptance] if refused_for_its_meaning(response) else []
        )
        case.validate_response(response, headers=self.credentials, excluded_checks=excluded)
        return response


def examine(api: Api, network: Recognizer, *, examples: int) -> dict[str, set[int]]:
    """Try every operation with what Hypothesis draws, each time with the ids drawn and with ids that exist.

    What is drawn depends on the modules that other tests have loaded, since Hypothesis takes constants from them.
    """
    examined = Examined(api, network)
    statuses: dict[str, set[int]] = {}
    broken: list[str] = []
    for operation in examined.operations():

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attempt(case: Case[Any]) -> None:
            seen = statuses.setdefault(case.operation.label, set())
            seen.add(examined.answer(case).status_code)
            if real := examined.real_path(case.operation.path):
                case.path_parameters.update(real)
                seen.add(examined.answer(case).status_code)

        try:
            attempt()
        except (AssertionError, FailureGroup) as error:
            broken.append("".join(format_exception_only(error)))
    assert not broken, "\n".join(broken)
    assert set(statuses) == set(CALLS)
    return statuses


def test_a_proper_call_of_every_operation_succeeds(api: Api, recognizer: Recognizer) -> None:
    examined = Examined(api, recognizer)
    operations = examined.operations()
    assert {operation.label for operation in operations} == set(CALLS)
    # What removes a thing comes last: the document may name it before what reads the thing.
    for operation in sorted(operations, key=lambda operation: operation.method.upper() == "DELETE"):
        call = {"media_type": "application/json"} | CALLS[operation.label]
        if "body" not in call:
            del call["media_type"]
        case = operation.Case(path_parameters=examined.real_path(operation.path), **call)
        response = examined.answer(case)
        assert 200 <= response.status_code < 300, (operation.label, response.text)


def test_a_few_requests_of_every_kind_are_answered_as_the_document_says(
    api: Api, recognizer: Recognizer
) -> None:
    examine(api, recognizer, examples=3)


@pytest.mark.slow
def test_many_requests_of_every_kind_are_answered_as_the_document_says(
    api: Api, recognizer: Recognizer
) -> None:
    statuses = examine(api, recognizer, examples=25)
    refused = {label: seen for label, seen in statuses.items() if min(seen) >= 300}
    assert len(refused) < 0.4 * len(statuses), refused


def test_the_document_has_an_example_or_bounds_for_every_body(api: Api) -> None:
    document: dict[str, Any] = api.app.openapi()
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False, name
