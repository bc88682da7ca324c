"""A throw-away S3 server on this machine's loopback address: the part of the protocol that a storage of files needs.

Signatures (AWS Signature Version 4), ranges, conditions, multipart uploads and errors follow Amazon's reference, not
the client that is tested. moto would bring the whole of AWS and an older python-dateutil than ours; with
``ACTIVITY_TEST_S3=s3://bucket`` and the usual ``AWS_`` variables the tests of the storage run against moto, MinIO or AWS.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

REGION: Final = "us-east-1"
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)"
)
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass
class S3Server:
    """A running server with its buckets and its one pair of keys.

    Attributes:
        port: Where it listens.
        buckets: Name of each bucket to its objects by key.
        requests: Method, path and query of each request that came.
        failures: Statuses that the next requests are answered with, whatever they ask.
    """

    port: int = 0
    access_key_id: str = "AKIATESTTESTTESTTEST"
    secret_access_key: str = "a secret that only this test knows"  # noqa: S105
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[S3Server]:
        """Serve on a free port until the block ends."""
        state = cls()
        handler = type("Handler", (_Handler,), {"state": state})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            state.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield state
            finally:
                server.shutdown()
                thread.join()

    def environment(self) -> dict[str, str]:
        """What a client is told in the usual way."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1",  # where no cloud gives credentials away
        }


def signature(
    *,
    secret: str,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    signed: str,
    date: str,
    region: str,
) -> str:
    """The signature of a request (AWS Signature Version 4 for S3, header `Authorization`), in hex.

    Args:
        secret: The secret access key.
        method: In capitals.
        path: As it was sent.
        query: As it was sent, without the question mark.
        headers: By lower-case name.
        signed: Names of the signed headers, with semicolons between.
        date: Eight digits.
        region: Such as ``us-east-1``.
    """
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, True))
    canonical = "\n".join(
        [
            method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.split(";")),
            "",
            signed,
            headers["x-amz-content-sha256"],
        ]
    )
    scope = f"{date}/{region}/s3/aws4_request"
    text = "\n".join(
        ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{secret}".encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


class _RefusedError(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(code)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: S3Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # what `http.server` calls for each method
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        place = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.state.requests.append((self.command, self.path))
        try:
            if self.state.failures:
                raise _RefusedError(self.state.failures.pop(0), "SlowDown")
            self._check_signature(place.path, place.query, body)
            bucket, _, key = unquote(place.path).lstrip("/").partition("/")
            if bucket not in self.state.buckets:
                raise _RefusedError(404, "NoSuchBucket")
            query = dict(parse_qsl(place.query, keep_blank_values=True))
            status, headers, content = self._work(self.state.buckets[bucket], key, query, body)
        except _RefusedError as refused:
            xml = f"<Error><Code>{refused.code}</Code><Message>no</Message></Error>"
            status, headers, content = refused.status, {"Content-Type": "application/xml"}, xml.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _check_signature(self, path: str, query: str, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if match is None:
            raise _RefusedError(403, "AccessDenied")
        key_id, date, region, signed, sent = match.groups()
        if key_id != self.state.access_key_id:
            raise _RefusedError(403, "InvalidAccessKeyId")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed.split(";")):
            raise _RefusedError(403, "AccessDenied")
        expected = signature(
            secret=self.state.secret_access_key,
            method=self.command,
            path=path,
            query=query,
            headers=headers,
            signed=signed,
            date=date,
            region=region,
        )
        if not hmac.compare_digest(sent, expected):
            raise _RefusedError(403, "SignatureDoesNotMatch")
        announced = headers["x-amz-content-sha256"]
        if announced not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            raise _RefusedError(400, "XAmzContentSHA256Mismatch")

    def _work(  # noqa: PLR0911 - a table of requests
        self, objects: dict[str, bytes], key: str, query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        match self.command:
            case "GET" if not key and query.get("list-type") == "2":
                return self._list(objects, query)
            case "GET" | "HEAD":
                return self._get(objects, key)
            case "PUT" if "uploadId" in query:
                self._parts(query)[int(query["partNumber"])] = body
                return 200, {"ETag": _etag(body)}, b""
            case "PUT":
                objects[key] = body
                return 200, {"ETag": _etag(body)}, b""
            case "POST" if "uploads" in query:
                upload = f"upload-{next(self.state.numbers)}"
                self.state.uploads[upload] = {}
                return self._xml(
                    f"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>{escape(key)}</Key>"
                    f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                )
            case "POST" if "uploadId" in query:
                parts = self._parts(query)
                named = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body)]
                if named != sorted(parts) or any(len(parts[n]) < 5 * 2**20 for n in named[:-1]):
                    raise _RefusedError(400, "InvalidPart")
                objects[key] = b"".join(parts[number] for number in named)
                del self.state.uploads[query["uploadId"]]
                return self._xml(
                    f"<CompleteMultipartUploadResult><Bucket>b</Bucket><Key>{escape(key)}</Key>"
                    f"<ETag>{escape(_etag(objects[key]))}</ETag></CompleteMultipartUploadResult>"
                )
            case "DELETE" if "uploadId" in query:
                self.state.uploads.pop(query["uploadId"], None)
                return 204, {}, b""
            case "DELETE":
                objects.pop(key, None)
                return 204, {}, b""
        raise _RefusedError(501, "NotImplemented")

    def _parts(self, query: dict[str, str]) -> dict[int, bytes]:
        if query["uploadId"] not in self.state.uploads:
            raise _RefusedError(404, "NoSuchUpload")
        return self.state.uploads[query["uploadId"]]

    def _get(self, objects: dict[str, bytes], key: str) -> tuple[int, dict[str, str], bytes]:
        if key not in objects:
            raise _RefusedError(404, "NoSuchKey")
        content = objects[key]
        headers = {
            "ETag": _etag(content),
            "Accept-Ranges": "bytes",
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        if self.headers.get("If-Match", headers["ETag"]) != headers["ETag"]:
            raise _RefusedError(412, "PreconditionFailed")
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is not None:
            begin, end = match.groups()
            first = int(begin) if begin else max(0, len(content) - int(end))
            last = min(int(end), len(content) - 1) if begin and end else len(content) - 1
            if first > last:
                raise _RefusedError(416, "InvalidRange")
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return 206, headers, content[first : last + 1]
        if self.command == "HEAD":
            headers["Content-Length"] = str(len(content))
        return 200, headers, content

    def _list(self, objects: dict[str, bytes], query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(_etag(content))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(objects.items())
            if key.startswith(query.get("prefix", ""))
        )
        return self._xml(f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>")

    def _xml(self, text: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "application/xml"}, f'<?xml version="1.0"?>{text}'.encode()


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
