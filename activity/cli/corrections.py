"""`activity corrections export`: reviewed incidents as training data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from activity.cli.console import print_json, stderr

app = typer.Typer(no_args_is_help=True, help="What people decided of incidents, as training data.")


class Layout(StrEnum):
    """Formats of training data."""

    HR_CRIME = "hr-crime"
    COCO = "coco"
    YOLO = "yolo"
    CVAT = "cvat"


@app.callback()
def _group() -> None:
    """What people decided of incidents, as training data."""


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="An empty folder; made if it is missing.")],
    layout: Annotated[
        Layout,
        typer.Option(
            "--format",
            help="hr-crime: trajectories for recognisers; coco: keypoints; yolo: boxes of people and weapons; cvat: for annotators.",
        ),
    ] = Layout.HR_CRIME,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings of the service (YAML); the default is service.yaml in the state folder.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write every reviewed incident of the service as training data.

    Confirmed incidents keep their label, corrected ones have the corrected one, dismissed ones are "Normal". Keypoints
    and boxes are what the networks saw, not what a person drew: look through them (--format cvat) before training on
    them.

    Example:

    activity corrections export --out corrections --format hr-crime
    """
    from activity.service.corrections import collect_reviewed  # noqa: PLC0415
    from activity.service.corrections.cvat import write_cvat  # noqa: PLC0415
    from activity.service.corrections.pictures import write_pictures  # noqa: PLC0415
    from activity.service.corrections.trajectories import write_trajectories  # noqa: PLC0415
    from activity.service.database import Database  # noqa: PLC0415
    from activity.service.settings import load_service_settings  # noqa: PLC0415
    from activity.service.storage import open_storage  # noqa: PLC0415

    settings = load_service_settings(config)
    database, storage = Database.open(settings.database_url), open_storage(settings.storage_url)
    skipped: dict[str, str] = {}
    try:
        incidents = collect_reviewed(database, storage, skipped=skipped)
        written: dict[str, Any]
        match layout:
            case Layout.HR_CRIME:
                written = {"people": write_trajectories(incidents, out, skipped=skipped)}
            case Layout.COCO | Layout.YOLO:
                kind: Literal["coco", "yolo"] = "coco" if layout is Layout.COCO else "yolo"
                written = dict(write_pictures(incidents, storage, out, kind, skipped=skipped))
            case Layout.CVAT:
                written = {"files": write_cvat(incidents, out)}
    finally:
        database.close()
    if json:
        print_json({"out": str(out), "format": layout.value, "written": written, "skipped": skipped})
        return
    for incident_id, reason in skipped.items():
        stderr.print(f"left out: {incident_id}: {reason}", highlight=False, soft_wrap=True)
    told = ", ".join(f"{name} {count}" for name, count in written.items())
    stderr.print(f"{out}: {told}; {len(skipped)} incidents left out", highlight=False)
