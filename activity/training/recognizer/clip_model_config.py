"""What `activity train recognizer --config FILE` can be told of a model of whole clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from activity.errors import ConfigurationError
from activity.training.recognizer.config import SplitTracks
from activity.tubelets import TubeletSettings


class NamedData(SplitTracks):
    """Clips to measure on, and what to call them."""

    name: str = Field(min_length=1, description="What figures call these people.")


class ClipModelConfig(BaseModel):
    """Forests that judge whole clips, for a recogniser whose network is trained already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["clip_model"]
    checkpoint: Path = Field(
        description="The recogniser, a .safetensors file; its network stays as it is, and a model of whole clips that "
        "it has is replaced."
    )
    data: NamedData = Field(description="The clips to learn from, with the people that use will see.")
    measured_on: tuple[NamedData, ...] = Field(
        (),
        description="The same clips with other people (another detector or pose network), to measure on only.",
    )
    data_statement: str = Field("", description="For the model card: where the data come from.")
    selection_statement: str = Field(
        "", description="For the model card: what was chosen by looking at the cross-validation."
    )
    network: bool = Field(
        True,
        description="The recogniser's network has a vote. It is trained anew without each fold, by the recipe that its "
        "checkpoint states, to be measured on clips that it has not learned from.",
    )
    tracks: dict[str, Any] = Field(
        default_factory=dict, description="Fields of TubeletSettings: how tracks are resampled."
    )
    window_s: float = Field(
        5.0,
        gt=0,
        le=3600,
        description="In use, longer clips are judged in equal windows of at most so many seconds; the clips to learn from "
        "must not be longer.",
    )
    trees: int = Field(300, ge=1, le=10_000, description="Trees of each forest.")
    least_leaf: int = Field(3, ge=1, le=1000, description="Clips in a leaf at least.")
    features_per_split: float = Field(
        0.2, gt=0, le=1, description="Share of the features among which each split chooses."
    )
    seed: int = Field(0, ge=0, description="Seed of the trees.")
    folds: int = Field(5, ge=2, le=100, description="Folds of the cross-validation, grouped by source.")
    fold_seeds: tuple[int, ...] = Field(
        (0, 1, 2, 3, 4), min_length=1, description="One whole cross-validation for each seed."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            settings = self.track_settings
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if settings.frame_rate_hz is None:
            raise ValueError("tracks: a model of whole clips needs a frame_rate_hz")
        names = [data.name for data in (self.data, *self.measured_on)]
        if len(set(names)) < len(names):
            raise ValueError(f"measured_on: expected names that differ, got {names}")
        return self

    @property
    def track_settings(self) -> TubeletSettings:
        """How tracks are resampled, in training and in use."""
        return TubeletSettings.from_mapping(self.tracks)
