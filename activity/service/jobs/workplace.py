"""What a worker has open for one job: a folder, the clip in it, and the limited process."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from activity.service.database import Clip
from activity.service.jobs.problems import StepError
from activity.service.jobs.process import StepProcess
from activity.service.storage import Storage


@dataclass(slots=True)
class Workplace:
    """A job's folder on this machine.

    Attributes:
        folder: Has a folder for each step with its files.
        clip: The clip, under a name made by the server, which the report shows.
        process: The limited process, once a step needed one.
    """

    folder: Path
    clip: Path
    process: StepProcess | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def open(cls, folder: Path, *, clip: Clip, storage: Storage) -> Self:
        """Make the folder and fetch the clip.

        Raises:
            StepError: If the clip was deleted.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        stack = ExitStack()
        try:
            if clip.deleted_at is not None:
                raise FileNotFoundError(clip.storage_key)
            source = stack.enter_context(storage.local_file(clip.storage_key))
        except FileNotFoundError as error:
            raise StepError("clip-missing", "It was deleted before it was analysed.") from error
        link = folder / f"{clip.id}{source.suffix}"
        link.symlink_to(source.absolute())
        return cls(folder, link, None, stack)

    def close(self) -> None:
        """End the process and remove the folder."""
        if self.process is not None:
            self.process.close()
        self._stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self) -> str:
        """The end of what the process printed."""
        return "" if self.process is None else self.process.log_tail()


class OneAtATime:
    """Lets one thread at a time have a name; others wait for it."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Have `name` while the block lasts."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._taken)
            self._taken.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(name)
                self._changed.notify_all()
