"""Builds the networks and the tracker that the settings name: the one place that chooses among implementations."""

from activity.assembly.detectors import (
    DETECTOR_CHECKPOINT,
    PERSON_LABEL,
    WEAPON_LABEL,
    load_closeup,
    load_detector,
    load_pyramid,
)
from activity.assembly.estimators import OPENPIFPAF_CHECKPOINT, TOPDOWN_CHECKPOINT, load_estimator
from activity.assembly.networks import (
    FIRE_CHECKPOINT,
    MOST_FRAMES_AT_ONCE,
    POSTURE_CHECKPOINT,
    RECOGNIZER_CHECKPOINT,
    Networks,
    load_fire_classifier,
    load_networks,
    load_posture,
    load_recognizer,
    share_threads,
)
from activity.assembly.trackers import Tracker, make_tracker

__all__ = [
    "DETECTOR_CHECKPOINT",
    "FIRE_CHECKPOINT",
    "MOST_FRAMES_AT_ONCE",
    "OPENPIFPAF_CHECKPOINT",
    "PERSON_LABEL",
    "POSTURE_CHECKPOINT",
    "RECOGNIZER_CHECKPOINT",
    "TOPDOWN_CHECKPOINT",
    "WEAPON_LABEL",
    "Networks",
    "Tracker",
    "load_closeup",
    "load_detector",
    "load_estimator",
    "load_fire_classifier",
    "load_networks",
    "load_posture",
    "load_pyramid",
    "load_recognizer",
    "make_tracker",
    "share_threads",
]
