"""`activity evaluate`: the field's metrics on labelled data."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import frame_progress, print_json, stderr, stdout

app = typer.Typer(help="Measure a network or the whole pipeline on labelled data.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
]
PoseChoice = Annotated[
    str | None, typer.Option("--pose", help="topdown or openpifpaf, optionally with :CHECKPOINT.")
]


@app.command()
def pose(
    coco: Annotated[
        Path, typer.Option(help="COCO keypoint annotations; an image may be a `frame` of a video.")
    ],
    images: Annotated[
        Path, typer.Option(help="Folder that the file names in the annotations are relative to.")
    ],
    config: ConfigFile = None,
    pose: PoseChoice = None,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=1, help="People whose `agreement` is lower count neither way.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """COCO keypoint AP, and recall and precision at OKS 0.5, of detector and pose estimator together.

    Average precision looks at every pose down to a low score; recall, precision and mean OKS at the poses that
    `activity analyze` would keep. People marked iscrowd count neither way.

    Example:

    activity evaluate pose --coco docs/demo/truth.json --images docs/demo --json
    """
    from activity.evaluation.pose import evaluate_pose  # noqa: PLC0415  (keeps --help fast)
    from activity.evaluation.pose_pair import PosePair  # noqa: PLC0415

    settings = load_analysis_settings(config, pose=pose)
    with _progress("pictures") as advance:
        metrics = evaluate_pose(
            coco,
            images,
            PosePair(settings, threads=settings.threads or os.cpu_count() or 1),
            min_agreement=min_agreement,
            score_threshold=settings.pose.person_score,
            progress=advance,
        )
    _show(dataclasses.asdict(metrics), as_json)


@app.command()
def detector(
    data: Annotated[
        Path, typer.Option(help="Folder with images/ and labels/ in YOLO's format: 0 person, 1 weapon.")
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="An ONNX detector; the embedded one otherwise.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Average precision by class, and precision, recall and mean IoU at the operating threshold.

    Example:

    activity evaluate detector --data ../shared/data/weapons/val
    """
    from activity.assembly import DETECTOR_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.evaluation.detection import evaluate_detector  # noqa: PLC0415

    with _progress("pictures") as advance:
        metrics = evaluate_detector(
            checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT),
            data,
            threads=os.cpu_count() or 1,
            on_image=advance,
        )
    _show(metrics.as_json(), as_json)


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
    _show(figures, as_json)


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
    with _progress("frames") as advance:
        seen = Pipeline.from_settings(settings).observe(
            video, most_frames=max(truth) + 1, on_progress=lambda _stage, done, total: advance(done, total)
        )
    _show(evaluate_tracking(seen.tracks, truth), as_json)


@contextmanager
def _progress(unit: str) -> Iterator[Any]:
    with frame_progress() as progress:
        task = progress.add_task(unit, total=None, rate="")
        yield lambda done, total: _advance(progress, task, done, total)


def _advance(progress: Progress, task: Any, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


def _show(figures: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(figures)
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _flat(figures):
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    stdout.print(table)


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
