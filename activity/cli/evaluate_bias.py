"""`activity evaluate bias`: error rates by group, with intervals, and no verdict on small samples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from activity.cli.analyze import load_analysis_settings
from activity.cli.console import count_progress, show_figures
from activity.errors import ConfigurationError


def bias(
    coco: Annotated[Path | None, typer.Option(help="COCO keypoint annotations of pictures.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder that their file names are relative to.")] = None,
    groups: Annotated[
        Path | None, typer.Option(help="CSV with the columns annotation (a person's id) and group.")
    ] = None,
    reports: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns report, group and alert (the label that is true, or empty)."),
    ] = None,
    least_cases: Annotated[int, typer.Option(min=2, help="Groups with fewer cases get no verdict.")] = 50,
    config: Annotated[Path | None, typer.Option(help="Settings as YAML, as for `activity analyze`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Compare error rates between groups of people that you name: skin tone, light, size, clothing, ...

    Of pictures (--coco, --images, --groups): missed people, wrong poses, and weapons given to the wrong person where
    holders are annotated. Of analysed clips (--reports): false and missed alerts. Rates stand with 95 % intervals; a
    group with few cases gets no verdict, and "no difference seen" is no proof that there is none.

    Examples:

    activity evaluate bias --coco docs/demo/truth.json --images docs/demo --groups groups.csv --json

    activity evaluate bias --reports results/truth.csv
    """
    from activity.evaluation.bias import Case, compare_groups  # noqa: PLC0415  (keeps --help fast)
    from activity.evaluation.bias_cases import cases_of_pictures, cases_of_reports  # noqa: PLC0415

    pictured = (coco, images, groups)
    if any(part is not None for part in pictured) and any(part is None for part in pictured):
        raise ConfigurationError("--coco, --images and --groups go together")
    if coco is None and reports is None:
        raise ConfigurationError("name annotated pictures (--coco, --images, --groups), --reports, or both")
    cases: list[Case] = []
    if coco is not None and images is not None and groups is not None:
        from activity.evaluation.pose_pair import PosePair  # noqa: PLC0415

        settings = load_analysis_settings(config)
        pair = PosePair(settings, threads=settings.threads or os.cpu_count() or 1)
        with count_progress("pictures") as advance:
            cases += cases_of_pictures(
                coco, images, groups, pair, score_threshold=settings.pose.person_score, progress=advance
            )
    if reports is not None:
        cases += cases_of_reports(reports)
    show_figures(compare_groups(cases, least_cases=least_cases), as_json=as_json)
