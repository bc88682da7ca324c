"""Settings of a fire classifier's training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FireConfig(BaseModel):
    """Settings of `activity train fire`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["activation", "fire_detection_net"] = Field(
        description="activation: cells of a detector's backbone, pooled; fire_detection_net: the CSIS classifier"
    )
    data: Path = Field(description="folder with fire/, clips/, single17/, lspet/ and weapons/")
    cache: Path = Field(description="folder where small copies of all pictures are kept")
    initial_weights: Path = Field(
        description="YOLOX-nano trained on COCO, an ONNX file: the backbone, and the eye for near-duplicates"
    )
    checkpoint: Path = Field(description="where the trained network is written, an ONNX file")
    shares: dict[str, float] = Field(
        description="how often each kind of picture is drawn, relative to the others: fire, composite, no_fire, "
        "distractor, clips, people, gray, rendered_fire, rendered_quiet"
    )
    rendered_scenes: int = Field(
        120, ge=1, le=10_000, description="rendered scenes, half of them with a fire"
    )
    canvases: list[tuple[int, int]] = Field(description="rows and columns of training pictures")
    input_long_side: int = Field(
        384, ge=32, multiple_of=32, description="pixels along an image's longer side"
    )
    steps: int = Field(ge=1, description="optimizer steps of the whole schedule")
    max_minutes: float = Field(
        gt=0, description="the schedule is shortened so that it ends after these minutes"
    )
    batch_size: int = Field(ge=1, le=256, description="training pictures a step")
    learning_rate: float = Field(gt=0, le=0.1, description="peak rate; of the backbone a third of it")
    weight_decay: float = Field(0.0, ge=0, le=1, description="decoupled, on weights, not on biases")
    averaging: float = Field(
        0.0, ge=0, lt=1, description="decay a step of the averaged weights that are kept"
    )
    threads: int = Field(1, ge=1, description="threads of the training process")
    seed: int = Field(0, ge=0, description="of every random choice")
    save_every: int = Field(50, ge=1, description="steps between two resumable states")
