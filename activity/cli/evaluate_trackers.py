"""`activity evaluate trackers`: every tracker on the same detections."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, show_figures
from activity.errors import ConfigurationError


def trackers(
    video: Annotated[Path | None, typer.Option(help="A video whose people are known.")] = None,
    ground_truth: Annotated[
        Path | None, typer.Option(help="Its true boxes in MOTChallenge's columns.")
    ] = None,
    rendered: Annotated[
        int, typer.Option(min=0, max=1000, help="Rendered walks of each kind: crossing, occlusion, crowd.")
    ] = 0,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first rendered walk of each kind.")] = 0,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
    ] = None,
    pose: Annotated[
        str | None, typer.Option("--pose", help="Pose estimator, as for `activity analyze`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """HOTA, IDF1, MOTA and id switches of every tracker, on the same people found in the same frames.

    Rendered walks have exact truth: two people cross, one is hidden behind a screen for about a second, five walk
    across each other's ways.

    Examples:

    activity evaluate trackers --rendered 4

    activity evaluate trackers --video PETS09-S2L1.avi --ground-truth gt.txt --json
    """
    from activity.datasets.rendered.walkers import WALK_KINDS  # noqa: PLC0415
    from activity.evaluation import tracker_comparison as comparison  # noqa: PLC0415  (keeps --help fast)
    from activity.evaluation.tracking import load_mot_ground_truth  # noqa: PLC0415

    if (video is None) != (ground_truth is None) or (video is None and not rendered):
        raise ConfigurationError("expected --video with --ground-truth, or --rendered N, or both")
    settings = load_analysis_settings(config, pose=pose)
    find_poses = comparison.pose_finder(settings, threads=settings.threads or os.cpu_count() or 1)
    figures: dict[str, Any] = {}
    if video is not None and ground_truth is not None:
        truth = load_mot_ground_truth(ground_truth)
        with count_progress("frames") as advance:
            figures["video"] = comparison.compare_on_video(
                video, truth, find_poses, settings, progress=lambda done: advance(done, max(truth) + 1)
            )
    if rendered:
        walks = comparison.render_walks(range(first_seed, first_seed + rendered))
        total = rendered * len(WALK_KINDS)
        with count_progress("walks") as advance:
            figures["rendered"] = comparison.compare_on_walks(
                walks, find_poses, settings, progress=lambda done: advance(done, total)
            )
    show_figures(figures, as_json=as_json)
