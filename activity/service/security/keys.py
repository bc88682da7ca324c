"""API keys: made at random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activity.service.database import ApiKey, Role, now
from activity.service.database.repository.audit import append_audit

_TAG: Final = "act"
_PREFIX_HEX: Final = 12
_SECRET_BYTES: Final = 32
_NOTE_USE_EVERY: Final = timedelta(minutes=1)


def hash_key(key: str) -> str:
    """SHA-256 of a key, in hex.

    A key holds 256 random bits, so nobody can try them all, and a slow hash made for passwords would add nothing.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def create_key(session: Session, *, name: str, role: Role, created_by: str) -> tuple[ApiKey, str]:
    """Make a key and store its hash.

    Args:
        session: Of `Database.write`.
        name: Whose it is.
        role: What it allows.
        created_by: The actor, for the audit log.

    Returns:
        The stored row, and the key itself, which can never be read again.
    """
    prefix = f"{_TAG}_{secrets.token_hex(_PREFIX_HEX // 2)}"
    key = f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    row = ApiKey(name=name, prefix=prefix, key_hash=hash_key(key), role=role)
    session.add(row)
    session.flush()
    append_audit(
        session,
        actor=created_by,
        action="key.create",
        subject=f"key:{row.id}",
        detail={"name": name, "role": role},
    )
    return row, key


def find_key(session: Session, key: str) -> ApiKey | None:
    """The row of a key that is good, or `None`."""
    prefix = key[: len(_TAG) + 1 + _PREFIX_HEX]
    row = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix, ApiKey.revoked_at.is_(None)))
    # compared even where there is no row, so that time tells nothing
    stored = row.key_hash if row is not None else hash_key("")
    return row if hmac.compare_digest(stored, hash_key(key)) else None


def use_is_to_be_noted(row: ApiKey) -> bool:
    """Whether the last use that is noted lies far enough back: not every request shall write."""
    return row.last_used_at is None or now() - row.last_used_at > _NOTE_USE_EVERY


def revoke_key(session: Session, row: ApiKey, *, revoked_by: str) -> None:
    """Let a key open nothing any more, nor the sessions begun with it."""
    if row.revoked_at is None:
        row.revoked_at = now()
        append_audit(
            session, actor=revoked_by, action="key.revoke", subject=f"key:{row.id}", detail={"name": row.name}
        )


def count_good_admins(session: Session) -> int:
    """How many admin keys are good."""
    query = select(func.count()).where(ApiKey.role == "admin", ApiKey.revoked_at.is_(None))
    return session.scalar(query) or 0


def ensure_admin(session: Session) -> str | None:
    """On the first start, make an admin key; returns it for printing, or `None` where any key was ever made."""
    if session.scalar(select(func.count()).select_from(ApiKey)):
        return None
    return create_key(session, name="admin", role="admin", created_by="system")[1]
