"""Browser sessions: a cookie that scripts cannot read, and a token that every change must send back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session
from starlette.responses import Response

from activity.service.database import ApiKey, BrowserSession, now

COOKIE: Final = "activity_session"
CSRF_HEADER: Final = "X-CSRF-Token"
CSRF_FIELD: Final = "csrf_token"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def begin_session(session: Session, api_key: ApiKey, *, hours: float) -> tuple[str, BrowserSession]:
    """Begin a session for whoever holds `api_key`; sessions that are over are swept away.

    Returns:
        The cookie's token, which is not stored, and the row.
    """
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now()))
    token = secrets.token_urlsafe(32)
    row = BrowserSession(
        token_hash=_hash(token),
        api_key_id=api_key.id,
        csrf_token=secrets.token_urlsafe(24),
        expires_at=now() + timedelta(hours=hours),
    )
    session.add(row)
    session.flush()
    return token, row


def find_session(session: Session, token: str) -> BrowserSession | None:
    """The session of a cookie, if it is not over and its key is still good."""
    row = session.get(BrowserSession, _hash(token))
    if row is None or row.expires_at <= now() or row.api_key.revoked:
        return None
    return row


def end_session(session: Session, token: str) -> None:
    """End a session; one that is over already stays so."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_hash == _hash(token)))


def csrf_matches(sent: str | None, expected: str | None) -> bool:
    """Whether the token that came with a change is the session's."""
    return bool(sent and expected) and hmac.compare_digest(str(sent).encode(), str(expected).encode())


def set_cookie(response: Response, token: str, *, hours: float, secure: bool) -> None:
    """Give the browser its cookie."""
    response.set_cookie(
        COOKIE, token, max_age=int(hours * 3600), httponly=True, samesite="lax", secure=secure, path="/"
    )


def clear_cookie(response: Response) -> None:
    """Take the cookie back."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
