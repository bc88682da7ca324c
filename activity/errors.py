"""Every exception a caller of this package may want to catch.

    ActivityError
    ├── ConfigurationError   a setting is missing, unknown or out of bounds
    ├── StructureError       data of the wrong shape, type or range (also a ValueError)
    ├── VideoError           a file that cannot be read as video, or only in part
    ├── CheckpointError      a model file that is missing, damaged or of the wrong shape
    ├── DatasetError         a data set that is missing, damaged or laid out differently
    ├── OutputError          a result that cannot be written
    │   ├── DeliveryError    an alert that its destination did not take
    │   └── StorageError     the service's storage of files refuses or cannot be reached
    └── ServiceError         the HTTP service refused, failed or cannot be reached

Exceptions of other libraries are translated where they arise, with ``raise ... from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ActivityError(Exception):
    """Base of everything that this package raises on purpose."""


class ConfigurationError(ActivityError):
    """A setting is missing, unknown, contradictory or out of bounds."""


class StructureError(ActivityError, ValueError):
    """Data of the wrong shape, type or range was given to a structure or a function."""


class VideoError(ActivityError):
    """A file cannot be read as video, or only in part.

    Attributes:
        path: The file.
        good_frames: How many frames were decoded before the failure.
    """

    def __init__(self, path: Path, found: str, *, good_frames: int = 0) -> None:
        self.path = path
        self.found = found
        self.good_frames = good_frames
        super().__init__(f"{path}: {found} ({good_frames} good frames)")


class CheckpointError(ActivityError):
    """A model file is missing, damaged, of the wrong shape or not of the kind asked for."""


class DatasetError(ActivityError):
    """A data set is missing, damaged or laid out differently than its reader expects."""


class OutputError(ActivityError):
    """A result cannot be written where the caller wants it."""


class DeliveryError(OutputError):
    """An alert was not taken by its destination.

    Attributes:
        permanent: Whether trying again cannot help: the destination refused this message or these credentials.
        retry_after_s: Seconds that the destination asked to wait, or `None` where it did not say.
    """

    def __init__(self, found: str, *, permanent: bool, retry_after_s: float | None = None) -> None:
        self.permanent = permanent
        self.retry_after_s = retry_after_s
        super().__init__(found)


class StorageError(OutputError):
    """The service's storage of files refused, failed, or cannot be reached; it may do better another time."""


class ServiceError(ActivityError):
    """The HTTP service refused a request, failed, or cannot be reached.

    Attributes:
        status: The HTTP status code, or `None` where no answer came.
        problem: The RFC 9457 problem details of the answer, or `None` where there were none.
        retry_after_s: Seconds that the service asked to wait, or `None` where it did not say.
    """

    def __init__(
        self,
        found: str,
        *,
        status: int | None,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s
        super().__init__(found)
