"""The parts of the settings, one for each stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from activity.config.reading import Model, read_yaml
from activity.errors import ConfigurationError
from activity.fusion.episodes import Persistence
from activity.fusion.rule_book import Rule, RuleBook, check_rules, default_rules

Share = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[str, Field(min_length=1, max_length=100)]


class Section(BaseModel):
    """A part of the settings: unknown fields are refused, and nothing changes after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_window(section: Model, needed: int, of: int) -> Model:
    if needed > of:
        raise ValueError(f"expected at most as many frames needed as there are, got {needed} of {of}")
    return section


class VideoSettings(Section):
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


class DetectorSettings(Section):
    """The network that finds people and weapons in one pass."""

    checkpoint: Path | None = Field(
        None,
        description="An .onnx or Darknet's .weights file (docs/detection.md); null takes the embedded one.",
    )
    labels: tuple[Label, ...] = Field(
        (),
        max_length=1000,
        description="Names of its classes, in the order of its outputs; none takes the file's. person and weapon count.",
    )
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
    person_pyramid: bool = Field(
        True, description="Looks for people in a smaller and a larger copy of each frame too."
    )
    weapon_score: Share | None = Field(
        None, description="Least score of a weapon; null takes the checkpoint's."
    )
    weapon_rate_hz: float = Field(
        3.0,
        gt=0,
        le=240,
        description="Looks for weapons a second, each at the frame in three sizes and closely at hands.",
    )
    weapon_pyramid: bool = Field(
        True,
        description="Each look for weapons also looks at smaller copies of the frame, for large weapons.",
    )
    weapon_closeups: int = Field(
        6, ge=0, le=100, description="Hands that are magnified in one look; 0 looks at whole frames only."
    )
    weapon_closeup_score: Share | None = Field(
        0.2, description="Least score of a weapon in a magnified hand; null takes the checkpoint's."
    )
    weapon_needed: int = Field(
        3, ge=1, le=1000, description="A weapon counts when it is seen in so many looks ..."
    )
    weapon_of: int = Field(5, ge=1, le=1000, description="... of so many in a row.")

    @model_validator(mode="after")
    def _window_is_long_enough(self) -> Self:
        return _check_window(self, self.weapon_needed, self.weapon_of)

    def stays(self, frame_step_s: float) -> Persistence:
        """When a weapon counts, in a clip whose analysed frames are `frame_step_s` apart."""
        step_s = max(frame_step_s, 1 / self.weapon_rate_hz)
        # A look takes the first frame after its time, so that looks may come half a frame late.
        return Persistence(
            self.weapon_needed,
            window_s=(self.weapon_of - 0.5) * step_s + frame_step_s,
            max_gap_s=max(1.0, self.weapon_of * step_s),
        )


class PoseSettings(Section):
    """Which network turns people into 17 keypoints."""

    estimator: Literal["topdown", "openpifpaf", "yolo_pose"] = Field(
        "topdown",
        description="topdown: joints of each detected person; openpifpaf, yolo_pose: one shot, no boxes needed.",
    )
    checkpoint: str | None = Field(
        None,
        description="A file (docs/poses.md), or an official checkpoint of openpifpaf; null takes the embedded one.",
    )
    person_score: Share = Field(
        0.15,
        description="Poses of at least this score start a person; half of it is enough to go on with one.",
    )
    keypoint_score: Share = Field(0.1, description="Keypoints under this confidence count as not found.")
    flip_test: bool = Field(
        True,
        description="topdown: looks at each person's mirror image too and averages, at twice the pose network's cost.",
    )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``topdown``, ``openpifpaf`` or ``yolo_pose``, any followed by ``:CHECKPOINT``.

        Raises:
            ConfigurationError: If the estimator is unknown, or yolo_pose has no checkpoint.
        """
        estimator, _, checkpoint = text.partition(":")
        if estimator not in ("topdown", "openpifpaf", "yolo_pose"):
            raise ConfigurationError(
                f"pose {text!r}: expected topdown or openpifpaf, optionally with :CHECKPOINT, such as "
                "openpifpaf:checkpoints/openpifpaf_rendered.safetensors, or yolo_pose:FILE.onnx"
            )
        if estimator == "yolo_pose" and not checkpoint:
            raise ConfigurationError(f"pose {text!r}: none is embedded; name a file, yolo_pose:FILE.onnx")
        return cls.model_validate({"estimator": estimator, "checkpoint": checkpoint or None})


class TrackingSettings(Section):
    """How poses become people through time."""

    tracker: Literal["pose", "bytetrack"] = Field(
        "pose",
        description="pose: boxes and keypoints both count; bytetrack: boxes alone, by the trackers library.",
    )
    max_gap_s: float = Field(
        1.2, gt=0, le=60, description="How long a person may be unseen and keep the id, in seconds."
    )


class RecognitionSettings(Section):
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
    scene_motion: bool = Field(
        True,
        description="Measure how the picture moves, about ten times a second: it has a vote in the clip's summary.",
    )


class FireSettings(Section):
    """The network that looks for fire."""

    enabled: bool = Field(True, description="Look for fire at all.")
    checkpoint: Path | None = Field(
        None, description="A fire classifier (.onnx); null takes the embedded one."
    )
    rate_hz: float = Field(
        2.0, gt=0, le=60, description="Frames a second that are examined: fire stays, and each costs."
    )
    score: Share | None = Field(None, description="Least probability of fire; null takes the checkpoint's.")
    needed: int = Field(
        2, ge=1, le=1000, description="Fire counts when it is seen in so many examined frames ..."
    )
    of: int = Field(3, ge=1, le=1000, description="... of so many in a row.")

    @model_validator(mode="after")
    def _window_is_long_enough(self) -> Self:
        return _check_window(self, self.needed, self.of)

    def stays(self) -> Persistence:
        """When a fire counts."""
        return Persistence(
            self.needed, window_s=(self.of - 0.5) / self.rate_hz, max_gap_s=self.of / self.rate_hz
        )


class HolderSettings(Section):
    """What is said of who holds a weapon, beside who it is."""

    posture: bool = Field(
        True, description="Say how armed the holder's posture looks: weak evidence (docs/holders.md)."
    )
    checkpoint: Path | None = Field(
        None, description="What judges postures (.safetensors); null takes the embedded one."
    )


class FusionSettings(Section):
    """The rules that make alerts."""

    rules: tuple[Rule, ...] = Field(
        default_factory=default_rules,
        description="Rules, or the path of a YAML file with them; default takes those in activity/fusion/rules.yaml.",
    )

    @field_validator("rules", mode="before")
    @classmethod
    def _read_rules(cls, value: object) -> object:
        if value == "default":
            return default_rules()
        if isinstance(value, (str, Path)):
            return read_yaml(Path(value), RuleBook).rules
        return value

    @model_validator(mode="after")
    def _rules_fit(self) -> Self:
        check_rules(self.rules)
        return self


class OutputSettings(Section):
    """What is written beside the JSON report."""

    annotated_video: bool = Field(True, description="Write annotated.mp4.")
    html: bool = Field(True, description="Write report.html.")
    redact: bool = Field(False, description="Cover the heads of all people in every picture that is written.")
    skeleton_only: bool = Field(
        False, description="Write no pixel of the clip: skeletons, boxes and words on an empty ground."
    )
