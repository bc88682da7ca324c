"""Settings of an analysis, read from YAML and checked at the edge.

Every field has a bound, a unit and a default that suits a CCTV clip; `Settings()` is what
`activity analyze` runs with. A file that names an unknown field is refused, so that a typing error never
leaves a setting silently at its default.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from activity.errors import CheckpointError, ConfigurationError
from activity.structures import Agency, Severity

CHECKPOINT_FOLDER_VARIABLE = "ACTIVITY_CHECKPOINTS"
STATE_FOLDER_VARIABLE = "ACTIVITY_HOME"
Share = Annotated[float, Field(ge=0, le=1)]
Model = TypeVar("Model", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VideoSettings(_Section):
    """How the clip is decoded."""

    sample_rate_hz: float | None = Field(
        15.0, gt=0, le=240, description="Frames a second that are looked at; null looks at every frame."
    )
    max_side_px: int = Field(
        1920, ge=64, le=16384, description="Larger frames are scaled down to this longer side, in pixels."
    )
    allow_damaged: bool = Field(
        False, description="Analyse the good frames of a damaged clip instead of refusing the clip."
    )


class DetectorSettings(_Section):
    """The network that finds people and weapons in one pass."""

    checkpoint: Path | None = Field(None, description="An ONNX detector; null takes the embedded one.")
    long_side_px: int | None = Field(
        None,
        ge=64,
        le=4096,
        multiple_of=32,
        description="Input pixels along the longer side of a 16:9 picture; null takes the checkpoint's.",
    )
    person_score: Share = Field(
        0.1,
        description="Least score of a person who gets a pose; the pose's own score then decides who counts.",
    )
    weapon_score: Share | None = Field(
        None, description="Least score of a weapon; null takes the checkpoint's."
    )


class PoseSettings(_Section):
    """Which network turns people into 17 keypoints."""

    estimator: Literal["topdown", "openpifpaf"] = Field(
        "topdown",
        description="topdown: heat maps on each detected person; openpifpaf: one shot, no boxes needed.",
    )
    checkpoint: str | None = Field(
        None,
        description="A file, or for openpifpaf the name of an official checkpoint; null takes the embedded one.",
    )
    person_score: Share = Field(
        0.15,
        description="Poses of at least this score start a person; half of it is enough to go on with one.",
    )
    keypoint_score: Share = Field(0.1, description="Keypoints under this confidence count as not found.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``topdown``, ``openpifpaf`` or either followed by ``:CHECKPOINT``.

        Raises:
            ConfigurationError: If the estimator is unknown.
        """
        estimator, _, checkpoint = text.partition(":")
        if estimator not in ("topdown", "openpifpaf"):
            raise ConfigurationError(
                f"pose {text!r}: expected topdown or openpifpaf, optionally with :CHECKPOINT, such as "
                "openpifpaf:checkpoints/openpifpaf_rendered.safetensors"
            )
        return cls.model_validate({"estimator": estimator, "checkpoint": checkpoint or None})


class TrackingSettings(_Section):
    """How poses become people through time."""

    tracker: Literal["pose", "bytetrack"] = Field(
        "pose",
        description="pose: boxes and keypoints both count; bytetrack: boxes alone, by the trackers library.",
    )
    max_gap_s: float = Field(
        1.2, gt=0, le=60, description="How long a person may be unseen and keep the id, in seconds."
    )


class RecognitionSettings(_Section):
    """The network that names activities."""

    checkpoint: Path | None = Field(
        None, description="A recogniser (.safetensors); null takes the embedded one."
    )
    stride: int | None = Field(
        None,
        ge=1,
        le=600,
        description="Frames between the starts of two segments; null takes the checkpoint's.",
    )
    attention: bool = Field(True, description="Keep the attention maps for the report.")


class RuleSettings(_Section):
    """When an activity becomes an alert."""

    label: str = Field(min_length=1, description="Activity class, spelled as the recogniser spells it.")
    agency: Agency = Field(description="Whom the alert is for.")
    severity: Severity = Field(description="How grave, on CAP 1.2's scale.")
    min_score: float = Field(0.6, gt=0, le=1, description="Probability from which a segment counts.")
    min_people: int = Field(1, ge=1, le=100, description="How many different people an incident needs.")
    merge_gap_s: float = Field(
        2.0, ge=0, le=3600, description="Segments this close are one incident, in seconds."
    )


def _default_rules() -> tuple[RuleSettings, ...]:
    return (RuleSettings(label="Fighting", agency="police", severity="severe", min_score=0.85),)


class FusionSettings(_Section):
    """The rules that make alerts."""

    rules: tuple[RuleSettings, ...] = Field(
        default_factory=_default_rules, description="One rule for each activity class that raises alerts."
    )

    @model_validator(mode="after")
    def _one_rule_a_label(self) -> Self:
        labels = [rule.label for rule in self.rules]
        if len(set(labels)) != len(labels):
            raise ValueError(f"expected one rule a label, got {labels}")
        return self


class OutputSettings(_Section):
    """What is written beside the JSON report."""

    annotated_video: bool = Field(True, description="Write annotated.mp4.")
    html: bool = Field(True, description="Write report.html.")


class Settings(_Section):
    """Everything that `activity analyze` can be told."""

    video: VideoSettings = Field(default_factory=VideoSettings)
    detector: DetectorSettings = Field(default_factory=DetectorSettings)
    pose: PoseSettings = Field(default_factory=PoseSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    recognition: RecognitionSettings = Field(default_factory=RecognitionSettings)
    fusion: FusionSettings = Field(default_factory=FusionSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Threads a network may use; null takes one for each core of the machine.",
    )


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file; what the file does not name keeps its default.

    Raises:
        ConfigurationError: If the file cannot be read, is no YAML mapping, or a value is unknown or out of bounds.
    """
    return read_yaml(path, Settings)


def read_yaml(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a pydantic model.

    Raises:
        ConfigurationError: As `load_settings`; every wrong field is named with what came.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']} (got {item['input']!r})"
            for item in error.errors(include_url=False)
        )
        raise ConfigurationError(f"{path}: {wrong}") from error


def checkpoint_folder() -> Path:
    """The folder of the embedded checkpoints: ``$ACTIVITY_CHECKPOINTS``, or `checkpoints/` beside the package."""
    named = os.environ.get(CHECKPOINT_FOLDER_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parent.parent / "checkpoints"


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
