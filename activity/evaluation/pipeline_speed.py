"""Seconds of work per second of video, by stage."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from activity.config import Settings
from activity.observation import OnProgress, no_progress
from activity.pipeline import Pipeline
from activity.report import read_head


def measure_pipeline(
    clip: Path, settings: Settings, *, on_progress: OnProgress = no_progress
) -> dict[str, Any]:
    """Analyse a clip and write its report, and say where the time went.

    Args:
        clip: The video file.
        settings: As for an analysis.
        on_progress: Told of every frame.

    Returns:
        ``stages`` (by name: ``wall_s`` and ``per_video_s``), ``wall_s`` and ``cpu_s`` of all, both over the clip's
        ``duration_s`` as ``per_video_s`` and ``cpu_per_video_s``, ``load_s`` (networks, once a process), and what was
        analysed. Processor seconds are those of all threads of this process: on a machine that others use too they
        say more than wall seconds do.

    Raises:
        VideoError: If the clip cannot be read, or has no frame.
    """
    begin = time.perf_counter()
    pipeline = Pipeline.from_settings(settings)
    load_s = time.perf_counter() - begin
    begin, cpu_begin = time.perf_counter(), time.process_time()
    with TemporaryDirectory() as folder:
        analysis = pipeline.analyze(clip, on_progress=on_progress)
        pipeline.write(analysis, Path(folder), on_progress=on_progress)
        wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu_begin
        timing = dict(read_head(Path(folder) / "report.json").timing_s)
    duration_s = max(analysis.duration_s, 1e-6)
    timing["other"] = max(0.0, wall_s - sum(timing.values()))
    return {
        "stages": {
            name: {"wall_s": round(seconds, 4), "per_video_s": round(seconds / duration_s, 4)}
            for name, seconds in timing.items()
        },
        "wall_s": round(wall_s, 4),
        "cpu_s": round(cpu_s, 4),
        "per_video_s": round(wall_s / duration_s, 4),
        "cpu_per_video_s": round(cpu_s / duration_s, 4),
        "load_s": round(load_s, 4),
        "duration_s": round(analysis.duration_s, 4),
        "frames_analysed": analysis.frames_analysed,
        "people": len(analysis.tracks),
        "width": analysis.video.width,
        "height": analysis.video.height,
        "fire_looks": len(analysis.fire or ()),
    }
