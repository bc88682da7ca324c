"""`Idempotency-Key`: a request that is sent again gets the first answer, and does nothing a second time.

The answer is stored in the transaction of the work itself, so either both are there or neither. What the header means
follows draft-ietf-httpapi-idempotency-key-header: another body under a used key is refused with 422.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse
from sqlalchemy import delete
from sqlalchemy.orm import Session

from activity.service.database import IdempotencyKey, now
from activity.service.problems import Problem
from activity.service.security.gate import Actor

IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Made by the client; the same key with the same content gets the first answer again.",
        examples=["5f0c1d3a-upload-1"],
    ),
]


def hash_request(*parts: str) -> str:
    """SHA-256 (hex) of what makes two requests the same: method, path, query and content."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "backslashreplace")).hexdigest()


def find_answer(session: Session, actor: Actor, key: str | None, request_hash: str) -> JSONResponse | None:
    """The answer that this key got before, or `None`.

    Raises:
        Problem: 422 if the key was used with another request.
    """
    if key is None:
        return None
    row = session.get(IdempotencyKey, (actor.name, key))
    if row is None or row.expires_at <= now():
        return None
    if row.request_hash != request_hash:
        raise Problem(
            422,
            "idempotency-key-reused",
            "this Idempotency-Key was used with another request; take a new one",
        )
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    return JSONResponse(row.body, status_code=row.status_code or 200, headers=headers)


def store_answer(
    session: Session,
    actor: Actor,
    key: str | None,
    request_hash: str,
    *,
    status: int,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    hours: float,
) -> None:
    """Keep the answer to a request, in the transaction that does what it asks; keys that are over are swept away."""
    if key is None:
        return
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.expires_at <= now()))
    session.add(
        IdempotencyKey(
            actor=actor.name,
            key=key,
            request_hash=request_hash,
            status_code=status,
            headers=dict(headers),
            body=dict(body),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    session.flush()
