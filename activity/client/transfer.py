"""Bytes to the service, and what its refusals mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from activity.errors import ServiceError

PIECE_BYTES: Final = 256 * 1024
OnBytes = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes of the whole."""


def read_pieces(clip: Path, size: int, on_bytes: OnBytes | None) -> Iterator[bytes]:
    """The bytes of a clip, a piece at a time."""
    sent = 0
    with clip.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
            sent += len(piece)
            if on_bytes is not None:
                on_bytes(sent, size)


def refusal_of(response: httpx.Response) -> ServiceError:
    """The error for an answer that says no; its body is read already."""
    try:
        problem = json.loads(response.content)
        detail = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        problem, detail = None, response.text[:200]
    wait = response.headers.get("Retry-After", "")
    return ServiceError(
        f"{response.request.method} {response.request.url.path}: {response.status_code} {detail}",
        status=response.status_code,
        problem=problem,
        retry_after_s=float(wait) if wait.isdigit() else None,
    )


def unreachable(http: httpx.Client, error: httpx.HTTPError) -> ServiceError:
    """The error where no answer came."""
    return ServiceError(
        f"{http.base_url}: the service cannot be reached: {error or type(error).__name__}; is `activity serve` running?",
        status=None,
    )
