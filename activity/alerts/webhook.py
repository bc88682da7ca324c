"""Alerts posted as JSON and signed by the Standard Webhooks scheme (standardwebhooks.com, version 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from activity.alerts.addresses import AddressPolicy
from activity.alerts.http import request
from activity.alerts.message import AlertMessage
from activity.errors import ConfigurationError

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - the public part
_LEAST_KEY_BYTES: Final = 24
_MOST_KEY_BYTES: Final = 64


def new_secret() -> str:
    """A fresh signing secret: ``whsec_`` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of one request: ``v1,`` and the HMAC-SHA256 of ``id.timestamp.body`` in base64.

    Raises:
        ConfigurationError: If the secret is not ``whsec_`` and 24 to 64 bytes in base64.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class WebhookSink:
    """Posts each message to one URL.

    The body is ``{"type": "incident.alert", "timestamp": ..., "data": {...}}`` and the same on every attempt, as
    is the header ``webhook-id``; ``webhook-timestamp`` is the attempt's. Any answer of 2xx within the time limit
    means that the receiver has the message.

    Args:
        url: Where to.
        signing_secrets: ``whsec_...``; while a secret is replaced, the new one and the old one, and the request
            carries a signature of each.
        policy: Addresses that may be reached.
        timeout_s: How long one attempt may take.
        clock: Unix seconds; for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        signing_secrets: Sequence[str],
        policy: AddressPolicy,
        timeout_s: float = 15.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not signing_secrets:
            raise ConfigurationError(f"webhook {url}: expected at least one signing secret")
        for secret in signing_secrets:
            _key(secret)
        self._url = url
        self._secrets = tuple(signing_secrets)
        self._policy = policy
        self._timeout_s = timeout_s
        self._clock = clock

    def send(self, message: AlertMessage) -> None:
        """Post one message.

        Raises:
            DeliveryError: If the receiver does not answer with 2xx in time, or its address is not allowed.
        """
        body = webhook_body(message)
        timestamp = int(self._clock())
        signatures = [
            sign(secret, message_id=message.identifier, timestamp=timestamp, body=body)
            for secret in self._secrets
        ]
        request(
            "POST",
            self._url,
            timeout_s=self._timeout_s,
            policy=self._policy,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "activity-webhooks",
                "webhook-id": message.identifier,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": " ".join(signatures),
            },
            content=body,
        )


def webhook_body(message: AlertMessage) -> bytes:
    """What is posted: type, time and the message's fields."""
    content = {
        "type": f"incident.{message.kind}",
        "timestamp": message.sent_at.isoformat(),
        "data": message.to_json(),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not _LEAST_KEY_BYTES <= len(key) <= _MOST_KEY_BYTES:
        raise ConfigurationError(
            f"webhook secret: expected {SECRET_PREFIX} and {_LEAST_KEY_BYTES} to {_MOST_KEY_BYTES} bytes in base64; "
            "make one with `activity.alerts.webhook.new_secret()`"
        )
    return key
