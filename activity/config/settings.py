"""Everything that `activity analyze` can be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from activity.config.reading import read_yaml
from activity.config.sections import (
    DetectorSettings,
    FireSettings,
    FusionSettings,
    HolderSettings,
    OutputSettings,
    PoseSettings,
    RecognitionSettings,
    Section,
    TrackingSettings,
    VideoSettings,
)
from activity.fusion.cameras import Camera


class Settings(Section):
    """Everything that `activity analyze` can be told."""

    video: VideoSettings = Field(default_factory=VideoSettings)
    detector: DetectorSettings = Field(default_factory=DetectorSettings)
    pose: PoseSettings = Field(default_factory=PoseSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    recognition: RecognitionSettings = Field(default_factory=RecognitionSettings)
    fire: FireSettings = Field(default_factory=FireSettings)
    holder: HolderSettings = Field(default_factory=HolderSettings)
    fusion: FusionSettings = Field(default_factory=FusionSettings)
    cameras: Mapping[str, Camera] = Field(
        default_factory=dict,
        description="By name: areas to watch or ignore, zones, and thresholds by class.",
    )
    camera: str | None = Field(None, description="Which of the cameras the clips come from.")
    recorded_at: datetime | None = Field(
        None, description="When the first frame was recorded, on the camera's clock: for rules with hours."
    )
    output: OutputSettings = Field(default_factory=OutputSettings)
    threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Threads of an analysis: one for each frame in work, of which there are up to 4, and more for the "
        "networks; null takes one for each core of the machine.",
    )

    @model_validator(mode="after")
    def _camera_is_known(self) -> Self:
        if self.camera is not None and self.camera not in self.cameras:
            raise ValueError(
                f"camera: expected one of {', '.join(self.cameras) or '(none is set)'}, got {self.camera!r}"
            )
        return self


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file; what the file does not name keeps its default.

    Raises:
        ConfigurationError: If the file cannot be read, is no YAML mapping, or a value is unknown or out of bounds.
    """
    return read_yaml(path, Settings)
