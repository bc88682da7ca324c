"""Writing a report's files whole or not at all."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from activity.errors import OutputError


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that appears under its name only when the block ends well.

    The text goes to a temporary file in the same folder, which is made if it is missing. Where the block
    raises, that file is removed and an older file of this name stays as it was.

    Raises:
        OutputError: If the folder cannot be made or written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as stream:
            temporary = Path(stream.name)
            yield stream  # type: ignore[misc]
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); choose a folder that you may write to"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def readable_text(text: object) -> str:
    """`text` as UTF-8 can store it: undecodable bytes of a file name become backslash escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
