"""`activity evaluate detector`, `fire` and `alarms`: objects and flames, in pictures and over time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.console import count_progress, show_figures, stderr

_VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def detector(
    data: Annotated[
        Path, typer.Option(help="Folder with images/ and labels/ in YOLO's format: 0 person, 1 weapon.")
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="An ONNX detector; the embedded one otherwise.")
    ] = None,
    pyramid: Annotated[
        bool, typer.Option(help="Look at smaller and larger copies of the picture too, as an analysis does.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Average precision by class, and precision, recall and mean IoU at the operating threshold.

    Example:

    activity evaluate detector --data ../shared/data/weapons/val
    """
    from activity.assembly import DETECTOR_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.evaluation.detection import evaluate_detector  # noqa: PLC0415

    with count_progress("pictures") as advance:
        metrics = evaluate_detector(
            checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT),
            data,
            threads=os.cpu_count() or 1,
            pyramid=pyramid,
            on_image=advance,
        )
    show_figures(metrics.as_json(), as_json=as_json)


def fire(
    data: Annotated[
        Path | None, typer.Option(help="Folder with fire/ and no_fire/, pictures in each.")
    ] = None,
    held_out_of: Annotated[
        Path | None,
        typer.Option(help="A training config: measure on the scenes that its training keeps apart."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="An ONNX fire classifier; the embedded one otherwise.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least probability of fire; the checkpoint's otherwise."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Balanced accuracy, precision, recall, AUC and false-positive rate of the fire classifier.

    Examples:

    activity evaluate fire --data ../shared/data/fire/cair

    activity evaluate fire --held-out-of configs/fire.yaml
    """
    if (data is None) == (held_out_of is None):
        raise typer.BadParameter("give either --data or --held-out-of")
    from activity.assembly import FIRE_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint, read_yaml  # noqa: PLC0415
    from activity.evaluation.fire import evaluate_fire  # noqa: PLC0415

    checkpoint = checkpoint or embedded_checkpoint(FIRE_CHECKPOINT)
    threads = os.cpu_count() or 1
    if data is not None:
        with count_progress("pictures") as advance:
            figures = evaluate_fire(
                checkpoint, data, threshold=threshold, threads=threads, on_image=advance
            ).as_json()
    elif held_out_of is not None:
        from activity.training.fire.config import FireConfig  # noqa: PLC0415
        from activity.training.fire.trainer import read_all_pictures  # noqa: PLC0415
        from activity.training.fire.validation import validate_fire  # noqa: PLC0415

        with stderr.status("reading the pictures and telling their scenes apart"):
            pictures = read_all_pictures(read_yaml(held_out_of, FireConfig))
        with count_progress("pictures") as advance:
            figures = validate_fire(
                checkpoint, pictures, threshold=threshold, threads=threads, on_image=advance
            )
    show_figures(figures, as_json=as_json)


def alarms(
    clip: Annotated[Path | None, typer.Option(help="A video with known truth.")] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="COCO file whose images are the clip's frames, with the object's boxes."),
    ] = None,
    quiet: Annotated[
        Path | None,
        typer.Option(help="Folder of videos without the object, searched whole; for false alarms."),
    ] = None,
    label: Annotated[str, typer.Option("--object", help="weapon, person or fire.")] = "weapon",
    checkpoint: Annotated[
        Path | None, typer.Option(help="An ONNX detector or fire classifier; the embedded one otherwise.")
    ] = None,
    needed: Annotated[int, typer.Option(min=1, help="k: frames with a finding that raise the alarm.")] = 5,
    within: Annotated[int, typer.Option(min=1, help="n: successive frames that must hold them.")] = 5,
    least_iou: Annotated[
        float, typer.Option(min=0, max=1, help="Overlap with a true box that makes a finding right.")
    ] = 0.25,
    as_json: Json = False,
) -> None:
    """How soon an alarm follows an object's appearance (AATpI), the intervals missed, and false alarms per hour.

    Every frame is looked at. Five successive true positives raise the alarm, as in Olmos et al. 2017.

    Examples:

    activity evaluate alarms --clip docs/demo/demo.mp4 --truth docs/demo/truth.json --object fire

    activity evaluate alarms --quiet ../shared/data/clips/no_fight --needed 4 --within 8 --json
    """
    from activity.assembly import DETECTOR_CHECKPOINT, FIRE_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.detection import FireClassifier, open_detector  # noqa: PLC0415
    from activity.evaluation import alarms as measure  # noqa: PLC0415

    if (clip is None) != (truth is None) or (clip is None and quiet is None):
        raise typer.BadParameter("give --clip with its --truth, or --quiet, or both")
    rule = measure.AlarmRule(needed, within)
    threads = os.cpu_count() or 1
    if label == "fire":
        classifier = FireClassifier(checkpoint or embedded_checkpoint(FIRE_CHECKPOINT), threads=threads)
        look = measure.looks_for_fire(classifier)
    else:
        network = open_detector(checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT), threads=threads)
        look = measure.looks_for_objects(network, label=label, least_iou=least_iou)
    watched = []
    if clip is not None and truth is not None:
        boxes = measure.read_true_boxes(truth, label=label)
        with count_progress("frames") as advance:
            watched.append(measure.watch_clip(clip, look, truth=boxes, on_frame=advance))
    videos = sorted(p for p in quiet.rglob("*") if p.suffix.lower() in _VIDEO_SUFFIXES) if quiet else []
    with count_progress("quiet clips") as advance:
        for done, video in enumerate(videos, start=1):
            watched.append(measure.watch_clip(video, look, truth={}))
            advance(done, len(videos))
    show_figures(measure.measure_alarms(watched, rule).as_json(), as_json=as_json)
