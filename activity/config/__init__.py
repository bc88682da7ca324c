"""Settings of an analysis, read from YAML and checked at the edge.

Every field has a bound, a unit and a default that suits a CCTV clip; `Settings()` is what
`activity analyze` runs with. A file that names an unknown field is refused, so that a typing error never
leaves a setting silently at its default.
"""

from activity.config.locations import (
    CHECKPOINT_FOLDER_VARIABLE,
    STATE_FOLDER_VARIABLE,
    checkpoint_folder,
    embedded_checkpoint,
    state_folder,
)
from activity.config.reading import check_settings, read_yaml
from activity.config.sections import (
    DetectorSettings,
    FireSettings,
    FusionSettings,
    HolderSettings,
    OutputSettings,
    PoseSettings,
    RecognitionSettings,
    TrackingSettings,
    VideoSettings,
)
from activity.config.settings import Settings, load_settings

__all__ = [
    "CHECKPOINT_FOLDER_VARIABLE",
    "STATE_FOLDER_VARIABLE",
    "DetectorSettings",
    "FireSettings",
    "FusionSettings",
    "HolderSettings",
    "OutputSettings",
    "PoseSettings",
    "RecognitionSettings",
    "Settings",
    "TrackingSettings",
    "VideoSettings",
    "check_settings",
    "checkpoint_folder",
    "embedded_checkpoint",
    "load_settings",
    "read_yaml",
    "state_folder",
]
