"""The OpenAPI document: what FastAPI finds, with the problems that every route may answer and the ways to log in."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from activity.client import schemas
from activity.service.problems import problems
from activity.service.security.sessions import COOKIE

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_EVERYWHERE: Final = (401, 403, 422, 500, 503)
_WITH_BODY: Final = (400, 408, 413)
_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")
_DESCRIPTION: Final = """
A clip goes in (`POST /v1/clips`), a job analyses it (`GET /v1/jobs/{id}`, `/events`), and what was found are incidents
(`GET /v1/incidents`), which people confirm, dismiss or correct.

Send an API key as `Authorization: Bearer KEY`. Keys have a role: a viewer reads, an analyst uploads and reviews, an
admin sets up cameras, webhooks and keys. Every error is an RFC 9457 problem.
"""


def make_document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    document = get_openapi(
        title=app.title, version=app.version, description=_DESCRIPTION.strip(), routes=app.routes
    )
    components = document.setdefault("components", {})
    for name in _FRAMEWORK:
        components.get("schemas", {}).pop(name, None)
    _, own = models_json_schema(
        [(schemas.Problem, "serialization"), (schemas.RecognizeRequest, "validation")],
        ref_template="#/components/schemas/{model}",
    )
    components["schemas"] = own["$defs"] | components.get("schemas", {})
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser session."},
    }
    document["security"] = [{"key": []}, {"session": []}]
    for operations in document["paths"].values():
        for method in _METHODS:
            if method in operations:
                _complete(operations[method])
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add to one operation what the gate, the limits and the framework may answer."""
    answers = operation["responses"]
    for status in _EVERYWHERE + (_WITH_BODY if "requestBody" in operation else ()):
        own = answers.get(str(status))
        if own is None or "application/json" in own.get("content", {}):
            answers[str(status)] = problems(status)[status]
    for slow in ("429", "503"):
        if slow in answers:
            answers[slow]["headers"] = {
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
            }
    operation["responses"] = dict(sorted(answers.items()))
