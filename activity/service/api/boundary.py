"""The outermost layer of the application: security headers, body limits, metrics, and an answer when all else fails."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from activity.service.metrics import Metrics
from activity.service.problems import Problem, unexpected_problem
from activity.service.security.headers import add_security_headers

UPLOAD_PATH: Final = "/v1/clips"
_log = logging.getLogger(__name__)


class Boundary:
    """ASGI middleware around everything else.

    Args:
        app: The application.
        metrics: Told of every request.
        max_body_bytes: Largest body; the upload of clips keeps a limit of its own.
        patience_s: Seconds that a body may keep us waiting, beyond what `slowest_bytes_per_s` allows for its length.
        slowest_bytes_per_s: Bytes a second that a body must come with, on average.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        max_body_bytes: int,
        patience_s: float,
        slowest_bytes_per_s: float,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._patience_s = patience_s
        self._slowest_bytes_per_s = slowest_bytes_per_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 500
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message["headers"] = headers = list(message.get("headers", ()))
                add_security_headers(headers)
            await send(message)

        try:
            await self._app(scope, self._limited(scope, receive), send_with_headers)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if begun:
                raise
            await unexpected_problem()(scope, receive, send_with_headers)
        finally:
            # the template, not the path: paths hold ids, of which there is no end
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(scope["method"], route, str(status)).inc()
            self._metrics.seconds.labels(scope["method"], route).observe(time.perf_counter() - begin)

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        announced = Headers(scope=scope).get("content-length", "")
        most = None if scope["path"] == UPLOAD_PATH else self._max_body_bytes
        too_long = most is not None and announced.isdigit() and int(announced) > most
        counted, waited_s, ended = 0, 0.0, False

        async def receive_within_limit() -> Message:
            nonlocal counted, waited_s, ended
            if ended:  # what comes now is the client's going away, for which an answer may wait
                return await receive()
            if too_long:
                raise self._too_large()
            begin = time.perf_counter()
            try:
                async with asyncio.timeout(self._patience_s + counted / self._slowest_bytes_per_s - waited_s):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            waited_s += time.perf_counter() - begin
            counted += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if most is not None and counted > most:
                raise self._too_large()
            return message

        return receive_within_limit

    def _too_slow(self) -> Problem:
        return Problem(
            408,
            "too-slow",
            f"expected {self._slowest_bytes_per_s:g} bytes a second of the body on average, after "
            f"{self._patience_s:g} s; send it again over a better line",
            headers={"Connection": "close"},  # the rest of the body is nobody's request
        )

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too-large",
            f"expected a body of at most {self._max_body_bytes} bytes",
            limit_bytes=self._max_body_bytes,
        )
