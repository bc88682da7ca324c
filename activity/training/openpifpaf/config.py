"""What a training run of an OpenPifPaf network is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from activity.pose.openpifpaf_network import NetworkDescription, base_network_names
from activity.pose.openpifpaf_runtime import DecoderSettings


class PhotographsSection(BaseModel):
    """Labelled pictures of real people to learn from beside rendered scenes."""

    model_config = ConfigDict(extra="forbid")

    annotations: Path = Field(description="COCO keypoint JSON; an image may be a `frame` of a video.")
    images: Path = Field(description="Folder that the file names are relative to.")
    sources: Path | None = Field(
        None, description="CSV with the columns clip and source; needed for frames of videos."
    )
    single17: Path | None = Field(None, description="Folder with annotations.json and images/ to add.")
    share: float = Field(0.7, gt=0, le=1, description="Share of the samples that are cut from pictures.")
    least_agreement: float = Field(
        0.5, ge=0, le=1, description="People of a lower `agreement` are regions that nothing is learned from."
    )
    person_px: tuple[float, float] = Field(
        (80.0, 200.0), description="Least and greatest extent of the joints of the person a sample is about."
    )
    held_out_pictures: int = Field(
        60, ge=1, description="Pictures of sources kept apart, measured during training."
    )

    @field_validator("person_px")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 8 <= value[0] <= value[1] <= 1000:
            raise ValueError(f"expected 8 <= least <= greatest <= 1000, got {value}")
        return value


class OpenPifPafConfig(BaseModel):
    """What ``activity train pose`` reads for ``kind: openpifpaf``."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["openpifpaf"]
    checkpoint: Path = Field(description="The .safetensors file to write.")
    base_network: str = Field("yolox_nano", description="The base network; see base_network_names.")
    backbone_weights: Path | None = Field(
        None,
        description="ONNX file of YOLOX-nano to start the backbone from; only for base_network yolox_nano.",
    )
    upsample_stride: Literal[1, 2] = Field(1, description="Field cells per base network cell, along an axis.")
    least_sigma: float = Field(
        0.06, ge=0, le=1, description="Least width of a joint, as a share of a person's size."
    )
    initial_checkpoint: Path | None = Field(
        None, description="A checkpoint of the same network to go on from, instead of fresh weights."
    )
    photographs: PhotographsSection | None = Field(
        None, description="Real people to learn from too; null trains on rendered scenes alone."
    )
    scene_width_px: int = Field(641, ge=65, le=4097, description="Width of a rendered scene.")
    scene_height_px: int = Field(361, ge=65, le=4097, description="Height of a rendered scene.")
    scale_range: tuple[float, float] = Field(
        (0.65, 1.15), description="Least and greatest factor by which a scene is scaled before it is cut."
    )
    image_width_px: int = Field(
        225, ge=65, le=1025, description="Width of what is cut out of a scene to train on: 16 n + 1 pixels."
    )
    image_height_px: int = Field(
        225, ge=65, le=1025, description="Height of what is cut out of a scene to train on: 16 n + 1 pixels."
    )
    scenes: Literal["surveillance", "any"] = Field(
        "surveillance", description="Upright people before a wall camera, or all that can be rendered."
    )
    people: tuple[int, int] = Field(
        (1, 5), description="Least and greatest number of people placed in a scene."
    )
    samples_per_scene: int = Field(
        12, ge=1, description="How many samples are cut from a scene; rendering costs most."
    )
    steps: int = Field(4000, ge=1, description="Optimiser steps.")
    batch_size: int = Field(8, ge=1, le=256, description="Scenes a step.")
    learning_rate: float = Field(
        2e-3, gt=0, lt=1, description="Greatest learning rate of AdamW, for new layers."
    )
    backbone_learning_rate: float = Field(
        5e-4, ge=0, lt=1, description="The same, for a pre-trained backbone."
    )
    warmup_steps: int = Field(100, ge=0, description="Steps over which the learning rate rises.")
    gradient_norm: float = Field(5000.0, gt=0, description="Greatest norm of the gradient.")
    confidence_loss_weight: float = Field(
        5.0, ge=0, description="Weight of the confidence losses; vectors weigh 1."
    )
    scale_loss_weight: float = Field(0.1, ge=0, description="Weight of the joint width losses.")
    average_decay: float = Field(0.998, ge=0, lt=1, description="Decay a step of the averaged weights.")
    loader_processes: int = Field(1, ge=0, le=64, description="Processes that render and encode.")
    threads: int = Field(1, ge=1, le=64, description="Threads of torch.")
    seed: int = Field(0, ge=0, lt=1000, description="Seed of weights and scenes.")
    held_out_scenes: int = Field(60, ge=1, description="Scenes kept apart, measured during training.")
    evaluate_every_s: float = Field(
        300.0, gt=0, description="Seconds between two measurements on held-out scenes."
    )
    long_edge_px: int = Field(
        481, ge=65, le=4097, description="Longer side at inference, stored in the checkpoint."
    )
    seed_threshold: float = Field(
        0.2, ge=0, le=1, description="Stored in the checkpoint; see DecoderSettings."
    )
    cif_threshold: float = Field(
        0.1, ge=0, le=1, description="Stored in the checkpoint; see DecoderSettings."
    )
    caf_threshold: float = Field(
        0.1, ge=0, le=1, description="Stored in the checkpoint; see DecoderSettings."
    )
    keypoint_threshold: float = Field(
        0.1, ge=0, le=1, description="Stored in the checkpoint; see DecoderSettings."
    )
    width_factor: float = Field(
        1.0, gt=0, le=16, description="Stored in the checkpoint; see DecoderSettings."
    )
    instance_threshold: float = Field(
        0.15, ge=0, le=1, description="Stored in the checkpoint; see DecoderSettings."
    )

    @field_validator("image_width_px", "image_height_px")
    @classmethod
    def _fits_the_cells(cls, value: int) -> int:
        if value % 16 != 1:
            raise ValueError(f"expected 16 n + 1 pixels, got {value}; use {value // 16 * 16 + 1}")
        return value

    @field_validator("scale_range")
    @classmethod
    def _is_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1] <= 4:
            raise ValueError(f"expected 0 < least <= greatest <= 4, got {value}")
        return value

    @model_validator(mode="after")
    def _weights_fit_the_network(self) -> OpenPifPafConfig:
        if self.backbone_weights is not None and self.base_network != "yolox_nano":
            raise ValueError(
                f"backbone_weights are YOLOX-nano's, base_network is {self.base_network}; leave one out"
            )
        return self

    @field_validator("base_network")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in base_network_names():
            raise ValueError(f"unknown; choose one of {', '.join(base_network_names())}")
        return value

    def description(self) -> NetworkDescription:
        """The network as its checkpoint describes it."""
        return NetworkDescription(
            base_network=self.base_network,
            upsample_stride=self.upsample_stride,
            long_edge_px=self.long_edge_px,
            least_sigma=self.least_sigma,
            decoder=DecoderSettings(
                seed_threshold=self.seed_threshold,
                cif_threshold=self.cif_threshold,
                caf_threshold=self.caf_threshold,
                keypoint_threshold=self.keypoint_threshold,
                instance_threshold=self.instance_threshold,
                width_factor=self.width_factor,
            ),
        )
