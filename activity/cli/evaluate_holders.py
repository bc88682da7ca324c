"""`activity evaluate holders`: who holds the weapon, on rendered scenes in which it is known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from activity.cli.console import count_progress, show_figures, stderr
from activity.errors import ConfigurationError


def holders(
    scenes: Annotated[int, typer.Option(min=0, max=100_000, help="How many random scenes to draw.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Draws the scenes.")] = 0,
    pictures: Annotated[
        Path | None, typer.Option(help="Also write pictures of the three figures into this folder.")
    ] = None,
    weapons: Annotated[
        Path | None,
        typer.Option(
            help="Also measure the posture on a folder with images/ and labels/ in YOLO's format: 0 person, 1 weapon."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --weapons: what judges postures; the embedded one otherwise.")
    ] = None,
    pose: Annotated[
        str | None,
        typer.Option(
            "--pose", help="With --weapons: the pose network, topdown:CHECKPOINT; the embedded one otherwise."
        ),
    ] = None,
    pointing_scenes: Annotated[
        int, typer.Option(min=0, max=100_000, help="How many scenes to measure the line of an arm on.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """How often the true holder of a weapon is named: by boxes and hands, and by IoU alone beside it.

    Rendered scenes, no network: three figures in which IoU alone fails or is right, and random crowds of two to four
    people, with true joints and with joints as a pose network finds them. The two kinds of weak evidence are measured where
    that is asked for: how often the line of an arm is right about its target (rendered scenes), and how well a posture tells
    armed people from unarmed ones (labelled pictures; poses by the top-down network in the labelled boxes).

    Examples:

    activity evaluate holders --scenes 50 --json

    activity evaluate holders --scenes 0 --pointing-scenes 400 --weapons ../shared/data/weapons/val
    """
    from activity.evaluation.holders import evaluate_holders, write_figures  # noqa: PLC0415  (keeps --help fast)

    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for path in write_figures(pictures):
            stderr.print(f"written: {path}", highlight=False)
    with count_progress("scenes") as advance:
        figures = evaluate_holders(scenes=scenes, seed=seed, on_scene=advance)
    if pointing_scenes:
        from activity.evaluation.pointing import evaluate_pointing  # noqa: PLC0415

        figures["pointing"] = evaluate_pointing(scenes=pointing_scenes, seed=seed)
    if weapons is not None:
        figures["posture"] = _posture(weapons, checkpoint, pose)
    show_figures(figures, as_json=as_json)


def _posture(weapons: Path, checkpoint: Path | None, pose: str | None) -> dict[str, Any]:
    """Figures of the posture on a folder, and as its file has them from its training."""
    from activity.assembly import load_estimator, load_posture  # noqa: PLC0415
    from activity.cli.analyze import load_analysis_settings  # noqa: PLC0415
    from activity.evaluation.armed_posture import evaluate_armed_posture, read_posed_people  # noqa: PLC0415

    settings = load_analysis_settings(None, pose=pose)
    holder = settings.holder.model_copy(update={"checkpoint": checkpoint})
    machine, _ = load_posture(settings.model_copy(update={"holder": holder}))
    estimator, _ = load_estimator(settings, threads=os.cpu_count() or 1)
    if not estimator.uses_person_boxes:
        raise ConfigurationError(
            f"--pose {pose}: postures are measured in labelled boxes of people; name topdown:CHECKPOINT"
        )
    with count_progress("pictures") as advance:
        people = read_posed_people(weapons, estimator, on_image=advance)
    keys = ("balanced_accuracy", "interval", "auc", "measured_on")
    told = {key: machine.quality[key] for key in keys if key in machine.quality}
    return {**evaluate_armed_posture(machine, people), "told_by_the_file": told}
