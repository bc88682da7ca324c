"""`activity evaluate detector` and `fire`: objects and flames in single pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.console import count_progress, show_figures

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


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

    with count_progress("pictures") as advance:
        metrics = evaluate_detector(
            checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT),
            data,
            threads=os.cpu_count() or 1,
            on_image=advance,
        )
    show_figures(metrics.as_json(), as_json=as_json)


def fire(
    data: Annotated[Path, typer.Option(help="Folder with fire/ and no_fire/, pictures in each.")],
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

    Example:

    activity evaluate fire --data ../shared/data/fire/cair
    """
    from activity.assembly import FIRE_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.evaluation.fire import evaluate_fire  # noqa: PLC0415

    with count_progress("pictures") as advance:
        metrics = evaluate_fire(
            checkpoint or embedded_checkpoint(FIRE_CHECKPOINT),
            data,
            threshold=threshold,
            threads=os.cpu_count() or 1,
            on_image=advance,
        )
    show_figures(metrics.as_json(), as_json=as_json)
