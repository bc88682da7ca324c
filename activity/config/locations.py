"""Where checkpoints lie, and what outlives a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from activity.errors import CheckpointError

CHECKPOINT_FOLDER_VARIABLE = "ACTIVITY_CHECKPOINTS"
STATE_FOLDER_VARIABLE = "ACTIVITY_HOME"


def checkpoint_folder() -> Path:
    """The folder of the embedded checkpoints: ``$ACTIVITY_CHECKPOINTS``, or `checkpoints/` beside the package."""
    named = os.environ.get(CHECKPOINT_FOLDER_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2] / "checkpoints"


def state_folder() -> Path:
    """The folder of what outlives a command: ``$ACTIVITY_HOME``, or `activity` in the user's data directory.

    The data directory is ``$XDG_DATA_HOME`` where that is set; the folder is not made here.
    """
    named = os.environ.get(STATE_FOLDER_VARIABLE)
    if named:
        return Path(named).absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/activity"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "activity"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share").absolute() / "activity"


def embedded_checkpoint(name: str) -> Path:
    """Path of an embedded checkpoint.

    Raises:
        CheckpointError: If it is not there.
    """
    path = checkpoint_folder() / name
    if not path.is_file():
        raise CheckpointError(
            f"{path}: the embedded checkpoint is missing; run from a clone of the repository, "
            f"or set {CHECKPOINT_FOLDER_VARIABLE} to the folder that holds it"
        )
    return path
