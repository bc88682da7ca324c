"""Files in object storage: S3, what speaks like it, and other clouds, through obstore, which caches nothing."""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from activity.errors import ConfigurationError, StorageError
from activity.service.database.base import new_id
from activity.service.storage import check_key

if TYPE_CHECKING:
    from obstore import Bytes
    from obstore.store import ObjectStore

_BUFFER: Final = 4 * 1024 * 1024  # bytes of one ranged read; a request takes tens of milliseconds
_COPY: Final = 16 * 1024 * 1024
_PART: Final = 8 * 1024 * 1024  # bytes of a part of an upload; S3 takes from 5 MiB on
_MOST_PARTS: Final = 10_000  # of S3
_AT_ONCE: Final = 4
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_RETRIES: Final = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_WAYS_OUT: Final[tuple[tuple[str, str], ...]] = (
    ("NoSuchBucket", "there is no such bucket; make it, or name another in `storage`"),
    (
        "InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|401 Unauthorized",
        "the credentials are not accepted; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN where "
        "they are temporary) to those of this storage",
    ),
    (
        "AccessDenied|403 Forbidden",
        "the credentials do not allow it; they need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and "
        "s3:DeleteObject on what is in it",
    ),
    (
        "latest/api/token|latest/meta-data",
        "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
    ),
    (
        "301 Moved|PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint",
        "the bucket lies in another region; set AWS_REGION to it",
    ),
    ("kind: Connect|BadScheme|TimedOut", "it does not answer; start it, or mend AWS_ENDPOINT_URL"),
    ("PreconditionError|412 Precondition", "the file was replaced while it was read; read it again"),
)


class ObjectStorage:
    """Files in object storage; a put there is whole or nothing by itself.

    Args:
        address: Such as ``s3://bucket/path``. Endpoint, region and credentials come from the usual ``AWS_`` variables of the
            environment, or from the role of the machine.

    Raises:
        ConfigurationError: If the address is not understood, or obstore is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
            from obstore.store import from_url  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                f"storage {address}: expected the package obstore, which is not installed; "
                'pip install "activity[s3]", or name a folder'
            ) from error
        self._address = address.rstrip("/")
        self._vendor_error: type[Exception] = BaseError
        options: dict[str, Any] = {}
        if not address.startswith("memory://"):
            plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
            options["client_options"] = {"allow_http": plain, "timeout": timedelta(minutes=5)}
            options["retry_config"] = _RETRIES
        if address.startswith(("s3://", "s3a://")):
            options["disable_bulk_delete"] = (
                True  # not all that speak S3 know it, and we delete one at a time
            )
        try:
            self._store: ObjectStore = from_url(self._address, **options)
        except (BaseError, ValueError) as error:
            raise ConfigurationError(
                f"storage {address}: {_first_line(error)}; expected an address such as s3://bucket/path, or a folder"
            ) from error

    def put(self, key: str, source: Path) -> None:
        """See `Storage.put`; large files go in parts, and become visible when the last one is there."""
        name = check_key(key)
        try:
            part = max(_PART, math.ceil(source.stat().st_size / _MOST_PARTS))
        except OSError as error:
            raise StorageError(f"{key}: cannot be stored: {error}") from error
        with self._translated(f"{key}: cannot be stored"):
            try:
                self._store.put(name, source, chunk_size=part, max_concurrency=_AT_ONCE)
            except OSError as error:  # a bucket that is not there is FileNotFoundError too
                raise self._error(f"{key}: cannot be stored", error) from error

    def open(self, key: str) -> BinaryIO:
        """See `Storage.open`; only what is read is fetched, and always of the one file that was opened."""
        return cast("BinaryIO", io.BufferedReader(self._raw(key), _BUFFER))

    def size(self, key: str) -> int:
        """See `Storage.size`."""
        name = check_key(key)
        with self._translated(f"{key}: cannot be looked at"):
            return int(self._store.head(name)["size"])

    def exists(self, key: str) -> bool:
        """See `Storage.exists`."""
        try:
            self.size(key)
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        name = check_key(key)
        with self._translated(f"{key}: cannot be deleted"):
            try:
                self._store.delete(name)
            except FileNotFoundError:
                return

    def remove_leftovers(self, *, older_than_s: float) -> int:  # noqa: ARG002 - the interface's
        """See `Storage.remove_leftovers`: object storage shows no file before it is whole."""
        return 0

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """See `Storage.local_file`: a copy that is deleted after the block."""
        with tempfile.TemporaryDirectory(prefix="activity-") as folder:
            path = Path(folder) / Path(check_key(key)).name
            with self._raw(key) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, _COPY)
            yield path

    def check(self) -> None:
        """See `Storage.check`: asks for a listing, which tells a missing bucket from a missing file."""
        with self._translated("cannot be listed"):
            next(iter(self._store.list(prefix="health/")), None)

    def try_out(self) -> None:
        """Write a small file, read it and delete it: what a service is about to do.

        Raises:
            StorageError: If any of it is refused or fails.
        """
        self.check()
        key = f"health/{new_id()}/file.txt"
        with tempfile.TemporaryDirectory(prefix="activity-") as folder:
            source = Path(folder) / "file.txt"
            source.write_bytes(b"activity")
            self.put(key, source)
            with self.open(key) as stream:
                found = stream.read()
            self.delete(key)
        if found != b"activity" or self.exists(key):
            raise StorageError(f"{self._address}: gives back something else than what was stored")

    def _raw(self, key: str) -> _OpenObject:
        name = check_key(key)
        with self._translated(f"{key}: cannot be opened"):
            meta = self._store.head(name)
        return _OpenObject(self, name, size=int(meta["size"]), etag=meta["e_tag"])

    def _read(self, name: str, first: int, length: int, etag: str | None) -> Bytes:
        with self._translated(f"{name}: cannot be read"):
            options: Any = {"range": (first, first + length), "if_match": etag}
            return self._store.get(name, options=options).bytes()

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._vendor_error as error:
            raise self._error(what, error) from error

    def _error(self, what: str, error: Exception) -> StorageError:
        text = f"{type(error).__name__} {error}"
        for pattern, way_out in _WAYS_OUT:
            if re.search(pattern, text):
                return StorageError(f"{self._address}: {what}: {way_out}")
        return StorageError(f"{self._address}: {what}: {_first_line(error)}")


class _OpenObject(io.RawIOBase):
    """One version of one object: where another takes its place while it is read, reading fails."""

    def __init__(self, storage: ObjectStorage, name: str, *, size: int, etag: str | None) -> None:
        super().__init__()
        self._storage = storage
        self._name = name
        self._size = size
        self._etag = etag
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        read = memoryview(self._storage._read(self._name, self._position, length, self._etag))
        buffer[: len(read)] = read
        self._position += len(read)
        return len(read)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
