"""Headers that keep a browser from being turned against the service."""

from __future__ import annotations

from typing import Final

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' data:; font-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
"""For our own HTML report, which carries its style and script in itself; it can reach no address."""

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
}
_ENCODED: Final = [
    (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in _HEADERS.items()
]


def add_security_headers(headers: list[tuple[bytes, bytes]]) -> None:
    """Add every security header that the route has not set itself.

    Args:
        headers: Of an answer, as ASGI has them: names in lower case.
    """
    present = {name for name, _ in headers}
    headers += [header for header in _ENCODED if header[0] not in present]
