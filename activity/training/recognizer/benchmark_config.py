"""What `activity train recognizer --config FILE` can be told of a benchmark of recorded actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from activity.errors import ConfigurationError
from activity.recognition.architectures import NetworkConfig, network_config
from activity.training.recognizer.config import AugmentationSection, OptimizationSection
from activity.training.recognizer.streams import Stream


class MemberSection(BaseModel):
    """One network among those whose probabilities are averaged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: Stream = Field(
        "joints",
        description="What it is shown: joints, bones (from each joint's parent), or the motion of either.",
    )
    network: dict[str, Any] = Field(default_factory=dict, description="Instead of fields of `network`.")
    augmentation: dict[str, Any] = Field(
        default_factory=dict, description="Instead of fields of `augmentation`."
    )
    optimization: dict[str, Any] = Field(
        default_factory=dict, description="Instead of fields of `optimization`."
    )


class BenchmarkConfig(BaseModel):
    """One recipe on the official split of SBU or NW-UCLA."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["benchmark"]
    data: Literal["sbu", "nw_ucla"] = Field(description="Which data set `path` is.")
    path: Path = Field(description="Its .npz archive.")
    part: Literal["test", "inner"] = Field(
        "test",
        description="test: the official folds; inner: networks that learn without two official folds and answer both, "
        "to choose settings by.",
    )
    frames: int = Field(24, ge=2, le=1000, description="T: sequences are stretched to so many frames.")
    source_frames: int = Field(
        64,
        ge=2,
        le=1000,
        description="Frames to which sequences are brought before a part of them is cropped.",
    )
    aspect: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Width of one unit of x over the height of one unit of y, which makes bodies true to shape: 4/3 for "
        "SBU, which counts either axis of a picture of 4:3 from 0 to 1.",
    )
    normalization: Literal["people", "none"] = Field(
        "people",
        description="people: the common middle of all people's hips becomes the origin and their torso length the "
        "unit; none: coordinates as they come, as the paper takes them.",
    )
    people: Literal["together", "apart"] = Field(
        "together",
        description="together: one segment holds all people (pair_bptubeformer where there are two); apart: each "
        "person is a segment with the sequence's label, and their answers are averaged.",
    )
    order: Literal["any", "left_to_right"] = Field(
        "any",
        description="any: a network that sees several people is shown them in a random order, and answers for every "
        "order; left_to_right: in the order in which they stand, so that it need not learn both.",
    )
    padding: Literal["constant", "replicate"] = Field("constant", description="Of the part grids.")
    network: dict[str, Any] = Field(
        default_factory=dict, description="architecture and the fields of its configuration."
    )
    augmentation: AugmentationSection = Field(default_factory=AugmentationSection)
    optimization: OptimizationSection = Field(default_factory=OptimizationSection)
    views: bool = Field(
        True, description="Average over the mirrored sequence, and over every order of the people."
    )
    members: tuple[MemberSection, ...] = Field(
        (MemberSection(),),
        min_length=1,
        max_length=32,
        description="Networks whose probabilities are averaged: what each does differently.",
    )
    validation_share: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Of the training sequences, kept for early stopping where it is asked for.",
    )
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, description="One whole measurement for each.")
    threads: int = Field(1, ge=1, le=256, description="Threads that training uses.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            for index in range(len(self.members)):
                self.of_member(index).network_config(2, "sbu15", 2)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def of_member(self, index: int) -> BenchmarkConfig:
        """The same measurement with one member alone, and that member's settings in their place.

        Raises:
            ConfigurationError: If the member's settings are wrong.
        """
        member = self.members[index]
        sections: tuple[tuple[str, type[BaseModel]], ...] = (
            ("augmentation", AugmentationSection),
            ("optimization", OptimizationSection),
        )
        changes: dict[str, Any] = {
            "network": {**self.network, **member.network},
            "members": (MemberSection(stream=member.stream),),
        }
        for name, kind in sections:
            given = {**getattr(self, name).model_dump(), **getattr(member, name)}
            try:
                changes[name] = kind.model_validate(given)
            except ValidationError as error:
                raise ConfigurationError(f"members.{index}.{name}: {error}") from error
        return self.model_copy(update=changes)

    def network_config(self, classes: int, skeleton: str, people: int) -> NetworkConfig:
        """The network's shape for a data set."""
        given = dict(self.network)
        architecture = given.pop("architecture", "bptubeformer")
        for name in ("classes", "frames", "skeleton", "people"):
            if name in given:
                raise ConfigurationError(f"network.{name} follows from the data: leave it out")
        together = self.people == "together" and people > 1
        if together and architecture != "pair_bptubeformer":
            raise ConfigurationError(
                f"network.architecture: {architecture} reads one person; write people: apart, or take "
                "pair_bptubeformer"
            )
        values = {**given, "classes": classes, "frames": self.frames}
        if architecture in ("st_tran", "t_tran"):
            values["skeleton"] = skeleton
        if architecture == "pair_bptubeformer":
            values["people"] = people if self.people == "together" else 1
        return network_config(architecture, values)
