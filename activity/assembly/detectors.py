"""Opens the person and weapon detector: for whole frames, for smaller copies of them, and for squares around hands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from activity.config import Settings, embedded_checkpoint
from activity.detection import CheckpointDetector, open_detector
from activity.detection.magnified import MagnifyingGlass
from activity.detection.pyramid import ScalePyramid, smaller_sides, with_people_of_all_sizes
from activity.errors import CheckpointError
from activity.report import ModelInfo

DETECTOR_CHECKPOINT: Final = "detector_person_weapon.onnx"
PERSON_LABEL: Final = "person"
WEAPON_LABEL: Final = "weapon"
_CLOSEUP_LONG_SIDE_PX: Final = 384
"""Gives squares around hands an input of 320x320: `fitted_size` keeps the pixels of an image of 16:9."""
_NEED_BOXES: Final = ("topdown",)
"""Pose estimators that look at detected people."""


def load_detector(settings: Settings, *, threads: int) -> tuple[CheckpointDetector, ModelInfo]:
    """Load the person and weapon detector that `settings` name.

    Raises:
        CheckpointError: If the file is missing, damaged, no detector, or knows no people where the pose estimator or
            the covering of heads needs their boxes.
        ConfigurationError: If the file takes no input of the size that the settings ask for.
    """
    section = settings.detector
    path = _detector_path(settings)

    def open_at(side: int | None) -> CheckpointDetector:
        return _open(settings, long_side_px=side, weapon_score=section.weapon_score, threads=threads)

    detector = open_at(section.long_side_px)
    if section.person_pyramid:
        detector = with_people_of_all_sizes(detector, open_at, label=PERSON_LABEL)
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
