"""Why a job failed, as RFC 9457 problem details that are safe to show to who sent the clip."""

from __future__ import annotations

from typing import Any, Final, Literal, TypedDict

from activity.errors import ActivityError, ConfigurationError, StorageError, VideoError

ProblemKind = Literal[
    "clip-unreadable",
    "clip-too-large",
    "clip-missing",
    "clip-changed",
    "time-limit",
    "memory-limit",
    "process-died",
    "worker-died",
    "analysis-failed",
    "internal",
]

_TITLES: Final[dict[ProblemKind, tuple[int, str]]] = {
    "clip-unreadable": (422, "The clip cannot be read as video"),
    "clip-too-large": (422, "The clip is above a limit of this server"),
    "clip-missing": (410, "The clip is no longer there"),
    "clip-changed": (409, "The clip is not the one that was uploaded"),
    "time-limit": (422, "The analysis took longer than this server allows"),
    "memory-limit": (422, "The analysis needed more memory than this server allows"),
    "process-died": (422, "The process that read the clip was ended again and again"),
    "worker-died": (500, "The workers that took the job died again and again"),
    "analysis-failed": (500, "The analysis cannot be made with this server's models and settings"),
    "internal": (500, "The analysis failed by a fault of this server"),
}


class Problem(TypedDict, total=False):
    """RFC 9457 problem details of a job; ``type`` is ``urn:activity:problem:KIND``."""

    type: str
    title: str
    status: int
    detail: str
    step: str
    attempts: int


def make_problem(kind: ProblemKind, detail: str) -> Problem:
    """Problem details of one kind.

    Args:
        kind: What happened.
        detail: A sentence on this very case, without a path of this machine.
    """
    status, title = _TITLES[kind]
    return Problem(type=f"urn:activity:problem:{kind}", title=title, status=status, detail=detail)


class StepError(ActivityError):
    """A step of a job failed.

    Attributes:
        kind: What happened.
        detail: A sentence on this very case.
        may_retry: Whether another try could end otherwise.
    """

    def __init__(self, kind: ProblemKind, detail: str, *, may_retry: bool = False) -> None:
        self.kind: ProblemKind = kind
        self.detail = detail
        self.may_retry = may_retry
        super().__init__(f"{kind}: {detail}")

    def as_message(self) -> dict[str, Any]:
        """What the limited process tells its worker."""
        return {"kind": self.kind, "detail": self.detail, "may_retry": self.may_retry}


def step_error_of(error: BaseException) -> StepError:
    """Say of any exception of a step what it means for the job."""
    if isinstance(error, StepError):
        return error
    if isinstance(
        error, VideoError
    ):  # without its path; a size that is a lie makes demuxers run out of memory
        return StepError("clip-unreadable", f"{error.found} ({error.good_frames} good frames)")
    if is_out_of_memory(error):
        return StepError(
            "memory-limit", "A step ran out of the memory that one job may take.", may_retry=True
        )
    if isinstance(error, ConfigurationError) and "/" not in str(error):  # a rule, a zone or a threshold
        return StepError("analysis-failed", str(error))
    passing = isinstance(error, StorageError)  # a disk that is full, a storage that starts anew
    if (
        isinstance(error, ActivityError) and not passing
    ):  # models, settings: their paths are not the sender's business
        return StepError("analysis-failed", f"The server's log says more ({type(error).__name__}).")
    return StepError("internal", f"The server's log says more ({type(error).__name__}).", may_retry=True)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether this, or what it came from, is what a library says when there is no memory left."""
    while error is not None:
        text = str(error)
        if isinstance(error, MemoryError) or any(
            sign in text
            for sign in (
                "bad_alloc",
                "can't allocate memory",
                "Cannot allocate memory",
                "Failed to allocate memory",
            )
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
