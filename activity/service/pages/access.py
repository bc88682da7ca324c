"""`/login` and `/logout`: a browser session, begun with an API key."""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from activity.service.api.dependencies import Opened, Viewer
from activity.service.database.repository.audit import append_audit
from activity.service.pages.rendering import render
from activity.service.pages.routing import Form, page_router
from activity.service.problems import Problem
from activity.service.security.keys import find_key
from activity.service.security.sessions import COOKIE, begin_session, clear_cookie, end_session, set_cookie

router = page_router()

_HOME: Final = "/incidents"
_PLACE: Final = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # on this host: no //host, no backslash


def _place(asked: object) -> str:
    """Where to go after signing in: a path of this service, whatever a link asked for."""
    return asked if isinstance(asked, str) and _PLACE.fullmatch(asked) else _HOME


@router.get("/")
def go_home(_actor: Viewer) -> Response:
    """Lead to the incidents."""
    return RedirectResponse(_HOME, status_code=303)


@router.get("/login")
def show_login(request: Request, next: str = _HOME) -> Response:  # noqa: A002 - the query's own name
    """The form to sign in; who is signed in goes on."""
    if request.state.actor is not None:
        return RedirectResponse(_place(next), status_code=303)
    return render(request, "login", place=_place(next), refused=False)


@router.post("/login")
def sign_in(form: Form, request: Request, service: Opened) -> Response:
    """Begin a session with a good key.

    A page of another site must not sign a person in as somebody else: browsers say where a form comes from.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "csrf", "sign in on the page of this service")
    place, http = _place(form.get("next")), service.settings.http
    with service.database.write() as session:
        row = find_key(session, str(form.get("key", "")).strip())
        if row is None:
            return render(request, "login", status=401, place=place, refused=True)
        token, _ = begin_session(session, row, hours=http.session_hours)
        append_audit(session, actor=f"key:{row.name}", action="session.begin", subject=f"key:{row.id}")
    response = RedirectResponse(place, status_code=303)
    set_cookie(response, token, hours=http.session_hours, secure=http.secure_cookies)
    return response


@router.post("/logout")
def sign_out(_form: Form, request: Request, service: Opened, _actor: Viewer) -> Response:
    """End the session."""
    token = request.cookies.get(COOKIE)
    if token:
        with service.database.write() as session:
            end_session(session, token)
    response = RedirectResponse("/login", status_code=303)
    clear_cookie(response)
    return response
