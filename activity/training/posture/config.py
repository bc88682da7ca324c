"""What `activity train holder --config FILE` can be told."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class HolderConfig(BaseModel):
    """Settings of `activity train holder`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(
        description="Folder with images/ and labels/ in YOLO's format, 0 person and 1 weapon: to learn from."
    )
    held_out: Path = Field(description="Another such folder, to measure on once.")
    data_statement: str = Field(
        "", description="For the checkpoint: where the data come from, and their licence."
    )
    scene_weights: Path = Field(
        description="YOLOX-nano trained on COCO, an ONNX file: the eye for near-duplicates."
    )
    checkpoint: Path = Field(description="Where the machine is written, a .safetensors file.")
    pose_checkpoint: Path | None = Field(
        None, description="Top-down pose network whose poses are learned from; null takes the embedded one."
    )
    keypoint_score: float = Field(0.1, ge=0, lt=1, description="Keypoints under this confidence are missing.")
    inverse_penalty: float = Field(1.0, gt=0, le=1e6, description="C of the support vector machine.")
    gamma: float | None = Field(
        None, gt=0, le=1e3, description="Of its radial basis functions; null takes 1 / number of features."
    )
    folds: int = Field(
        5, ge=2, le=100, description="Folds of the cross-validation, grouped by near-duplicates."
    )
    fold_seeds: tuple[int, ...] = Field(
        (0, 1, 2, 3, 4), min_length=1, description="One whole cross-validation for each seed."
    )
    threads: int = Field(1, ge=1, le=256, description="Threads of the pose network.")
