"""`/v1/keys` and `/v1/session`: API keys, and browser sessions begun with them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from activity.client import schemas
from activity.service.api.dependencies import Admin, Opened, ThingId, Viewer, not_found
from activity.service.api.views import key_view
from activity.service.database import ApiKey
from activity.service.database.repository.audit import append_audit
from activity.service.problems import Problem, problems
from activity.service.security.keys import count_good_admins, create_key, revoke_key
from activity.service.security.sessions import COOKIE, begin_session, clear_cookie, end_session, set_cookie

router = APIRouter(prefix="/v1", tags=["access"])


@router.get("/keys", summary="List API keys")
def read_keys(service: Opened, _actor: Admin) -> schemas.KeyList:
    """All keys, good and revoked, without the keys themselves."""
    with service.database.read() as session:
        return schemas.KeyList(
            items=[key_view(row) for row in session.scalars(select(ApiKey).order_by(ApiKey.id))]
        )


@router.post("/keys", status_code=201, summary="Make an API key")
def add_key(request: schemas.KeyRequest, service: Opened, actor: Admin) -> schemas.NewKey:
    """Make a key; the answer holds it, and it is not shown again."""
    with service.database.write() as session:
        row, key = create_key(session, name=request.name, role=request.role, created_by=actor.name)
        return schemas.NewKey(**key_view(row).model_dump(), key=key)


@router.delete("/keys/{id}", status_code=204, summary="Revoke an API key", responses=problems(404, 409))
def remove_key(key_id: ThingId, service: Opened, actor: Admin) -> None:
    """Let a key, and the sessions begun with it, open nothing any more. The last admin key stays."""
    with service.database.write() as session:
        row = session.get(ApiKey, key_id)
        if row is None:
            raise not_found("key", key_id)
        if row.role == "admin" and not row.revoked and count_good_admins(session) == 1:
            raise Problem(409, "last-admin", "this is the last admin key; make another before you revoke it")
        revoke_key(session, row, revoked_by=actor.name)


@router.get("/session", summary="Who am I?")
def read_session(actor: Viewer) -> schemas.Session:
    """The actor and the role of these credentials."""
    return schemas.Session(name=actor.name, role=actor.role, csrf_token=actor.csrf_token)


@router.post("/session", status_code=201, summary="Begin a browser session", responses=problems(409))
def add_session(response: Response, service: Opened, actor: Viewer) -> schemas.Session:
    """With an API key in `Authorization`: gives a cookie that scripts cannot read, and the token for changes."""
    http = service.settings.http
    with service.database.write() as session:
        row = session.get(ApiKey, actor.key_id)
        if row is None or row.revoked:
            raise Problem(409, "revoked", "this key was revoked; log in with another")
        token, begun = begin_session(session, row, hours=http.session_hours)
        append_audit(session, actor=actor.name, action="session.begin", subject=f"key:{row.id}")
        csrf_token = begun.csrf_token
    set_cookie(response, token, hours=http.session_hours, secure=http.secure_cookies)
    return schemas.Session(name=actor.name, role=actor.role, csrf_token=csrf_token)


@router.delete("/session", status_code=204, summary="End the browser session")
def remove_session(request: Request, response: Response, service: Opened, _actor: Viewer) -> None:
    """Log out; without a session nothing happens."""
    token = request.cookies.get(COOKIE)
    if token:
        with service.database.write() as session:
            end_session(session, token)
    clear_cookie(response)
