"""`activity analyze`: clips to reports."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID

from activity.cli.analysis_table import print_results
from activity.cli.console import frame_progress, print_json, stderr
from activity.config import PoseSettings, Settings, check_settings, load_settings
from activity.errors import ActivityError, ConfigurationError, VideoError

VIDEO_SUFFIXES = frozenset(
    {
        ".mp4",
        ".m4v",
        ".mov",
        ".avi",
        ".mkv",
        ".webm",
        ".mpg",
        ".mpeg",
        ".ts",
        ".m2ts",
        ".wmv",
        ".flv",
        ".3gp",
        ".ogv",
    }
)


@dataclass(frozen=True, slots=True)
class _Job:
    clip: Path
    directory: Path


def analyze(
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP...",
            help="Video files, folders (searched for videos, with their sub-folders) or quoted globs.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results; made if it is missing.")],
    config: Annotated[
        Path | None, typer.Option(help="Settings as YAML; what it does not name keeps its default.")
    ] = None,
    pose: Annotated[
        str | None,
        typer.Option(
            help="Pose estimator: topdown or openpifpaf, optionally with :CHECKPOINT (a file or a name)."
        ),
    ] = None,
    sample_rate: Annotated[
        float | None, typer.Option(min=0.1, max=240, help="Frames a second that are looked at.")
    ] = None,
    allow_damaged: Annotated[
        bool, typer.Option("--allow-damaged", help="Analyse the good frames of a damaged clip.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Skip clips whose report in --out has the same clip, models and settings."
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, max=256, help="Threads of an analysis: frames in work at once.")
    ] = None,
    video: Annotated[bool, typer.Option(help="Write the annotated video.")] = True,
    rules: Annotated[
        Path | None, typer.Option(help="Alert rules as YAML (docs/alerts.md), instead of the default ones.")
    ] = None,
    camera: Annotated[
        str | None, typer.Option(help="Which camera of the --config the clips come from: zones, thresholds.")
    ] = None,
    recorded_at: Annotated[
        datetime | None, typer.Option(help="When the first frame was recorded, for rules with hours.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Cover the heads of all people in every picture and video.")
    ] = False,
    skeleton_only: Annotated[
        bool,
        typer.Option("--skeleton-only", help="Write no pixel of the clip: skeletons on an empty ground."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object that lists every clip.")
    ] = False,
) -> None:
    """Analyse clips: who is there, what they do, and what should raise an alert.

    For each clip, OUT/<name of the clip>/ holds:

    report.html     one self-contained page: alerts with their reasons, timeline per person, video
    report.json     the same for machines (docs/report.md describes every key)
    annotated.mp4   the clip with skeletons, ids, labels and alerts drawn in

    Alerts of all clips are appended to OUT/alerts.jsonl as well. A clip that fails is named at the end and does
    not stop the others; the exit code is 1 then.

    Examples:

    activity analyze clip.mp4 --out results
    activity analyze recordings/ 'more/*.avi' --out results --resume
    activity analyze clip.mp4 --out results --pose openpifpaf:checkpoints/openpifpaf_rendered.safetensors
    activity analyze lobby.mp4 --out results --config site.yaml --camera lobby --redact
    """
    settings = load_analysis_settings(
        config, pose=pose, sample_rate=sample_rate, allow_damaged=allow_damaged, threads=threads, video=video
    )
    settings = with_scene(
        settings,
        rules=rules,
        camera=camera,
        recorded_at=recorded_at,
        redact=redact,
        skeleton_only=skeleton_only,
    )
    jobs = _jobs(_expand(clips), out)
    from activity.pipeline import Pipeline, make_folder  # noqa: PLC0415  (torch takes seconds: --help must not wait)

    make_folder(out)
    pipeline = Pipeline.from_settings(settings)
    results: list[dict[str, Any]] = []
    with frame_progress() as progress:
        overall = progress.add_task("clips", total=len(jobs), rate="")
        for job in jobs:
            results.append(_analyze_one(pipeline, job, out, progress, resume=resume))
            progress.advance(overall)
    if as_json:
        print_json({"clips": results})
    else:
        print_results(results, out)
    if any(result["status"] == "failed" for result in results):
        raise typer.Exit(1)


def load_analysis_settings(
    config: Path | None,
    *,
    pose: str | None = None,
    sample_rate: float | None = None,
    allow_damaged: bool = False,
    threads: int | None = None,
    video: bool = True,
    tracker: str | None = None,
    every_frame: bool = False,
) -> Settings:
    """Settings from a file, or the defaults, with what the command line says on top.

    Raises:
        ConfigurationError: If the file or an option is wrong.
    """
    settings = load_settings(config) if config else Settings()
    update: dict[str, Any] = {}
    if pose is not None:
        chosen = PoseSettings.parse(pose)
        changes = {"estimator": chosen.estimator, "checkpoint": chosen.checkpoint}
        update["pose"] = settings.pose.model_copy(update=changes)
    video_update: dict[str, Any] = {}
    if sample_rate is not None:
        video_update["sample_rate_hz"] = sample_rate
    if allow_damaged:
        video_update["allow_damaged"] = True
    if every_frame:
        video_update["sample_rate_hz"] = None
    if video_update:
        update["video"] = settings.video.model_copy(update=video_update)
    if tracker is not None:
        if tracker not in ("pose", "bytetrack"):
            raise ConfigurationError(f"tracker {tracker!r}: expected pose or bytetrack")
        update["tracking"] = settings.tracking.model_copy(update={"tracker": tracker})
    if threads is not None:
        update["threads"] = threads
    if not video:
        update["output"] = settings.output.model_copy(update={"annotated_video": False})
    return settings.model_copy(update=update)


def with_scene(
    settings: Settings,
    *,
    rules: Path | None,
    camera: str | None,
    recorded_at: datetime | None,
    redact: bool,
    skeleton_only: bool,
) -> Settings:
    """The settings with other rules, a camera, and what may be shown; `None` and `False` change nothing.

    Raises:
        ConfigurationError: If a rule is wrong or the camera is not among the settings' own.
    """
    content = settings.model_dump(mode="json")
    if rules is not None:
        content["fusion"]["rules"] = str(rules)
    if camera is not None:
        content["camera"] = camera
    if recorded_at is not None:
        content["recorded_at"] = recorded_at.isoformat()
    content["output"]["redact"] |= redact
    content["output"]["skeleton_only"] |= skeleton_only
    return check_settings(content, Settings, where="command line")


def _expand(arguments: Sequence[str]) -> list[Path]:
    """Files named or matched by `arguments`, each once, in the order given."""
    found: dict[Path, None] = {}
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            inside = [
                p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix.lower() in VIDEO_SUFFIXES
            ]
            others = sum(1 for p in path.rglob("*") if p.is_file()) - len(inside)
            if not inside:
                raise ConfigurationError(
                    f"{path}: no video in this folder ({others} other files; known endings: "
                    f"{' '.join(sorted(VIDEO_SUFFIXES))}); name a file itself if its ending is another"
                )
            if others:
                stderr.print(f"{path}: left out, being no videos: {others}", highlight=False, soft_wrap=True)
            matches = inside
        elif path.exists() or not glob.has_magic(argument):
            matches = [path]
        else:
            found_paths = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207  (pathlib wants a root and a relative pattern)
            matches = [Path(match) for match in found_paths if Path(match).is_file()]
            if not matches:
                raise ConfigurationError(f"{argument}: no file matches")
        found.update(dict.fromkeys(matches))
    return list(found)


def _jobs(clips: Sequence[Path], out: Path) -> list[_Job]:
    """Give each clip its own folder: its stem, or stem-2, stem-3, ... where stems repeat."""
    taken: set[str] = set()
    jobs = []
    for clip in clips:
        name = next(name for name in _names(clip.stem) if name not in taken)
        taken.add(name)
        jobs.append(_Job(clip, out / name))
    return jobs


def _names(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def _analyze_one(pipeline: Any, job: _Job, out: Path, progress: Progress, *, resume: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"clip": str(job.clip), "directory": str(job.directory)}
    task: TaskID = progress.add_task(escape(job.clip.name), total=None, rate="")

    def on_progress(stage: str, done: int, total: int | None) -> None:
        speed = progress.tasks[progress.task_ids.index(task)].speed
        rate = f"{speed:.1f} frames/s" if speed else ""
        progress.update(
            task, description=f"{escape(job.clip.name)}: {stage}", completed=done, total=total, rate=rate
        )

    try:
        if resume and pipeline.is_done(job.clip, job.directory):
            return result | {"status": "skipped"}
        analysis = pipeline.analyze(job.clip, on_progress=on_progress)
        pipeline.write(analysis, job.directory, alerts_file=out / "alerts.jsonl", on_progress=on_progress)
    except ActivityError as error:
        advice = ""
        if isinstance(error, VideoError) and error.good_frames:
            advice = "; --allow-damaged analyses the good frames"
        stderr.print(f"[red]failed[/] {escape(str(error))}{advice}", highlight=False, soft_wrap=True)
        return result | {"status": "failed", "error": type(error).__name__, "message": str(error) + advice}
    finally:
        progress.remove_task(task)
    return result | {
        "status": "analyzed",
        "people": len(analysis.tracks),
        "summary": {"label": analysis.summary.label, "score": analysis.summary.score},
        "alerts": len(analysis.alerts),
        "warnings": list(analysis.warnings),
    }
