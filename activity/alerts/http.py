"""One HTTP request to a destination of alerts, with every way it can fail told apart."""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
import httpx

from activity.alerts.addresses import AddressPolicy, resolve
from activity.errors import DeliveryError

_ANSWER_SHOWN: Final = 300  # characters of a refusal that are kept for the operator
_LONGEST_ANSWER: Final = 1_000_000  # bytes
_OF_THE_WIRE: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
_TRY_AGAIN: Final = frozenset({408, 409, 423, 425, 429})


def request(
    method: str,
    url: str,
    *,
    timeout_s: float,
    policy: AddressPolicy | None = None,
    headers: Mapping[str, str] | None = None,
    **content: Any,
) -> httpx.Response:
    """Send one request and return the answer if it is a success (2xx); redirects are not followed.

    Args:
        method: ``POST`` or ``GET``.
        url: Where to.
        timeout_s: For the whole request: a receiver that answers a byte a second holds nobody up.
        policy: Addresses that may be reached. The name is looked up once, and the connection goes to the address
            that was checked; a proxy of the environment is not used then. `None` leaves both to httpx.
        headers: Further headers.
        content: ``content``, ``data``, ``params``, ``auth`` as httpx takes them.

    Raises:
        DeliveryError: On any other answer, or none. Permanent where the receiver says that the request itself is
            wrong (4xx without 408, 409, 423, 425, 429).
    """
    parts = urlsplit(url)
    target, sent_headers, extensions = url, dict(headers or {}), {}
    if policy is not None:
        address = resolve(url, policy)
        host = f"[{address}]" if ":" in address else address
        netloc = host if parts.port is None else f"{host}:{parts.port}"
        target = parts._replace(netloc=netloc).geturl()
        sent_headers["Host"] = parts.netloc.rpartition("@")[2]
        extensions = {"sni_hostname": parts.hostname}
    shown = (
        f"{parts.scheme}://{parts.hostname}{parts.path}"  # without a query or credentials: both hold secrets
    )
    try:
        with httpx.Client(timeout=timeout_s, trust_env=policy is None, verify=_trusted()) as client:
            call = client.stream(method, target, headers=sent_headers, extensions=extensions, **content)
            answer = _read(call, deadline=time.monotonic() + timeout_s)
    except httpx.InvalidURL as error:
        raise DeliveryError(f"{shown}: {error}", permanent=True) from error
    except httpx.HTTPError as error:
        raise DeliveryError(
            f"{shown}: no answer ({type(error).__name__}: {error})", permanent=False
        ) from error
    if answer.is_success:
        return answer
    raise DeliveryError(
        f"{shown}: answered {answer.status_code} {' '.join(answer.text[:_ANSWER_SHOWN].split())}".rstrip(),
        permanent=400 <= answer.status_code < 500 and answer.status_code not in _TRY_AGAIN,
        retry_after_s=_retry_after(answer.headers.get("Retry-After")),
    )


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Certificates of the machine, where operators put their own authority's, and those that httpx brings."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _read(call: AbstractContextManager[httpx.Response], *, deadline: float) -> httpx.Response:
    """The answer with as much of its body as comes before the deadline."""
    body = bytearray()
    with call as response:
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _LONGEST_ANSWER or time.monotonic() > deadline:
                break  # the status line has said all that counts
    headers = [(name, value) for name, value in response.headers.items() if name not in _OF_THE_WIRE]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request
    )


def _retry_after(value: str | None) -> float | None:
    """Seconds that ``Retry-After`` asks for, in either of its two forms; `None` where it cannot be read."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
