"""Where files lie: a folder of this machine, or object storage; the names are the server's own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from activity.errors import ConfigurationError, OutputError, StorageError
from activity.service.database.base import new_id

_KEY: Final = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(\.[a-z0-9]{1,8})?")


class Storage(Protocol):
    """Files by key. A key is made by the server, such as ``clips/2f.../clip.mp4``, never from what a user sent.

    Every method raises `StorageError` where the storage cannot be reached or refuses.
    """

    def put(self, key: str, source: Path) -> None:
        """Store a local file, whole or not at all; an older file of this key is replaced.

        Raises:
            StorageError: If it cannot be stored.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open a file for reading; the stream can seek.

        Raises:
            FileNotFoundError: If there is none.
        """
        ...

    def size(self, key: str) -> int:
        """Bytes of a file.

        Raises:
            FileNotFoundError: If there is none.
        """
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        ...

    def delete(self, key: str) -> None:
        """Delete a file; one that is not there is as good as deleted."""
        ...

    def remove_leftovers(self, *, older_than_s: float) -> int:
        """Remove what processes that were killed in the middle of a `put` have left; how many there were."""
        ...

    def check(self) -> None:
        """See whether the storage can be used now; cheap enough to be asked every few seconds.

        Raises:
            StorageError: If it cannot, with the way out.
        """
        ...

    def local_file(self, key: str) -> AbstractContextManager[Path]:
        """The file as a path of this machine while the block lasts; nobody may write to it.

        Raises:
            FileNotFoundError: If there is none.
        """
        ...


def new_key(kind: str, suffix: str = "") -> str:
    """A fresh key such as ``clips/0190...e1/file.mp4``.

    Args:
        kind: The first part: lower-case letters, digits, ``-`` and ``_``.
        suffix: Such as ``.mp4``: taken from a fixed list, never from a user's file name.
    """
    return check_key(f"{kind}/{new_id()}/file{suffix}")


def check_key(key: str) -> str:
    """Return `key` if it has the form of the server's own names.

    Raises:
        OutputError: If it could point outside the storage.
    """
    if _KEY.fullmatch(key) is None:
        raise OutputError(
            f"storage key {key!r}: expected lower-case letters, digits, '-' and '_' between slashes"
        )
    return key


def open_storage(address: str) -> Storage:
    """The storage at `address`: a folder, or object storage such as ``s3://bucket/path``, which is tried out.

    Raises:
        ConfigurationError: If it cannot be used, with the way out.
    """
    if "://" not in address or address.startswith("file://"):
        return FolderStorage(Path(address.removeprefix("file://")))
    from activity.service.object_storage import ObjectStorage  # noqa: PLC0415 - builds on this module

    storage = ObjectStorage(address)
    try:
        storage.try_out()
    except StorageError as error:
        raise ConfigurationError(f"storage {error}") from error
    return storage


class FolderStorage:
    """Files in a folder that only the service's user may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(f"storage {folder}: cannot be made: {error.strerror}") from error

    def _path(self, key: str) -> Path:
        return self._folder / check_key(key)

    def put(self, key: str, source: Path) -> None:
        """See `Storage.put`."""
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)  # mode 0600
            try:
                with os.fdopen(handle, "wb") as target, source.open("rb") as stream:
                    shutil.copyfileobj(stream, target, 1024 * 1024)
                    target.flush()
                    os.fsync(target.fileno())
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise StorageError(f"{path}: cannot be stored: {error.strerror}") from error

    def open(self, key: str) -> BinaryIO:
        """See `Storage.open`."""
        return self._path(key).open("rb")

    def size(self, key: str) -> int:
        """See `Storage.size`."""
        return self._path(key).stat().st_size

    def exists(self, key: str) -> bool:
        """See `Storage.exists`."""
        return self._path(key).is_file()

    def delete(self, key: str) -> None:
        """See `Storage.delete`; folders that are then empty go too."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        for parent in path.relative_to(self._folder).parents:
            try:
                if parent != Path():
                    (self._folder / parent).rmdir()
            except OSError:  # another file lies there, or the folder is gone already
                return

    def remove_leftovers(self, *, older_than_s: float) -> int:
        """See `Storage.remove_leftovers`."""
        removed = 0
        for path in self._folder.rglob(".part-*"):
            with contextlib.suppress(
                FileNotFoundError
            ):  # its `put` has come to its end, or another was faster
                if time.time() - path.stat().st_mtime > older_than_s:
                    path.unlink()
                    removed += 1
        return removed

    @contextmanager
    def local_file(self, key: str) -> Iterator[Path]:
        """See `Storage.local_file`: the file itself."""
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(path)
        yield path

    def check(self) -> None:
        """See `Storage.check`."""
        if not self._folder.is_dir() or not os.access(self._folder, os.W_OK | os.X_OK):
            raise StorageError(
                f"{self._folder}: expected a folder that this user may write to; make it, or mount it again"
            )
