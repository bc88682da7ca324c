"""What many routes take: the service, the actor by role, ids, pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from activity.client.schemas import ID_PATTERN
from activity.service.problems import Problem
from activity.service.runtime import Service
from activity.service.security.gate import Actor, require

EXAMPLE_ID = "0193a5c1f2de8f0a4c1b7e6d5a493827"


async def service_of(request: Request) -> Service:
    """The opened service behind a request; a coroutine, since plain functions are sent to a thread."""
    service: Service = request.app.state.service
    return service


Opened = Annotated[Service, Depends(service_of)]
Viewer = Annotated[Actor, Depends(require("viewer"))]
Analyst = Annotated[Actor, Depends(require("analyst"))]
Admin = Annotated[Actor, Depends(require("admin"))]

ThingId = Annotated[str, Path(alias="id", pattern=ID_PATTERN, openapi_examples={"id": {"value": EXAMPLE_ID}})]
Cursor = Annotated[
    str | None, Query(pattern=ID_PATTERN, description="The `next` of the page before.", examples=[EXAMPLE_ID])
]
Limit = Annotated[int, Query(ge=1, le=200, description="Items on a page.")]


def not_found(kind: str, thing_id: str) -> Problem:
    """404 for a thing of a kind."""
    return Problem(404, "not-found", f"there is no {kind} {thing_id}")
