"""Tables of who may do what, and the log of what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from activity.service.database.base import ID_LENGTH, Base, new_id, now, one_of

Role = Literal["viewer", "analyst", "admin"]


class ApiKey(Base):
    """A key that opens the API; the key itself is shown once and never stored.

    Attributes:
        id: Made by the server.
        name: Whose it is; shown in reviews and in the audit log.
        prefix: The first characters of the key, by which it is found; unique.
        key_hash: Hash of the whole key.
        role: What it allows.
        created_at: When it was made.
        last_used_at: When it last opened something.
        revoked_at: When it stopped to open anything; `None` while it is good.
    """

    __tablename__ = "api_keys"
    __table_args__ = (one_of("role", get_args(Role)),)

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    key_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[Role] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(default=None)

    @property
    def revoked(self) -> bool:
        """Whether it opens nothing any more."""
        return self.revoked_at is not None


class BrowserSession(Base):
    """A person's session on the pages, begun with an API key.

    Attributes:
        token_hash: Hash of the cookie's token.
        api_key_id: The key it was begun with; its role holds, and the session ends when it is revoked.
        csrf_token: What every form must send back.
        created_at: When it began.
        expires_at: When it ends.
    """

    __tablename__ = "browser_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)

    api_key: Mapped[ApiKey] = relationship()


class IdempotencyKey(Base):
    """The answer that a request with an `Idempotency-Key` got, so that its repetition gets the same.

    Attributes:
        actor: Who sent it: two actors may use the same key.
        key: What the client chose.
        request_hash: Hash of method, path and body: the same key with another request is an error.
        status_code: Of the answer; `None` while the first request is still at work.
        headers: Of the answer.
        body: Of the answer, JSON.
        created_at: When the first request came.
        expires_at: From when the key may be used anew.
    """

    __tablename__ = "idempotency_keys"

    actor: Mapped[str] = mapped_column(String(200), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int | None] = mapped_column(default=None)
    headers: Mapped[dict[str, Any]] = mapped_column(default=dict)
    body: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntry(Base):
    """One line of the log of who did what; each holds the hash of the one before, so that none can be taken out.

    Attributes:
        sequence: From 1, without gaps.
        previous_hash: `hash` of the entry before; 64 zeros for the first.
        hash: SHA-256 of this entry, see `activity.service.audit_chain.entry_hash`.
        at: When.
        actor: Who, such as ``key:NAME`` or ``system``.
        action: What, such as ``clip.upload`` or ``incident.review``.
        subject: Which thing, such as ``clip:ID``.
        detail: What else belongs to it, JSON-like.
    """

    __tablename__ = "audit_entries"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(300), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
