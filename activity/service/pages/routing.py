"""What pages share: errors that people can read, and forms that only our own pages can send."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from activity.service.pages.rendering import render
from activity.service.problems import Problem
from activity.service.security.gate import Actor
from activity.service.security.sessions import CSRF_FIELD, csrf_matches

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 120  # of a camera: a threshold for every label


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with an error turned into a page that says it."""
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                return _error_page(request, 422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
            except HTTPException as error:
                return _error_page(request, error.status_code, str(error.detail))

        return handle_page


def page_router() -> APIRouter:
    """A router for pages; they are not in the OpenAPI document."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


async def read_form(request: Request) -> FormData:
    """The fields of a form that one of our pages sent.

    Raises:
        Problem: 415 for another kind of body, 403 where a browser session's token is missing or another's.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Problem(415, "form", f"expected a form ({_FORM}), got {kind or 'no content type'}")
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    actor: Actor | None = getattr(request.state, "actor", None)
    token = form.get(CSRF_FIELD)
    if (
        actor is not None
        and actor.csrf_token is not None
        and not csrf_matches(token if isinstance(token, str) else None, actor.csrf_token)
    ):
        raise Problem(
            403, "csrf", "this form is not of your session; go back, load the page again, and retry"
        )
    request.state.csrf_checked = True
    return form


Form = Annotated[FormData, Depends(read_form)]
"""Stands before the actor in a route's parameters: the role's check asks whether the token was good."""


def _error_page(request: Request, status: int, detail: str) -> Response:
    return render(request, "error", status=status, title=HTTPStatus(status).phrase, detail=detail)
