"""What one job may take of the machine, and how a process binds itself to that."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024
ADDRESS_SPACE_MIB: Final = 4096
"""Beyond the memory itself: code, and addresses that libraries reserve and never use."""

LARGEST_FILE_BYTES: Final = 16 * 1024 * MIB
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Bounds of one job.

    Attributes:
        time_s: Wall-clock seconds that one try of a step may take.
        memory_mib: Memory of the process that runs the steps, in MiB.
        max_frame_pixels: Largest picture, width times height.
        max_frames: Most frames of a clip.
        max_duration_s: Longest clip, in seconds.
    """

    time_s: float
    memory_mib: int
    max_frame_pixels: int
    max_frames: int
    max_duration_s: float


def limit_memory(memory_mib: int) -> None:
    """Bind this process to so much memory, no core file, and files of 16 GiB; it cannot be undone."""
    memory = memory_mib * MIB
    _lower(resource.RLIMIT_DATA, memory)
    _lower(resource.RLIMIT_AS, memory + ADDRESS_SPACE_MIB * MIB)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, LARGEST_FILE_BYTES)


def limit_cpu(time_s: float) -> None:
    """Let this process use its cores for `time_s` more seconds, should nobody be left to stop it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cores = os.cpu_count() or 1
    seconds = math.ceil(usage.ru_utime + usage.ru_stime + cores * time_s) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(
        resource.RLIMIT_CPU, (seconds if hard == resource.RLIM_INFINITY else min(seconds, hard), hard)
    )


def die_with_parent() -> None:
    """End this process when the one that started it is killed (Linux; elsewhere the closed pipe tells it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def peak_memory_mib() -> float:
    """The most memory that this process held at a time, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
