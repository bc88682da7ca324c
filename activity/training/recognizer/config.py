"""What `activity train recognizer --config FILE` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from activity.errors import ConfigurationError
from activity.recognition.architectures import NetworkConfig, network_config
from activity.tubelets import TubeletSettings

Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackSet(_Section):
    """People of a set of videos, as one tracker saw them."""

    trajectories: Path = Field(description="Folder of the data, laid out as `format` says.")
    format: Literal["hr_crime", "reports", "coco"] = Field(
        "hr_crime",
        description="hr_crime: <Category>/<video>/<person>.csv; reports: what `activity analyze --out` wrote; coco: a "
        "COCO keypoint file with tracks.",
    )
    class_names: dict[str, str] = Field(
        default_factory=dict,
        description="Folder of a clip to its class, for reports; a folder that is not named is its own class.",
    )
    frame_rate_hz: float = Field(
        30.0, gt=0, le=240, description="Frames a second where videos.json says nothing."
    )
    skip_normal: bool = Field(
        False, description='Leave out categories with "Normal" in the name, as the paper does.'
    )


class SplitTracks(TrackSet):
    """People of videos that are split by source."""

    sources: Path | None = Field(
        None,
        description="CSV with the columns clip and source: clips of one source stay on one side of every split, and "
        "held-out sources are kept from training. null lets every video be its own source and holds none out.",
    )


class DataSection(SplitTracks):
    """Which people the recogniser learns from."""

    also: tuple[TrackSet, ...] = Field(
        (),
        description="The same videos as other pose networks or trackers saw them: learned from beside the first set, so "
        "that the answers depend less on the habits of one. Never measured on; videos that the first set does not know "
        "are passed over.",
    )
    train_stride: int = Field(
        3, ge=1, le=600, description="Frames between the starts of two training segments."
    )


class AugmentationSection(_Section):
    """How training segments are varied; amounts are drawn anew for every segment and epoch."""

    mirror: Share = Field(
        0.5, description="Share of segments that are mirrored, left and right joints swapped."
    )
    rotation_rad: float = Field(
        0.15, ge=0, le=3.2, description="Largest rotation about the body centre, in radians."
    )
    scale: float = Field(0.12, ge=0, lt=1, description="Largest relative change of size.")
    squeeze: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Largest share by which the width shrinks, as if a camera had walked around the scene.",
    )
    shift: float = Field(0.0, ge=0, le=10, description="Largest shift along each axis, in body sizes.")
    joint_noise: float = Field(
        0.02, ge=0, le=1, description="Standard deviation of joint noise, in body sizes."
    )
    joint_offset: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Standard deviation of what each joint is displaced by for the whole segment, in body sizes.",
    )
    person_scale: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Largest relative change of one person's size, about the middle of the joints.",
    )
    person_shift: float = Field(
        0.0, ge=0, le=10, description="Largest shift of one person along each axis, in body sizes."
    )
    joint_dropout: Share = Field(
        0.05, description="Share of segments x joints that go missing for the whole segment."
    )
    shortest_crop: float = Field(
        0.75,
        gt=0,
        le=1,
        description="Shortest share of the segment's time that is stretched to its whole length.",
    )


class OptimizationSection(_Section):
    """AdamW; the exponential moving average of the weights is what is kept."""

    epochs: int = Field(30, ge=1, le=10000, description="Passes; one pass draws as many clips as there are.")
    draw: Literal["clips", "segments"] = Field(
        "clips",
        description="clips: a batch is `clips_per_batch` clips with `segments_per_clip` segments each; segments: every "
        "segment once a pass, whatever its clip, in batches of as many, without `clip_loss` or class balance.",
    )
    clips_per_batch: int = Field(16, ge=1, le=4096, description="Clips drawn for one step, classes evenly.")
    segments_per_clip: int = Field(4, ge=1, le=256, description="Segments drawn from each clip.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest learning rate.")
    betas: tuple[float, float] = Field((0.9, 0.98), description="AdamW's betas.")
    weight_decay: float = Field(0.05, ge=0, le=1, description="Decoupled weight decay.")
    warmup: Share = Field(0.1, description="Share of the steps in which the rate rises.")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="Share of the label given to all classes.")
    clip_loss: Share = Field(
        0.5, description="Weight of the loss on the clip's pooled answer; the rest goes to single segments."
    )
    leading_segments: int = Field(
        2,
        ge=1,
        le=256,
        description="How many of a clip's drawn segments, those that stand out most, are pooled.",
    )
    epsilon: float = Field(1e-8, gt=0, le=1, description="AdamW's epsilon.")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="Of the learning rate, after the warm-up."
    )
    balance_classes: bool = Field(True, description="Draw clips of every class equally often.")
    patience: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Stop when the validation loss has not fallen for this many epochs, and keep the best weights.",
    )
    average_decay: float = Field(
        0.99, ge=0, lt=1, description="Decay of the moving average of the weights, per step."
    )
    gradient_norm: float = Field(1.0, gt=0, le=1000, description="Longest gradient.")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="bf16: matrix products of the training in bfloat16 (mixed precision); weights, their average, the "
        "loss and all answers stay fp32.",
    )


class RecognizerConfig(_Section):
    """One recogniser: data, segments, network, training."""

    kind: Literal["recognizer"] = "recognizer"
    checkpoint: Path = Field(description="Where the trained recogniser is written, a .safetensors file.")
    data: DataSection
    data_statement: str = Field(
        "", description="For the model card: where the data come from, and their licence."
    )
    tubelets: dict[str, Any] = Field(default_factory=dict, description="Fields of TubeletSettings.")
    network: dict[str, Any] = Field(
        default_factory=dict,
        description="architecture (bptubeformer, st_tran, t_tran) and the fields of its configuration; classes and "
        "frames follow from the data and the tubelets.",
    )
    augmentation: AugmentationSection = Field(default_factory=AugmentationSection)
    optimization: OptimizationSection = Field(default_factory=OptimizationSection)
    selection_statement: str = Field(
        "", description="For the model card: what was chosen by looking at the cross-validation."
    )
    title: str = Field("", description="What tables call it.")
    published: str = Field("", description="What its paper reports, for tables.")
    protocol: Literal["by_video", "paper"] = Field(
        "by_video",
        description="Of `activity experiment` (`activity train` always cross-validates by video or source). by_video: "
        "nothing of a source is on both sides of a split; paper: the split of the BPTubeFormer paper, in which people "
        "of one video are, and windows overlap.",
    )
    folds: int = Field(5, ge=2, le=100, description="Folds of the cross-validation, grouped by source.")
    fold_seeds: tuple[int, ...] = Field(
        (0,), min_length=1, description="One whole cross-validation for each seed."
    )
    seed: int = Field(0, ge=0, description="Of initial weights, batches and augmentation.")
    threads: int = Field(1, ge=1, le=256, description="Threads that training uses.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            _ = self.tubelet_settings, self.network_config(2)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if self.data.also and self.protocol == "paper":
            raise ValueError(
                "data.also: the paper's protocol tests on the very people it reads; use by_video"
            )
        return self

    @property
    def tubelet_settings(self) -> TubeletSettings:
        """How tracks are cut, in training (but for the stride) and in use."""
        return TubeletSettings.from_mapping(self.tubelets)

    def network_config(self, classes: int) -> NetworkConfig:
        """The network's shape for a number of classes."""
        values = {key: value for key, value in self.network.items() if key != "architecture"}
        for given in ("classes", "frames"):
            if given in values:
                raise ConfigurationError(
                    f"network.{given} follows from the data and the tubelets: leave it out"
                )
        return network_config(
            self.network.get("architecture", "bptubeformer"),
            {**values, "classes": classes, "frames": self.tubelet_settings.frames},
        )
