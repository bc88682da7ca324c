"""`activity doctor`: what is missing on this machine, and how to mend it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from packaging.requirements import Requirement
from rich.markup import escape
from rich.table import Table

from activity.cli.console import print_json, stderr
from activity.config import CHECKPOINT_FOLDER_VARIABLE, STATE_FOLDER_VARIABLE, checkpoint_folder, state_folder

Status = Literal["ok", "warning", "failed"]
_REINSTALL: Final = "run scripts/setup --force in a clone of the repository"
_MARKS: Final = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[bold red]failed[/]"}


@dataclass(frozen=True, slots=True)
class Check:
    """What one look at this machine found.

    Attributes:
        name: What was looked at.
        status: ``failed`` where a command that people use cannot work, ``warning`` where one may not.
        found: What was found, with versions.
        mend: What to do; empty where nothing needs to be done.
    """

    name: str
    status: Status
    found: str
    mend: str = ""


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Say what is missing on this machine and how to mend it; exit code 1 if anything fails.

    Example:

    activity doctor --json
    """
    checks = run_checks()
    failed = [check for check in checks if check.status == "failed"]
    if json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("check", "", "found"):
            table.add_column(heading, overflow="fold")
        for check in checks:
            mend = f"\n[bold]mend:[/] {escape(check.mend)}" if check.mend else ""
            table.add_row(check.name, _MARKS[check.status], escape(check.found) + mend)
        stderr.print(table)
        stderr.print(f"{len(failed)} of {len(checks)} checks failed." if failed else "All is well.")
    if failed:
        raise typer.Exit(1)


def run_checks() -> list[Check]:
    """Look at everything that the commands need; no check changes anything or stops the others."""
    return [
        _check_python(),
        *_check_packages(),
        _attempt("torch", _describe_torch, _REINSTALL),
        _attempt("openpifpaf", _describe_openpifpaf, f"{_REINSTALL}; it builds the decoder anew"),
        _attempt("video", _describe_video, _REINSTALL),
        _attempt("onnxruntime", _describe_onnx_runtime, _REINSTALL),
        _attempt("opencv", _describe_opencv, _REINSTALL),
        *_check_checkpoints(checkpoint_folder()),
        _check_state_folder(state_folder()),
        *_check_storage(state_folder()),
        _check_threads(),
    ]


def _attempt(name: str, look: Callable[[], str], mend: str) -> Check:
    """Run one look; whatever it raises is what was found."""
    try:
        return Check(name, "ok", look())
    except Exception as error:
        return Check(name, "failed", f"{type(error).__name__}: {error}", mend)


def _check_python() -> Check:
    found = (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}, {sys.prefix}"
    )
    if sys.version_info < (3, 11) or sys.maxsize < 2**32:
        return Check(
            "python", "failed", found, "install a 64-bit Python 3.11 or newer, then run scripts/setup"
        )
    return Check("python", "ok", found)


def _check_packages() -> Iterator[Check]:
    """Compare what is installed with what the project declares, by extra."""
    try:
        declared = [Requirement(text) for text in importlib.metadata.requires("activity") or ()]
    except importlib.metadata.PackageNotFoundError:
        yield Check("packages", "failed", "activity itself is not installed", "run scripts/setup")
        return
    for extra, name in (("", "packages"), ("train", "packages for training")):
        held, wrong = [], []
        for requirement in declared:
            marker = requirement.marker
            if (marker is None and extra) or (marker is not None and not _belongs(requirement, extra)):
                continue
            try:
                version = importlib.metadata.version(requirement.name)
            except importlib.metadata.PackageNotFoundError:
                wrong.append(f"{requirement.name} is missing")
                continue
            if requirement.specifier.contains(version, prereleases=True):
                held.append(f"{requirement.name} {version}")
            else:
                wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
        if wrong:
            yield Check(name, "warning" if extra else "failed", "; ".join(wrong), _REINSTALL)
        else:
            yield Check(name, "ok", ", ".join(held))


def _belongs(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement with a marker is one of this machine and this extra alone."""
    marker = requirement.marker
    if marker is None or not marker.evaluate({"extra": extra}):
        return False
    return not extra or not marker.evaluate({"extra": ""})


def _describe_torch() -> str:
    torch = importlib.import_module("torch")
    if float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) != 8:
        raise ArithmeticError("a 2x2 product of ones did not sum to 8")
    cuda = f"CUDA with {torch.cuda.device_count()} devices" if torch.cuda.is_available() else "CPU"
    return f"torch {torch.__version__}, {cuda}, {torch.get_num_threads()} threads"


def _describe_openpifpaf() -> str:
    importlib.import_module(
        "activity.pose.openpifpaf_runtime"
    )  # mends what today's torch lacks, then imports it
    torch = importlib.import_module("torch")
    threshold = torch.classes.openpifpaf_decoder.CifCaf.get_keypoint_threshold()
    version = importlib.metadata.version("openpifpaf")
    torchvision = importlib.import_module("torchvision").__version__
    return f"openpifpaf {version} with torchvision {torchvision}; its C++ decoder answers (joints from {threshold:.2f})"


def _describe_video() -> str:
    av = importlib.import_module("av")
    for codec, mode in (("h264", "r"), ("libx264", "w")):
        av.codec.Codec(codec, mode)
    return f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, reads h264, writes by libx264"


def _describe_onnx_runtime() -> str:
    onnxruntime = importlib.import_module("onnxruntime")
    providers = onnxruntime.get_available_providers()
    if "CPUExecutionProvider" not in providers:
        raise RuntimeError(f"expected the CPU provider, found {providers}")
    return f"ONNX Runtime {onnxruntime.__version__}, {', '.join(providers)}"


def _describe_opencv() -> str:
    return f"OpenCV {importlib.import_module('cv2').__version__}"


def _check_checkpoints(folder: Path) -> Iterator[Check]:
    """Read every checkpoint whole, and miss those that the commands take by default."""
    where = (
        f"run from a clone of the repository, or set {CHECKPOINT_FOLDER_VARIABLE} to the folder that holds it"
    )
    try:
        assembly = importlib.import_module("activity.assembly")
        embedded = {
            assembly.DETECTOR_CHECKPOINT,
            assembly.TOPDOWN_CHECKPOINT,
            assembly.OPENPIFPAF_CHECKPOINT,
            assembly.RECOGNIZER_CHECKPOINT,
        }
    except Exception as error:
        yield Check("checkpoints", "failed", f"{type(error).__name__}: {error}", _REINSTALL)
        embedded = set()
    held = {path.name for pattern in ("*.onnx", "*.safetensors") for path in folder.glob(pattern)}
    for name in sorted(embedded | held):
        path = folder / name
        if name in held:
            check = _attempt(
                f"checkpoint {name}", partial(_describe_checkpoint, path), f"get it anew: git checkout {path}"
            )
            if check.status == "ok" and not path.with_suffix(".md").is_file():
                check = Check(check.name, "warning", check.found, f"its model card {path.stem}.md is missing")
            yield check
        else:
            yield Check(f"checkpoint {name}", "failed", f"{path} is missing", where)


def _describe_checkpoint(path: Path) -> str:
    if path.suffix == ".onnx":
        model: Any = importlib.import_module("activity.networks.onnx").OnnxModel(path, threads=1)
        what = "ONNX"
        digest = str(model.sha256)
    else:
        with importlib.import_module("safetensors").safe_open(path, framework="np") as content:
            names = list(content.keys())
            what = (
                f"{sum(content.get_tensor(name).size for name in names):,} parameters in {len(names)} arrays"
            )
        digest = importlib.import_module("activity.video").sha256_of(path)
    return f"{path.stat().st_size / 1e6:.1f} MB, {what}, sha256 {digest}"


def _check_state_folder(folder: Path) -> Check:
    name = f"{STATE_FOLDER_VARIABLE} (state)"
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        found = f"{folder} cannot be written: {existing} is no folder of yours"
        return Check(name, "failed", found, f"set {STATE_FOLDER_VARIABLE} to a folder that you may write to")
    return Check(name, "ok", f"{folder}{'' if folder.exists() else ' (will be made when it is needed)'}")


def _check_storage(folder: Path) -> Iterator[Check]:
    """Write to object storage, read and delete, as the service would; a service that keeps its files here has none."""
    file = folder / "service.yaml"
    if not file.is_file():
        return
    try:
        settings = importlib.import_module("activity.service.settings").load_service_settings(file)
        if "://" in settings.storage_url:
            importlib.import_module("activity.service.storage").open_storage(settings.storage_url)
            yield Check("service storage", "ok", f"{settings.storage_url} takes files and gives them back")
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        yield Check("service storage", "failed", found, f"mend `storage` in {file}, or what the error names")


def _check_threads() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = os.environ.get("OMP_NUM_THREADS")
    found = f"{cores} cores may be used; OMP_NUM_THREADS is {named or 'not set'}"
    if named is not None and named.isdigit() and int(named) > cores:
        return Check(
            "threads",
            "warning",
            found,
            f"set OMP_NUM_THREADS to {cores} or less: more only get in each other's way",
        )
    return Check("threads", "ok", found)
