"""What is known of the networks that analyses use, read from their files without loading them."""

from __future__ import annotations

from pathlib import Path

from activity.assembly import (
    DETECTOR_CHECKPOINT,
    FIRE_CHECKPOINT,
    OPENPIFPAF_CHECKPOINT,
    POSTURE_CHECKPOINT,
    RECOGNIZER_CHECKPOINT,
    TOPDOWN_CHECKPOINT,
)
from activity.config import Settings, embedded_checkpoint
from activity.errors import CheckpointError
from activity.report import ModelInfo
from activity.video import sha256_of


def describe_models(settings: Settings) -> list[ModelInfo]:
    """Name, role, file and hash of each network that `settings` name; the note is its model card in Markdown.

    Raises:
        CheckpointError: If a checkpoint is missing.
    """
    return [_describe(role, checkpoint) for role, checkpoint in _checkpoints(settings)]


def _checkpoints(settings: Settings) -> list[tuple[str, Path | str]]:
    pose = TOPDOWN_CHECKPOINT if settings.pose.estimator == "topdown" else OPENPIFPAF_CHECKPOINT
    found: list[tuple[str, Path | str]] = [
        ("detection", settings.detector.checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT)),
        ("pose", settings.pose.checkpoint or embedded_checkpoint(pose)),
        ("recognition", settings.recognition.checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT)),
    ]
    if settings.fire.enabled:
        found.append(("fire", settings.fire.checkpoint or embedded_checkpoint(FIRE_CHECKPOINT)))
    if settings.holder.posture:
        found.append(("posture", settings.holder.checkpoint or embedded_checkpoint(POSTURE_CHECKPOINT)))
    return found


def _describe(role: str, checkpoint: Path | str) -> ModelInfo:
    path = Path(checkpoint)
    if role == "pose" and path.suffix not in (".onnx", ".safetensors"):  # an official one's name
        return ModelInfo(str(checkpoint), role, note="An official checkpoint of OpenPifPaf.")
    if not path.is_file():
        raise CheckpointError(f"{path}: the checkpoint for {role} is missing; put it there, or name another")
    card = path.with_suffix(".md")
    note = (
        card.read_text(encoding="utf-8")
        if card.is_file()
        else "There is no model card beside the checkpoint."
    )
    return ModelInfo(path.stem, role, path.name, sha256_of(path), note)
