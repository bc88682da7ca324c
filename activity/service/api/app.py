"""Puts the application together, and lets no route in that does not say who may use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import activity
from activity.errors import ConfigurationError
from activity.service.api import (
    access,
    cameras,
    clips,
    deliveries,
    evidence,
    incidents,
    jobs,
    operations,
    segments,
    webhooks,
)
from activity.service.api.boundary import Boundary
from activity.service.api.direct import DirectRoute
from activity.service.api.openapi import make_document
from activity.service.problems import install_problem_handlers
from activity.service.runtime import Service
from activity.service.security.gate import Gate, is_public, require

ROUTERS: Final[tuple[APIRouter, ...]] = (
    clips.router,
    jobs.router,
    incidents.router,
    evidence.router,
    deliveries.router,
    cameras.router,
    webhooks.router,
    access.router,
    segments.router,
    operations.router,
)


def create_app(service: Service, *, more: tuple[APIRouter, ...] = ()) -> FastAPI:
    """The application of one opened service.

    Args:
        service: What the routes work with; its batcher is started and stopped with the application.
        more: Routers beside those of the API, such as the pages.

    Raises:
        ConfigurationError: If a route that is not public names no role.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.recognizer.batcher.start()
        try:
            yield
        finally:
            await service.recognizer.batcher.stop()

    app = FastAPI(
        title="activity",
        version=activity.__version__,
        docs_url=None,  # those pages fetch their scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours are at /metrics
    )
    app.state.service = service
    for router in (*ROUTERS, *more):
        app.include_router(router)
        for route in router.routes:
            if (
                isinstance(route, APIRoute)
                and not is_public(route.path)
                and not _names_a_role(route.dependant)
            ):
                raise ConfigurationError(f"route {route.path}: expected a dependency on a role, found none")
    install_problem_handlers(app)
    app.add_middleware(  # innermost: the gate and the boundary hold for it as for every route
        DirectRoute,
        path=segments.PATH,
        method="POST",
        role=segments.ROLE,
        answer=segments.recognize_segments,
        service=service,
    )
    app.add_middleware(Gate, database=lambda: service.database)
    app.add_middleware(
        Boundary,
        metrics=service.metrics,
        max_body_bytes=service.settings.limits.max_body_bytes,
        patience_s=service.settings.http.receive_timeout_s,
        slowest_bytes_per_s=service.settings.http.slowest_bytes_per_s,
    )
    service.metrics.watch(service.database)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = make_document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # as FastAPI's manual says
    return app


def _names_a_role(dependant: Dependant) -> bool:
    return isinstance(dependant.call, require) or any(
        _names_a_role(other) for other in dependant.dependencies
    )
