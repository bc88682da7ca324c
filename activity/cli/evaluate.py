"""`activity evaluate`: the field's metrics on labelled data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, show_figures, stderr
from activity.cli.evaluate_bias import bias
from activity.cli.evaluate_clips import clips
from activity.cli.evaluate_detection import alarms, detector, fire
from activity.cli.evaluate_holders import holders
from activity.cli.evaluate_pose import pose
from activity.cli.evaluate_trackers import trackers

app = typer.Typer(help="Measure a network or the whole pipeline on labelled data.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
]
PoseChoice = Annotated[
    str | None, typer.Option("--pose", help="topdown or openpifpaf, optionally with :CHECKPOINT.")
]

app.command()(pose)
app.command()(clips)
app.command()(trackers)
app.command()(holders)
app.command()(bias)
app.command()(detector)
app.command()(fire)
app.command()(alarms)


@app.command()
def recognizer(
    trajectories: Annotated[Path, typer.Option(help="HR-Crime's layout: <class>/<video>/<person>.csv.")],
    checkpoint: Annotated[
        Path | None, typer.Option(help="A .safetensors recogniser; the embedded one otherwise.")
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns clip and source, to resample intervals by source."),
    ] = None,
    cross_validate: Annotated[
        Path | None,
        typer.Option(
            help="A training config: train and measure on folds by source instead of using a checkpoint."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Balanced accuracy of segments, tracks and clips, with bootstrap intervals.

    Examples:

    activity evaluate recognizer --trajectories ../shared/data/trajectories

    activity evaluate recognizer --trajectories DIR --cross-validate configs/recognizer_fighting.yaml
    """
    from activity.assembly import RECOGNIZER_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint, read_yaml  # noqa: PLC0415
    from activity.evaluation.recognition import evaluate_recognizer  # noqa: PLC0415

    if cross_validate is not None:
        from activity.training.recognizer.config import RecognizerConfig  # noqa: PLC0415
        from activity.training.recognizer.trainer import cross_validate as run_folds  # noqa: PLC0415
        from activity.training.recognizer.trainer import load_training_data  # noqa: PLC0415

        training = read_yaml(cross_validate, RecognizerConfig)
        section = training.data.model_copy(
            update={"trajectories": trajectories, "sources": sources or training.data.sources}
        )
        training = training.model_copy(update={"data": section})
        with stderr.status("training and measuring fold by fold"):
            figures = run_folds(training, load_training_data(training))
    else:
        figures = evaluate_recognizer(
            trajectories,
            checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT),
            sources=sources,
            threads=os.cpu_count(),
        )
    show_figures(figures, as_json=as_json)


@app.command()
def tracking(
    video: Annotated[Path, typer.Option(help="The video.")],
    ground_truth: Annotated[Path, typer.Option(help="True boxes in MOTChallenge's columns.")],
    config: ConfigFile = None,
    pose: PoseChoice = None,
    tracker: Annotated[str | None, typer.Option(help="pose or bytetrack.")] = None,
    as_json: Json = False,
) -> None:
    """HOTA, IDF1, MOTA and id switches of detector, pose estimator and tracker on one video.

    Every frame is looked at; only the frames that the ground truth covers count.

    Example:

    activity evaluate tracking --video PETS09-S2L1.avi --ground-truth gt.txt
    """
    from activity.evaluation.tracking import evaluate_tracking, load_mot_ground_truth  # noqa: PLC0415
    from activity.pipeline import Pipeline  # noqa: PLC0415

    settings = load_analysis_settings(config, pose=pose, tracker=tracker, every_frame=True)
    truth = load_mot_ground_truth(ground_truth)
    with count_progress("frames") as advance:
        seen = Pipeline.from_settings(settings).observe(
            video, most_frames=max(truth) + 1, on_progress=lambda _stage, done, total: advance(done, total)
        )
    show_figures(evaluate_tracking(seen.tracks, truth), as_json=as_json)
