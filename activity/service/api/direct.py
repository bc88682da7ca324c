"""A short way through the application for one route that is asked thousands of times a second.

FastAPI tries some forty routes one after the other and solves dependencies anew for each request, which takes longer
than the recogniser does. The route stays in its router, for the OpenAPI document and all other methods.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from activity.service.database import Role
from activity.service.problems import Problem, problem_response
from activity.service.runtime import Service
from activity.service.security.gate import Actor, require

Answer = Callable[[Request, Service, Actor], Awaitable[Response]]


class DirectRoute:
    """ASGI middleware behind the gate that answers one method of one path; it names the role as the route does.

    Args:
        app: Everything else.
        path: The path, without parameters.
        method: In capitals.
        role: The least role that may.
        answer: The route's function.
        service: What it works with.
    """

    def __init__(
        self, app: ASGIApp, *, path: str, method: str, role: Role, answer: Answer, service: Service
    ) -> None:
        self.path: Final = path  # `scope["route"].path` is what metrics count by
        self._app = app
        self._method = method
        self._require = require(role)
        self._answer = answer
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the route; pass on all else."""
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != self._method:
            await self._app(scope, receive, send)
            return
        scope["route"] = self
        request = Request(scope, receive)
        try:
            response = await self._answer(request, self._service, await self._require(request))
        except Problem as problem:
            response = problem_response(
                problem.status_code,
                problem.slug,
                problem.detail,
                headers=problem.headers,
                members=problem.members,
            )
        await response(scope, receive, send)
