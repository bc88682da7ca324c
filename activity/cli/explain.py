"""`activity explain`: pictures of where a recogniser looked and what mattered to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import frame_progress, print_json, stderr, stdout
from activity.errors import ConfigurationError


def explain(
    source: Annotated[
        Path, typer.Argument(metavar="CLIP_OR_REPORT", help="A video, or the report.json of an analysis.")
    ],
    logdir: Annotated[Path, typer.Option(help="Folder of the TensorBoard run and of pictures/*.png.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A BPTubeFormer (.safetensors); the embedded one otherwise.")
    ] = None,
    trajectories: Annotated[
        Path | None,
        typer.Option(
            help="HR-Crime layout: adds t-SNE, projector, silhouettes and confusion of its segments."
        ),
    ] = None,
    person: Annotated[int | None, typer.Option(min=1, help="Explain this person's segment.")] = None,
    at: Annotated[
        float | None, typer.Option(min=0, help="Explain the segment nearest to this second.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="The video of a report that was analysed elsewhere.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings as YAML, as for `activity analyze`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show why a segment was named as it was: attention, roll-out, occlusion, on real frames.

    Without --person and --at, the surest segment of a class other than Normal is explained. The agreement of
    attention with occlusion is measured over all segments of the clip.

    Examples:

    activity explain docs/demo/demo.mp4 --logdir runs/explain

    activity explain out/my_clip/report.json --person 3 --at 12.5 --logdir runs/explain

    tensorboard --logdir runs/explain
    """
    from activity.assembly import RECOGNIZER_CHECKPOINT  # noqa: PLC0415  (keeps --help fast)
    from activity.config import embedded_checkpoint  # noqa: PLC0415

    try:
        from activity.evaluation.explanation.explain import explain as run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed; pictures need the training extra: pip install 'activity[train]'"
        ) from error
    settings = load_analysis_settings(config)
    with frame_progress() as progress:
        tasks = {}

        def advance(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total, rate="")
            progress.update(tasks[stage], completed=done, total=total)

        result = run(
            source,
            checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT),
            logdir,
            settings,
            clip=clip,
            person=person,
            at_s=at,
            trajectories=trajectories,
            threads=settings.threads or os.cpu_count() or 1,
            on_progress=advance,
        )
    if as_json:
        print_json(result)
        return
    segment, agreed = result["segment"], result["agreement"]
    stdout.print(
        f"person {segment['track_id']}, {segment['start_s']:.1f} to {segment['end_s']:.1f} s: {segment['label']} "
        f"{segment['score']:.2f}",
        highlight=False,
    )
    if agreed["rank_correlation"] is not None:
        stdout.print(
            f"attention and occlusion rank tubelets with a correlation of {agreed['rank_correlation']:+.2f} over "
            f"{agreed['segments']} segments",
            highlight=False,
        )
    for picture in result["pictures"]:
        stdout.print(picture, highlight=False, soft_wrap=True)
    stderr.print(f"also in: tensorboard --logdir {logdir}", highlight=False)
