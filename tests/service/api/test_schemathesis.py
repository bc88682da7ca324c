"""Schemathesis against the OpenAPI document: no 5xx, no status, type or body that the document does not name."""

from __future__ import annotations

from dataclasses import replace
from traceback import format_exception_only
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from activity.recognition.recognizer import Recognizer
from activity.service.api import create_app
from activity.service.metrics import Metrics
from activity.service.recognition import SegmentRecognizer
from tests.service.api.conftest import Api

OPERATIONS = 35
"""At least so many are tried; fewer would say that the document lost some."""


def real_ids(api: Api) -> dict[str, str]:
    """An id that exists for each kind of thing, so that not all that is tried ends with 404."""
    job, (incident,) = api.finished_job()
    with api.service.database.read() as session:
        clip = session.connection().exec_driver_sql("SELECT clip_id FROM jobs").scalar_one()
    camera = api.admin.post("/v1/cameras", json={"name": "Door"}).json()["id"]
    webhook = api.admin.post("/v1/webhooks", json={"url": "https://alarms.example.org/"}).json()["id"]
    key = api.admin.post("/v1/keys", json={"name": "spare", "role": "viewer"}).json()["id"]
    return {
        "jobs": job,
        "incidents": incident,
        "clips": clip,
        "cameras": camera,
        "webhooks": webhook,
        "keys": key,
    }


MEANINGS = ("no-video", "form", "idempotency-key-reused", "unusable", "unknown-camera")
"""What no schema can say: bytes at random are no video, labels at random are no rule's, a key was used before."""


def refused_for_its_meaning(response: schemathesis.Response) -> bool:
    kind = response.headers.get("content-type", [""])[0]
    if response.status_code < 400 or kind != "application/problem+json":
        return False
    return str(response.json()["type"]).rpartition(":")[2] in MEANINGS


def examine(api: Api, network: Recognizer, *, examples: int) -> None:
    ids = real_ids(api)
    # Schemathesis starts the application in an event loop of its own, so it gets a batcher of its own too.
    recognizer = SegmentRecognizer(network, api.service.settings.batch, name="recognizer_fighting")
    app = create_app(replace(api.service, recognizer=recognizer, metrics=Metrics()))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    credentials = {"Authorization": f"Bearer {api.keys['admin']}"}
    statuses: dict[str, set[int]] = {}
    broken: list[str] = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(), real=st.booleans())
        def attempt(case: Case[Any], real: bool) -> None:
            kind = case.path.split("/")[2] if case.path.count("/") > 1 else ""
            if real and kind in ids and "id" in case.path_parameters:
                case.path_parameters["id"] = ids[kind]
            response = case.call(headers=credentials)
            statuses.setdefault(case.operation.label, set()).add(response.status_code)
            assert response.status_code < 500, response.text
            excluded: list[CheckFunction] = (
                [positive_data_acceptance] if refused_for_its_meaning(response) else []
            )
            case.validate_response(response, headers=credentials, excluded_checks=excluded)

        try:
            attempt()
        except (AssertionError, FailureGroup) as error:
            broken.append("".join(format_exception_only(error)))
    assert not broken, "\n".join(broken)
    assert len(statuses) >= OPERATIONS, sorted(statuses)
    succeeded = {label for label, seen in statuses.items() if any(status < 300 for status in seen)}
    assert len(succeeded) > 0.6 * len(statuses), {k: v for k, v in statuses.items() if k not in succeeded}


def test_a_few_requests_of_every_kind_are_answered_as_the_document_says(
    api: Api, recognizer: Recognizer
) -> None:
    examine(api, recognizer, examples=3)


@pytest.mark.slow
def test_many_requests_of_every_kind_are_answered_as_the_document_says(
    api: Api, recognizer: Recognizer
) -> None:
    examine(api, recognizer, examples=25)


def test_the_document_has_an_example_or_bounds_for_every_body(api: Api) -> None:
    document: dict[str, Any] = api.app.openapi()
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False, name
