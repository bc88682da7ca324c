"""Models, health, readiness and metrics: what operators and their tools ask."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from sqlalchemy.exc import SQLAlchemyError

import activity
from activity.client import schemas
from activity.service.api.dependencies import Opened, Viewer
from activity.service.database.repository.jobs import count_unfinished
from activity.service.metrics import MEDIA_TYPE
from activity.service.problems import Problem, problem_response
from activity.service.runtime import Service

router = APIRouter(tags=["operations"])


@router.get("/v1/models", summary="The networks that analyses use")
def read_models(service: Opened, _actor: Viewer) -> schemas.ModelList:
    """Name, role, file, hash and model card of each network."""
    return schemas.ModelList(
        items=[
            schemas.Model(
                name=model.name, role=model.role, file=model.file, sha256=model.sha256, note=model.note
            )
            for model in service.models
        ]
    )


@router.get("/v1/health", summary="Is the service well?")
def read_health(service: Opened, _actor: Viewer) -> schemas.Health:
    """Part by part: the database, the storage, the queue. The parts that do not work make it `degraded`."""
    checks = check_parts(service)
    status: Literal["ok", "degraded"] = (
        "degraded" if any("fails" in text for text in checks.values()) else "ok"
    )
    return schemas.Health(status=status, version=activity.__version__, checks=checks)


@router.get("/v1/readiness", summary="Can the service take clips now?")
def read_readiness(service: Opened, _actor: Viewer) -> schemas.Health:
    """As `/v1/health`, but 503 where a part does not work."""
    health = read_health(service, _actor)
    if health.status != "ok":
        raise Problem(
            503,
            "not-ready",
            "a part of the service does not work",
            headers={"Retry-After": "5"},
            checks=health.checks,
        )
    return health


@router.get("/healthz", include_in_schema=False)
def live() -> PlainTextResponse:
    """For a supervisor without credentials: the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", include_in_schema=False)
def ready(service: Opened) -> Response:
    """For a load balancer without credentials: the parts work; which do not is told to those who may know."""
    if any("fails" in text for text in check_parts(service).values()):
        return problem_response(
            503, "not-ready", "a part of the service does not work", headers={"Retry-After": "5"}
        )
    return PlainTextResponse("ok\n")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses={200: {"description": "Text format 0.0.4.", "content": {"text/plain": {}}}},
)
def read_metrics(service: Opened, _actor: Viewer) -> Response:
    """Requests, batches, jobs, incidents and deliveries; Prometheus sends the key as `bearer_token`."""
    return Response(service.metrics.render(), media_type=MEDIA_TYPE)


def check_parts(service: Service) -> dict[str, str]:
    """What works: ``ok`` or a word on it, or a text with ``fails`` in it, for each part."""
    checks: dict[str, str] = {}
    try:
        with service.database.read() as session:
            unfinished = count_unfinished(session)
        checks["database"] = "ok"
        checks["queue"] = f"{unfinished} of at most {service.settings.queue.max_unfinished} jobs wait or run"
    except SQLAlchemyError as error:
        checks["database"] = f"fails: {type(error).__name__}"
    try:
        service.storage.check()
        checks["storage"] = "ok"
    except Exception as error:
        checks["storage"] = f"fails: {type(error).__name__}"
    return checks
