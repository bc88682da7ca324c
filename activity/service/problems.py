"""Every error of the API as RFC 9457 problem details, those of the framework included."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from activity.errors import StorageError

_log = logging.getLogger(__name__)
PROBLEM_TYPE: Final = "application/problem+json"
_PREFIX: Final = "urn:activity:problem:"
_REASONS: Final[dict[int, str]] = {
    400: "The request cannot be understood.",
    401: "No credentials came with the request, or they are not valid.",
    403: "The role of these credentials does not allow this, or the CSRF token is missing.",
    404: "There is no such thing.",
    405: "The method is not allowed here.",
    408: "The body came too slowly.",
    409: "It contradicts the present state.",
    410: "It was there and has been deleted.",
    413: "The body is larger than the limit.",
    415: "The content is of a kind that is not accepted.",
    416: "The range lies outside the file.",
    422: "A field is missing, unknown or out of bounds.",
    429: "The queue is full; `Retry-After` says when to come again.",
    500: "The service failed; its log says why.",
    503: "The service cannot answer now; `Retry-After` says when to come again.",
}


class Problem(HTTPException):
    """An answer that says what was wrong with a request.

    Attributes:
        slug: The kind of problem in a word or two, the end of its `type`.
        members: Further members of the problem, JSON-like.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status_code=status, detail=detail, headers=dict(headers or {}))
        self.slug = slug
        self.members = members


def problem_response(
    status: int,
    slug: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """The answer to a request that went wrong.

    Args:
        status: HTTP status code.
        slug: The kind of problem, such as ``queue-full``; the `type` is ``urn:activity:problem:queue-full``.
        detail: What was expected, what came, and the way out.
        headers: Such as ``Retry-After``.
        members: Further members of the problem.
    """
    content = {
        "type": _PREFIX + slug,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **(members or {}),
    }
    return JSONResponse(content, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems, for the OpenAPI document."""
    return {
        status: {
            "description": _REASONS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def install_problem_handlers(app: FastAPI) -> None:
    """Let every error of the routes, of the framework and of the database become a problem."""
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(OperationalError, _database_problem)
    app.add_exception_handler(StorageError, _storage_problem)


def unexpected_problem() -> JSONResponse:
    """The answer where the service itself failed: nothing of the inside is told."""
    return problem_response(500, "internal", "the service failed while it answered; its log says why")


async def _http_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    if isinstance(error, Problem):
        return problem_response(
            error.status_code, error.slug, error.detail, headers=error.headers, members=error.members
        )
    phrase = HTTPStatus(error.status_code).phrase
    return problem_response(
        error.status_code, phrase.lower().replace(" ", "-"), error.detail or phrase, headers=error.headers
    )


async def _validation_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    wrong = [{"pointer": _pointer(item["loc"]), "detail": str(item["msg"])} for item in error.errors()[:20]]
    detail = "; ".join(f"{entry['pointer']}: {entry['detail']}" for entry in wrong[:5])
    return problem_response(422, "invalid", detail or "the request is not valid", members={"errors": wrong})


async def _database_problem(_request: Request, _error: Exception) -> JSONResponse:
    return problem_response(
        503, "database", "the database does not answer; try again", headers={"Retry-After": "5"}
    )


async def _storage_problem(request: Request, error: Exception) -> JSONResponse:
    _log.error(
        "%s %s: %s", request.method, request.url.path, error
    )  # what is wrong there is the operator's business
    return problem_response(
        503, "storage", "the storage of files does not answer; try again", headers={"Retry-After": "5"}
    )


def _pointer(location: Sequence[int | str]) -> str:
    """Where a wrong field is: ``body/cameras/0/name``, ``query/limit``."""
    return "/".join(str(part) for part in location)
