"""Does memory grow with the length of a clip? Peak memory of a short and a long analysis, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from activity.errors import ActivityError
from activity.video import VideoReader, VideoWriter


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak resident memory of one analysis.

    Attributes:
        duration_s: Length of the clip in seconds.
        frames: Frames in the clip.
        peak_mib: Largest resident set of the process, in MiB, as the operating system accounts it.
        wall_s: Seconds from start to end of the process.
    """

    duration_s: float
    frames: int
    peak_mib: float
    wall_s: float


def repeat_clip(clip: Path, target: Path, *, duration_s: float) -> tuple[int, float]:
    """Write `clip` again and again until the result lasts `duration_s`.

    Returns:
        Frames written, and the length of the result in seconds.

    Raises:
        VideoError: If the clip cannot be read.
        OutputError: If the result cannot be written.
    """
    with VideoReader(clip) as reader:
        info = reader.info
    step_s = 1 / info.frame_rate_hz
    written, offset_s, time_s = 0, 0.0, 0.0
    with VideoWriter(
        target, width=info.width, height=info.height, frame_rate_hz=info.frame_rate_hz
    ) as writer:
        while True:
            with VideoReader(clip) as reader:
                for frame in reader:
                    time_s = offset_s + frame.time_s
                    if time_s + step_s / 2 >= duration_s:
                        return written, offset_s + frame.time_s
                    writer.write(frame.image, time_s)
                    written += 1
            offset_s = time_s + step_s


def peak_memory(
    clip: Path, *, short_s: float, long_s: float, options: tuple[str, ...] = ()
) -> list[PeakMemory]:
    """Analyse a short and a long repetition of `clip` with `activity analyze`, each in a new process.

    Args:
        clip: The video to repeat.
        short_s: Length of the short repetition, in seconds.
        long_s: Length of the long one.
        options: More options of `activity analyze`.

    Returns:
        The short analysis, then the long one.

    Raises:
        ActivityError: If an analysis fails; the message holds the end of its output.
        VideoError: If the clip cannot be read.
    """
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, length_s in (("short", short_s), ("long", long_s)):
            video = Path(folder) / f"{name}.mp4"
            frames, duration_s = repeat_clip(clip, video, duration_s=length_s)
            out = Path(folder) / f"{name}_out"
            peak_mib, wall_s = _run(
                [sys.executable, "-m", "activity", "analyze", str(video), "-o", str(out), *options]
            )
            results.append(PeakMemory(duration_s, frames, peak_mib, wall_s))
    return results


def _run(command: list[str]) -> tuple[float, float]:
    """Peak MiB and wall seconds of a command, by the kernel's own accounting of that one process."""
    with tempfile.TemporaryFile() as log:
        begin = os.times().elapsed
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603  (our own command line)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = os.times().elapsed - begin
        if process.returncode != 0:
            log.seek(0)
            tail = log.read()[-2000:].decode(errors="replace")
            raise ActivityError(f"{' '.join(command)}: exit code {process.returncode}\n{tail}")
    return usage.ru_maxrss / 1024, wall_s
