"""`activity submit`: have a service analyse clips."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from activity.cli.console import print_json, stderr, stdout
from activity.errors import ConfigurationError, ServiceError

if TYPE_CHECKING:
    from activity.client import Client, Job, Submission

_FULL_QUEUE_PATIENCE = 20


def submit(
    clips: Annotated[list[Path], typer.Argument(help="The clips.", show_default=False)],
    url: Annotated[
        str, typer.Option(envvar="ACTIVITY_URL", help="Where the service is.")
    ] = "http://127.0.0.1:8000",
    key: Annotated[
        str,
        typer.Option(envvar="ACTIVITY_KEY", help="An API key of an analyst or admin.", show_default=False),
    ] = "",
    camera: Annotated[str | None, typer.Option(help="Name of the camera that the clips come from.")] = None,
    recorded_at: Annotated[
        datetime | None, typer.Option(help="When the first frame was recorded, in this machine's time.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Save the reports here, in a folder for each clip.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the analyses.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Upload clips to a running service, follow their analyses and print what was found.

    A clip that was sent before is not analysed again within the service's idempotency time: its job is shown.

    Example:

    ACTIVITY_KEY=act_... activity submit entrance.mp4 --out reports/
    """
    from activity.client import Client  # noqa: PLC0415  (keeps --help fast)

    if not key:
        raise ConfigurationError("expected an API key in --key or $ACTIVITY_KEY; an admin makes one")
    results: list[dict[str, Any]] = []
    with Client(url, key) as client, _progress() as progress:
        camera_id = None if camera is None else _camera_id(client, camera)
        moment = None if recorded_at is None else recorded_at.astimezone()
        for clip in clips:
            task = progress.add_task(f"{clip.name}: upload", total=1.0)
            submission = _send(client, clip, camera_id, moment, progress, task)
            job = submission.job
            if wait:
                job = client.wait(
                    job.id,
                    on_job=lambda seen, task=task, name=clip.name: progress.update(  # type: ignore[misc]
                        task, description=f"{name}: {seen.step or seen.state}", completed=seen.progress
                    ),
                )
            progress.remove_task(task)
            results.append(_result(client, clip, job, out))
    if as_json:
        print_json({"jobs": results})
    else:
        for result in results:
            _print(result)
    if wait and any(result["state"] != "succeeded" for result in results):
        raise typer.Exit(1)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=stderr,
        transient=True,
    )


def _camera_id(client: Client, name: str) -> str:
    cameras = client.cameras()
    for camera in cameras:
        if camera.name == name:
            return camera.id
    known = ", ".join(camera.name for camera in cameras) or "none"
    raise ConfigurationError(f"--camera {name!r}: the service has no such camera; it has {known}")


def _send(
    client: Client,
    clip: Path,
    camera_id: str | None,
    recorded_at: datetime | None,
    progress: Progress,
    task: Any,
) -> Submission:
    """Upload a clip; a full queue is waited for as the service asks."""
    digest = hashlib.sha256(f"{camera_id}\n{recorded_at}\n".encode())
    try:
        with clip.open("rb") as stream:
            while piece := stream.read(1024 * 1024):
                digest.update(piece)
    except OSError as error:
        raise ConfigurationError(f"{clip}: cannot be read: {error.strerror}") from error
    for turn in range(_FULL_QUEUE_PATIENCE):
        try:
            return client.submit(
                clip,
                camera_id=camera_id,
                recorded_at=recorded_at,
                idempotency_key=f"submit-{digest.hexdigest()}",
                on_bytes=lambda sent, size: progress.update(task, completed=sent, total=size),
            )
        except ServiceError as error:
            if error.status != 429 or turn == _FULL_QUEUE_PATIENCE - 1:
                raise
            progress.update(task, description=f"{clip.name}: the queue is full")
            time.sleep(error.retry_after_s or 5)
    raise AssertionError("the last turn returns or raises")


def _result(client: Client, clip: Path, job: Job, out: Path | None) -> dict[str, Any]:
    incidents = [
        {
            "id": incident.id,
            "label": incident.label,
            "severity": incident.severity,
            "start_s": incident.start_s,
            "end_s": incident.end_s,
            "score": incident.score,
        }
        for incident in client.incidents(clip_id=job.clip_id)
        if incident.job_id == job.id
    ]
    files = client.files(job.id) if job.is_final else []
    if out is not None:
        for file in files:
            client.download(file.href, out / clip.stem / file.name)
    return {
        "clip": str(clip),
        "clip_id": job.clip_id,
        "job_id": job.id,
        "state": job.state,
        "problem": job.problem,
        "incidents": incidents,
        "files": [file.href for file in files],
    }


def _print(result: dict[str, Any]) -> None:
    stdout.print(f"[bold]{result['clip']}[/]: {result['state']}, job {result['job_id']}", highlight=False)
    if result["problem"]:
        stdout.print(
            f"  {result['problem'].get('title')}: {result['problem'].get('detail')}", highlight=False
        )
    for incident in result["incidents"]:
        stdout.print(
            f"  {incident['severity']}: {incident['label']} from {incident['start_s']:.1f} s to "
            f"{incident['end_s']:.1f} s (score {incident['score']:.2f})",
            highlight=False,
        )
    if result["state"] == "succeeded" and not result["incidents"]:
        stdout.print("  no incident", highlight=False)
