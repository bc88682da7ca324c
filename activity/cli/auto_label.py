"""`activity data auto-label`: a detector's labels for unlabelled pictures, for review."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from activity.cli.console import count_progress, show_figures, stderr


def auto_label(
    pictures: Annotated[
        Path, typer.Argument(help="Folder of images; DIR with images/ and labels/ to compare.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for labels/, classes.txt, review.csv and review/.")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="A detector (.onnx or Darknet's .weights); the embedded one otherwise."),
    ] = None,
    sure_score: Annotated[
        float, typer.Option(min=0, max=1, help="A box of this score or above becomes a label.")
    ] = 0.5,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="The pictures have hand labels: measure the automatic ones by them."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Label pictures by a detector, in YOLO's format, and put what is doubtful in front of a person.

    Label files that exist are kept. Nothing is learnt from labels that nobody reviewed unless you train on them.

    Examples:

    activity data auto-label frames/ --out labelled/

    activity data auto-label ../shared/data/weapons/val --out /tmp/labelled --compare --json
    """
    from activity.assembly import DETECTOR_CHECKPOINT  # noqa: PLC0415
    from activity.config import embedded_checkpoint  # noqa: PLC0415
    from activity.datasets.auto_label import auto_label as label_folder  # noqa: PLC0415
    from activity.detection import open_detector  # noqa: PLC0415

    detector = open_detector(
        checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT), threads=os.cpu_count() or 1
    )
    folder = pictures / "images" if compare else pictures
    with count_progress("pictures") as advance:
        made = label_folder(detector, folder, out, sure_score=sure_score, on_picture=advance)
    figures: dict[str, Any] = {
        "pictures": len(made.found),
        "labelled": dict(made.labelled),
        "doubtful": dict(made.doubtful),
        "kept": made.kept,
    }
    if compare:
        from activity.evaluation.detection import (  # noqa: PLC0415
            DATASET_LABELS,
            measure_detections,
            read_true_objects,
        )

        truths = read_true_objects(pictures)
        metrics = measure_detections(
            list(truths.values()),
            [made.found[name] for name in truths],
            labels=DATASET_LABELS,
            score_thresholds=dict.fromkeys(DATASET_LABELS, sure_score),
        ).as_json()
        figures["agreement"] = {
            key: metrics[key] for key in ("precision", "recall", "f1", "mean_iou", "by_class")
        }
    show_figures(figures, as_json=as_json)
    stderr.print(f"review {out / 'review.csv'} beside {out / 'review'}", highlight=False)
