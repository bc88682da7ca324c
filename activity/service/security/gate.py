"""The gate before every route: who is not known goes no further, and each route names the least role it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request
from sqlalchemy import update
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from activity.service.database import ApiKey, Database, Role, now
from activity.service.problems import Problem, problem_response
from activity.service.security.keys import find_key, hash_key, use_is_to_be_noted
from activity.service.security.sessions import COOKIE, CSRF_HEADER, csrf_matches, find_session

ROLES: Final[tuple[Role, ...]] = ("viewer", "analyst", "admin")
"""In order: each may do what the ones before may."""

PUBLIC_PATHS: Final = ("/healthz", "/readyz", "/openapi.json", "/login", "/static/")
"""Open to everybody; a path that ends in a slash stands for all below it."""

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_KEY_SECONDS: Final = 1.0  # a key revoked by another process opens the door for so long at most


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a request.

    Attributes:
        name: For the audit log and reviews, such as ``key:NAME``.
        role: What they may do.
        key_id: The API key, or the one their session was begun with.
        csrf_token: Of a browser session; `None` for a request with a key.
    """

    name: str
    role: Role
    key_id: str
    csrf_token: str | None = None

    def may(self, role: Role) -> bool:
        """Whether the actor has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)


class require:  # noqa: N801 - reads as a word: Depends(require("admin"))
    """A dependency that lets actors of at least one role pass and gives the route the actor.

    Raises:
        Problem: 401 without an actor, 403 with too low a role or without a session's CSRF token.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Actor:
        """Return the actor of the request."""
        actor: Actor | None = getattr(request.state, "actor", None)
        if actor is None:
            raise Problem(401, "no-credentials", _NO_CREDENTIALS, headers=_CHALLENGE)
        if not actor.may(self.role):
            raise Problem(
                403, "role", f"expected the role {self.role}, these credentials have the role {actor.role}"
            )
        if actor.csrf_token is not None and request.method not in _SAFE:
            # Pages send the token as a form field: their routes check it with `csrf_matches` and mark it here.
            sent = request.headers.get(CSRF_HEADER)
            if not csrf_matches(sent, actor.csrf_token) and not getattr(request.state, "csrf_checked", False):
                raise Problem(
                    403, "csrf", f"a change by a browser session needs its token in the header {CSRF_HEADER}"
                )
        return actor


_NO_CREDENTIALS: Final = (
    "expected an API key in the header `Authorization: Bearer KEY`, or the cookie of a session"
)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="activity"'}


class Gate:
    """ASGI middleware: finds the actor of each request and turns away requests that have none."""

    def __init__(self, app: ASGIApp, *, database: Callable[[], Database]) -> None:
        self._app = app
        self._database = database
        self._seen: dict[str, tuple[float, Actor]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from a known actor or goes to a public path."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                return  # the service has none
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        actor = await self._actor(connection)
        scope.setdefault("state", {})["actor"] = actor
        if actor is not None or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        if _wants_page(connection, scope["method"]):
            place = quote(scope["path"], safe="/")
            await RedirectResponse(f"/login?next={place}", status_code=303)(scope, receive, send)
            return
        await problem_response(401, "no-credentials", _NO_CREDENTIALS, headers=_CHALLENGE)(
            scope, receive, send
        )

    async def _actor(self, connection: HTTPConnection) -> Actor | None:
        scheme, _, key = connection.headers.get("authorization", "").partition(" ")
        if scheme:  # who shows a key is judged by it alone, whatever cookie the browser adds
            return await self._actor_of_key(key.strip()) if scheme.lower() == "bearer" and key else None
        token = connection.cookies.get(COOKIE)
        return await run_in_threadpool(self._actor_of_session, token) if token else None

    async def _actor_of_key(self, key: str) -> Actor | None:
        digest = hash_key(key)
        found = self._seen.get(digest)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        self._seen.pop(digest, None)
        actor = await run_in_threadpool(self._look_up, key)
        if actor is not None:
            if len(self._seen) > 10_000:
                self._seen.clear()
            self._seen[digest] = (time.monotonic() + _KEY_SECONDS, actor)
        return actor

    def _look_up(self, key: str) -> Actor | None:
        database = self._database()
        with database.read() as session:
            row = find_key(session, key)
        if row is None:
            return None
        if use_is_to_be_noted(row):
            with database.write() as session:
                session.execute(update(ApiKey).where(ApiKey.id == row.id).values(last_used_at=now()))
        return Actor(f"key:{row.name}", row.role, row.id)

    def _actor_of_session(self, token: str) -> Actor | None:
        with self._database().read() as session:
            row = find_session(session, token)
            if row is None:
                return None
            return Actor(f"key:{row.api_key.name}", row.api_key.role, row.api_key_id, row.csrf_token)


def is_public(path: str) -> bool:
    """Whether a path is open to everybody."""
    return any(
        path == public or (public.endswith("/") and path.startswith(public)) for public in PUBLIC_PATHS
    )


def _wants_page(connection: HTTPConnection, method: str) -> bool:
    """Whether a person's browser asks for a page rather than a program for an answer."""
    accept = connection.headers.get("accept", "")
    return method == "GET" and "text/html" in accept and not connection.url.path.startswith("/v1/")
