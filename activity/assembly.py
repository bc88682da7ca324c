"""Builds the networks and the tracker that the settings name: the one place that chooses among implementations."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from activity.config import Settings, embedded_checkpoint
from activity.detection import CheckpointDetector, FireClassifier, ObjectDetector, open_detector
from activity.detection.magnified import MagnifyingGlass
from activity.detection.pyramid import ScalePyramid, smaller_sides
from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.pose.estimator import PoseEstimator
from activity.pose.foreign import YoloPoseEstimator, load_topdown
from activity.recognition.recognizer import Recognizer
from activity.report import ModelInfo
from activity.structures import Poses, Track
from activity.tracking import ByteTrackPoseTracker, PoseTracker

DETECTOR_CHECKPOINT: Final = "detector_person_weapon.onnx"
FIRE_CHECKPOINT: Final = "fire_classifier.onnx"
TOPDOWN_CHECKPOINT: Final = "pose_topdown.onnx"
OPENPIFPAF_CHECKPOINT: Final = "openpifpaf_rendered.safetensors"
RECOGNIZER_CHECKPOINT: Final = "recognizer_fighting.safetensors"
_CLOSEUP_LONG_SIDE_PX: Final = 384
"""Gives squares around hands an input of 320x320: `fitted_size` keeps the pixels of an image of 16:9."""

MOST_FRAMES_AT_ONCE: Final = 4

PERSON_LABEL: Final = "person"
WEAPON_LABEL: Final = "weapon"

_NEED_BOXES: Final = ("topdown",)
"""Pose estimators that look at detected people."""

_WHY_TOPDOWN: Final = "Embedded default: trained on real surveillance people, and on those the better of our two pose estimators."
_WHY_OPENPIFPAF: Final = "Chosen by the user. Our own OpenPifPaf checkpoint has seen rendered people only."


class Tracker(Protocol):
    """What the pipeline asks of a tracker."""

    def update(
        self,
        *,
        frame_index: int,
        time_s: float,
        poses: Poses,
        image: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Take the poses of the next frame [H, W, 3], RGB; returns their track ids [P], 0 while unconfirmed."""
        ...

    def finish(self) -> list[Track]:
        """End all tracks and return them."""
        ...


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
    )


def load_detector(settings: Settings, *, threads: int) -> tuple[CheckpointDetector, ModelInfo]:
    """Load the person and weapon detector that `settings` name.

    Raises:
        CheckpointError: If the file is missing, damaged, no detector, or knows no people where the pose estimator or
            the covering of heads needs their boxes.
        ConfigurationError: If the file takes no input of the size that the settings ask for.
    """
    section = settings.detector
    path = _detector_path(settings)
    detector = _open(
        settings, long_side_px=section.long_side_px, weapon_score=section.weapon_score, threads=threads
    )
    known = set(detector.labels)
    if PERSON_LABEL not in known and (settings.pose.estimator in _NEED_BOXES or settings.output.redact):
        raise CheckpointError(
            f"{path}: expected a class {PERSON_LABEL!r}, which the pose estimator or the covering of heads needs, got "
            f"{_short(detector.labels)}; name the classes with detector.labels, or take another detector"
        )
    if not known & {PERSON_LABEL, WEAPON_LABEL}:
        raise CheckpointError(
            f"{path}: expected a class {PERSON_LABEL!r} or {WEAPON_LABEL!r}, got {_short(detector.labels)}; "
            "name the classes with detector.labels, or take another detector"
        )
    return detector, ModelInfo(
        path.stem, "detection", path.name, detector.sha256, _what_it_finds(detector, settings)
    )


def load_pyramid(
    settings: Settings, frame_detector: CheckpointDetector, *, threads: int
) -> ScalePyramid | None:
    """Load the detector that `settings` name once more for each smaller size of the frame.

    Args:
        settings: Which file, and whether there are smaller sizes.
        frame_detector: The same file, as it looks at whole frames.
        threads: Threads that one look may use.

    Returns:
        `None` where the settings ask for no pyramid, the file knows no weapons, or it fixes the size of its input.

    Raises:
        CheckpointError: As `load_detector`.
    """
    sides = smaller_sides(frame_detector)
    if not settings.detector.weapon_pyramid or WEAPON_LABEL not in frame_detector.labels or not sides:
        return None
    smaller = [
        _open(settings, long_side_px=side, weapon_score=settings.detector.weapon_score, threads=threads)
        for side in sides
    ]
    return ScalePyramid(smaller, label=WEAPON_LABEL)


def load_closeup(
    settings: Settings, frame_detector: CheckpointDetector, *, threads: int
) -> MagnifyingGlass | None:
    """Load the detector that `settings` name once more, for squares around hands.

    A file of fixed input size looks at the squares at that size.

    Args:
        settings: Which file, and how many squares.
        frame_detector: The same file, as it looks at whole frames.
        threads: Threads that one square may use.

    Returns:
        `None` where the settings ask for no close-ups, or the file knows no weapons.

    Raises:
        CheckpointError: As `load_detector`.
    """
    section = settings.detector
    if not section.weapon_closeups or WEAPON_LABEL not in frame_detector.labels:
        return None
    detector = _open(
        settings,
        long_side_px=None if frame_detector.input_is_fixed else _CLOSEUP_LONG_SIDE_PX,
        weapon_score=section.weapon_closeup_score,
        threads=threads,
    )
    return MagnifyingGlass(
        detector,
        label=WEAPON_LABEL,
        input_px=min(detector.input_size(1000, 1000)),
        frame_input_px=max(frame_detector.input_size(1080, 1920)),
        most_squares=section.weapon_closeups,
    )


def _open(
    settings: Settings, *, long_side_px: int | None, weapon_score: float | None, threads: int
) -> CheckpointDetector:
    scores = {PERSON_LABEL: settings.detector.person_score}
    if weapon_score is not None:
        scores[WEAPON_LABEL] = weapon_score
    return open_detector(
        _detector_path(settings),
        input_size=long_side_px,
        score_threshold=scores,
        labels=settings.detector.labels or None,
        threads=threads,
    )


def _detector_path(settings: Settings) -> Path:
    return settings.detector.checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT)


def _what_it_finds(detector: CheckpointDetector, settings: Settings) -> str:
    """What the report says of a detector: what one pass finds, and what the close-ups cost or why there are none."""
    if WEAPON_LABEL not in detector.labels:
        return (
            f"Finds people. It has no class {WEAPON_LABEL!r}, so weapons were not looked for, neither in whole frames "
            "nor close-up at hands; detector.labels says what its classes are."
        )
    people = "people and weapons" if PERSON_LABEL in detector.labels else "weapons, and no people"
    if not settings.detector.weapon_closeups:
        return f"One pass finds {people}. Hands were not looked at close-up."
    if detector.input_is_fixed:
        rows, columns = detector.input_size(1, 1)
        return (
            f"One pass finds {people}. Its input is fixed at {rows}x{columns}, so a close-up of a hand costs as much as "
            "a whole frame, and frames are not looked at in smaller sizes."
        )
    return f"One pass finds {people}."


def _short(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:5])
    return f"{shown} and {len(labels) - 5} more" if len(labels) > 5 else shown


def load_estimator(settings: Settings, *, threads: int) -> tuple[PoseEstimator, ModelInfo]:
    """Load the pose estimator that `settings` names.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or of another kind.
    """
    pose = settings.pose
    match pose.estimator:
        case "topdown":
            path = Path(pose.checkpoint) if pose.checkpoint else embedded_checkpoint(TOPDOWN_CHECKPOINT)
            topdown = load_topdown(path, keypoint_threshold=pose.keypoint_score, threads=threads)
            note = "Chosen by the user." if pose.checkpoint else _WHY_TOPDOWN
            return topdown, ModelInfo(path.stem, "pose", path.name, topdown.sha256, note)
        case "yolo_pose":
            if not pose.checkpoint:
                raise ConfigurationError(
                    "pose.checkpoint: yolo_pose has no embedded network; name an .onnx file"
                )
            path = Path(pose.checkpoint)
            yolo = YoloPoseEstimator(OnnxModel(path, threads=threads), keypoint_threshold=pose.keypoint_score)
            return yolo, ModelInfo(path.stem, "pose", path.name, yolo.sha256, "Chosen by the user.")
        case "openpifpaf":
            # Imported here: OpenPifPaf loads torchvision and matplotlib, seconds that the default need not pay.
            from activity.pose.openpifpaf import OpenPifPafEstimator  # noqa: PLC0415

            checkpoint = pose.checkpoint or str(embedded_checkpoint(OPENPIFPAF_CHECKPOINT))
            one_shot = OpenPifPafEstimator(
                Path(checkpoint) if checkpoint.endswith(".safetensors") else checkpoint,
                threads=threads,
                keypoint_threshold=pose.keypoint_score,
            )
            file = Path(checkpoint)
            digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
            name = f"openpifpaf {file.stem}"
            return one_shot, ModelInfo(name, "pose", file.name if digest else None, digest, _WHY_OPENPIFPAF)


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


def make_tracker(settings: Settings, *, frame_rate_hz: float) -> Tracker:
    """Make a fresh tracker, as `settings` ask for it, for frames that come at `frame_rate_hz`."""
    tracking, score = settings.tracking, settings.pose.person_score
    match tracking.tracker:
        case "pose":
            return PoseTracker(
                frame_rate_hz=frame_rate_hz,
                max_gap_s=tracking.max_gap_s,
                high_score=score,
                low_score=score / 2,
            )
        case "bytetrack":
            return ByteTrackPoseTracker(
                frame_rate_hz=frame_rate_hz, max_gap_s=tracking.max_gap_s, high_score=score, start_score=score
            )
