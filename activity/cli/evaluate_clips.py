"""`activity evaluate clips`: the whole pipeline on clips of known class."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.analyze import VIDEO_SUFFIXES, load_analysis_settings
from activity.cli.console import count_progress, show_figures, stderr
from activity.config import OutputSettings, state_folder
from activity.errors import ConfigurationError


def clips(
    directory: Annotated[Path, typer.Argument(help="One folder of clips for each class.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the reports, which are reused; otherwise one under $ACTIVITY_HOME."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="FOLDER=CLASS, where a folder's name does not say its class; may be repeated."),
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns clip and source: intervals are resampled by source."),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Only clips whose source no training saw; needs --sources.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as YAML, as for `activity analyze`.")
    ] = None,
    pose: Annotated[
        str | None, typer.Option("--pose", help="Pose estimator, as for `activity analyze`.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads of an analysis: frames in work at once.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Accuracy of the whole pipeline on clips of known class, and the share of each class that raises an alarm.

    Every clip is analysed as `activity analyze` would, from pixels to alerts. An interrupted run goes on where it
    was: reports of the same clip, networks and settings are reused. A clip in which nobody can be judged raises no
    alarm and counts as Normal.

    Examples:

    activity evaluate clips ../shared/data/clips --sources ../shared/data/clips/sources.csv --held-out --json

    activity evaluate clips recordings --label brawls=Fighting --label quiet=Normal
    """
    from activity.assembly import load_networks  # noqa: PLC0415  (torch takes seconds: --help must not wait)
    from activity.evaluation.clips import analyze_clips, find_clips, measure_clips  # noqa: PLC0415
    from activity.pipeline import Pipeline  # noqa: PLC0415

    settings = load_analysis_settings(config, pose=pose, threads=threads)
    settings = settings.model_copy(update={"output": OutputSettings(annotated_video=False, html=False)})
    networks = load_networks(settings)
    classes = networks.recognizer.classes
    chosen = find_clips(
        directory,
        classes,
        suffixes=VIDEO_SUFFIXES,
        named=dict(_named(text) for text in label or ()),
        sources=sources,
        held_out=held_out,
    )
    if out is None:
        place = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
        out = state_folder() / "evaluations" / f"{directory.resolve().name}-{place}"
    stderr.print(f"reports in {out}", highlight=False, soft_wrap=True)
    with count_progress("clips") as advance:
        answers = analyze_clips(Pipeline(settings, networks), chosen, out, progress=advance)
    figures = measure_clips(answers, classes)
    show_figures(figures, as_json=as_json)
    for reason in figures["failed"].values():
        stderr.print(f"[red]failed[/] {reason}", highlight=False, soft_wrap=True)
    if figures["failed"]:
        raise typer.Exit(1)


def _named(text: str) -> tuple[str, str]:
    folder, equals, name = text.partition("=")
    if not (folder and equals and name):
        raise ConfigurationError(f"--label {text}: expected FOLDER=CLASS, such as brawls=Fighting")
    return folder, name
