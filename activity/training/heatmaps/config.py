"""Settings of the heat-map network's training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class CropStage(BaseModel):
    """Steps on crops of one size; small crops teach the coarse pose at a fraction of the cost."""

    model_config = ConfigDict(extra="forbid")

    height: Annotated[int, Field(ge=64, le=512, multiple_of=32, description="Height of the crop, in pixels.")]
    width: Annotated[int, Field(ge=64, le=512, multiple_of=32, description="Width of the crop, in pixels.")]
    steps: Annotated[int, Field(ge=0, description="Optimiser steps on crops of this size.")]


class PoseDataConfig(BaseModel):
    """Where the labelled people are; a path of null leaves the collection out."""

    model_config = ConfigDict(extra="forbid")

    people: Annotated[Path | None, Field(description="COCO JSON of people labelled by two networks.")] = None
    clips: Annotated[Path | None, Field(description="Folder of the clips of `people`, with sources.csv.")] = (
        None
    )
    weapons: Annotated[Path | None, Field(description="Folder of the still images of `people`.")] = None
    single17: Annotated[Path | None, Field(description="Folder with annotations.json and images/.")] = None
    lspet: Annotated[Path | None, Field(description="Folder with joints.npz and images/.")] = None
    tracks: Annotated[
        Path | None,
        Field(
            description="Reports of `activity analyze` of `clips`: poses that the frames beside confirm are labels too."
        ),
    ] = None
    rendered_frames: Annotated[int, Field(ge=0, description="Frames of rendered people to add.")] = 0
    rendered_seed: Annotated[
        int, Field(ge=0, description="Seed of those frames, so that trainings of several seeds share them.")
    ] = 0
    least_agreement: Annotated[
        float, Field(ge=0, le=1, description="People on whom the two networks agree less are left out.")
    ] = 0.25
    shares: Annotated[
        dict[str, float], Field(description="Share of each collection in a batch; those absent give way.")
    ] = {"clips": 0.44, "lspet": 0.28, "single17": 0.15, "weapons": 0.05, "rendered": 0.08}


class TopDownConfig(BaseModel):
    """Everything that decides a training of the heat-map network."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["topdown"] = "topdown"
    data: PoseDataConfig
    cache: Annotated[Path, Field(description="Folder for the people cut out once; about 3 GB.")]
    checkpoint: Annotated[
        Path | None, Field(description="Where the finished network goes; null: only into the run's folder.")
    ] = None
    backbone: Annotated[
        Path | None, Field(description="ONNX file of YOLOX-nano to start from; null: chance.")
    ] = None
    initial: Annotated[
        Path | None,
        Field(description="Heat-map network to go on from (.onnx, as exported); goes before `backbone`."),
    ] = None
    stages: Annotated[
        list[CropStage], Field(min_length=1, description="Crop sizes in order; the last is shipped.")
    ]
    padding: Annotated[float, Field(ge=1, le=2, description="Side of the crop over the person's box.")] = 1.3
    sigma_cells: Annotated[
        float, Field(gt=0.5, le=4, description="Spread of a joint's Gaussian, in cells.")
    ] = 1.5
    batch_size: Annotated[int, Field(ge=2, le=512, description="Crops per step.")] = 32
    learning_rate: Annotated[float, Field(gt=0, le=0.1, description="Peak rate of the new layers.")] = 2e-3
    backbone_learning_rate: Annotated[
        float, Field(gt=0, le=0.1, description="Peak rate of the backbone.")
    ] = 7e-4
    weight_decay: Annotated[float, Field(ge=0, le=1, description="AdamW's decoupled decay.")] = 0.03
    warm_up_steps: Annotated[int, Field(ge=0, description="Steps of linear warm-up.")] = 200
    ema_decay: Annotated[float, Field(gt=0, lt=1, description="Decay of the averaged weights.")] = 0.998
    location_weight: Annotated[float, Field(ge=0, description="Weight of the location loss.")] = 1.0
    evaluate_every_s: Annotated[float, Field(gt=0, description="Seconds between held-out evaluations.")] = 300
    evaluation_people: Annotated[
        int, Field(ge=1, description="Held-out people of each collection at most.")
    ] = 320
    threads: Annotated[int, Field(ge=1, description="Threads of torch.")] = 1
    seed: Annotated[int, Field(ge=0, description="Seed of all chance.")] = 0
