"""Opens all networks of a pipeline, and divides the processor among them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from activity.assembly.detectors import WEAPON_LABEL, load_closeup, load_detector, load_pyramid
from activity.assembly.estimators import load_estimator
from activity.association import ArmedPosture, load_armed_posture
from activity.config import Settings, embedded_checkpoint
from activity.detection import FireClassifier, ObjectDetector
from activity.detection.magnified import MagnifyingGlass
from activity.detection.pyramid import ScalePyramid
from activity.pose.estimator import PoseEstimator
from activity.recognition.recognizer import Recognizer
from activity.report import ModelInfo

FIRE_CHECKPOINT: Final = "fire_classifier.onnx"
POSTURE_CHECKPOINT: Final = "armed_posture.safetensors"
RECOGNIZER_CHECKPOINT: Final = "recognizer_fighting.safetensors"
MOST_FRAMES_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Networks:
    """The loaded networks of one pipeline.

    Attributes:
        detector: Finds people and weapons.
        estimator: Finds keypoints.
        recognizer: Names activities.
        pyramid: Looks for weapons in smaller copies of a frame; `None` where the settings do not ask for that.
        closeup: Looks for weapons closely at people; `None` where the settings do not ask for that.
        fire: Looks for fire; `None` where the settings do not ask for that.
        score_floors: For ``weapon`` and ``fire``: the score under which the network reports nothing.
        models: What the report says of them: names, files and hashes.
        frames_at_once: Frames that may be looked at at once, each in a thread of its own.
        posture: Judges the postures of those who hold a weapon; `None` where the settings do not ask for that.
    """

    detector: ObjectDetector
    estimator: PoseEstimator
    recognizer: Recognizer
    pyramid: ScalePyramid | None
    closeup: MagnifyingGlass | None
    fire: FireClassifier | None
    score_floors: Mapping[str, float]
    models: Sequence[ModelInfo]
    frames_at_once: int
    posture: ArmedPosture | None = None


def share_threads(threads: int) -> tuple[int, int]:
    """Divide threads into frames looked at at once and threads for each network call of a frame.

    Frames come first, up to `MOST_FRAMES_AT_ONCE`: each takes memory of its own, and what runs in Python runs one at a
    time.

    >>> share_threads(1), share_threads(2), share_threads(16)
    ((1, 1), (2, 1), (4, 4))
    """
    frames = min(threads, MOST_FRAMES_AT_ONCE)
    return frames, threads // frames


def load_networks(settings: Settings) -> Networks:
    """Load every network that `settings` names.

    Raises:
        CheckpointError: If a checkpoint is missing, damaged, or of another kind.
    """
    total = settings.threads or os.cpu_count() or 1
    frames_at_once, threads = share_threads(total)
    detector, detector_model = load_detector(settings, threads=threads)
    estimator, pose_model = load_estimator(settings, threads=threads)
    recognizer, recognizer_model = load_recognizer(settings, threads=total)  # alone, once the frames are done
    models = [detector_model, pose_model, recognizer_model]
    floors = {WEAPON_LABEL: detector.score_thresholds.get(WEAPON_LABEL, 0.0)}
    fire = None
    if settings.fire.enabled:
        fire, fire_model = load_fire_classifier(settings, threads=threads)
        floors["fire"] = fire.threshold
        models.append(fire_model)
    posture = None
    if settings.holder.posture:
        posture, posture_model = load_posture(settings)
        models.append(posture_model)
    return Networks(
        detector=detector,
        estimator=estimator,
        recognizer=recognizer,
        pyramid=load_pyramid(settings, detector, threads=threads),
        closeup=load_closeup(settings, detector, threads=threads),
        fire=fire,
        score_floors=floors,
        models=tuple(models),
        frames_at_once=frames_at_once,
        posture=posture,
    )


def load_recognizer(settings: Settings, *, threads: int) -> tuple[Recognizer, ModelInfo]:
    """Load the recogniser that `settings` names.

    Raises:
        CheckpointError: If the file is missing, damaged, or no recogniser.
    """
    path = settings.recognition.checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT)
    recognizer = Recognizer.load(path, threads=threads)
    note = f"Knows {len(recognizer.classes)} classes: {', '.join(recognizer.classes)}."
    return recognizer, ModelInfo(path.stem, "recognition", path.name, recognizer.sha256, note)


def load_fire_classifier(settings: Settings, *, threads: int) -> tuple[FireClassifier, ModelInfo]:
    """Load the fire classifier that `settings` names.

    Raises:
        CheckpointError: If the file is missing, damaged, or no fire classifier.
    """
    path = settings.fire.checkpoint or embedded_checkpoint(FIRE_CHECKPOINT)
    classifier = FireClassifier(path, threshold=settings.fire.score, threads=threads)
    note = (
        f"Examines {settings.fire.rate_hz:g} frames a second; counts as fire from {classifier.threshold:.2f}."
    )
    return classifier, ModelInfo(path.stem, "fire", path.name, classifier.sha256, note)


def load_posture(settings: Settings) -> tuple[ArmedPosture, ModelInfo]:
    """Load what judges the postures of those who hold a weapon, as `settings` name it.

    Raises:
        CheckpointError: If the file is missing, damaged, or of another kind.
    """
    path = settings.holder.checkpoint or embedded_checkpoint(POSTURE_CHECKPOINT)
    machine = load_armed_posture(path)
    note = (
        f"Weak evidence beside a weapon that is held, and nothing else: balanced accuracy {machine.balanced_accuracy:.2f} on "
        "pictures of scenes that it had not seen."
    )
    return machine, ModelInfo(path.stem, "posture", path.name, machine.sha256, note)
