"""How soon an alarm follows, how often it never comes, and how often it comes for nothing.

Olmos et al., "Automatic handgun detection alarm in videos using deep learning" (2017), section 5: an alarm needs five
successive true positives; the Alarm Activation Time per Interval is the time from the moment at which the object
appears to the alarm, and AATpI its mean over the intervals that have one. A mean over the easy intervals alone flatters:
the missed ones stand beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from activity.detection import FireClassifier, ObjectDetector
from activity.errors import ConfigurationError, DatasetError
from activity.structures import box_iou
from activity.video import VideoReader

Boxes = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Look = Callable[[npt.NDArray[np.uint8], Boxes], tuple[bool, bool]]
"""Look at a frame, [H, W, 3] RGB, knowing its true boxes [N, 4]: whether something is rightly found, and wrongly."""


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When findings in single frames raise an alarm.

    Attributes:
        needed: k, frames with a finding.
        within: n, successive frames that must hold them; equal to `needed`, they must be successive.
        longest_gap_s: An object that is out of sight for less is in the same interval.

    Raises:
        ConfigurationError: If k is not in 1 to n, or the gap is negative.
    """

    needed: int = 5
    within: int = 5
    longest_gap_s: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.within or self.longest_gap_s < 0:
            raise ConfigurationError(
                f"expected 1 <= needed <= within and a gap of 0 s or more, got {self.needed}, {self.within} and "
                f"{self.longest_gap_s}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class WatchedClip:
    """What was true and what was found in each frame of a clip.

    Attributes:
        times_s: [F] seconds, increasing.
        present: [F] whether the object is in the picture.
        found: [F] whether it was rightly found.
        wrong: [F] whether something was found where the object is not.
    """

    times_s: npt.NDArray[np.float64]
    present: Flags
    found: Flags
    wrong: Flags


@dataclass(frozen=True, slots=True)
class AlarmMetrics:
    """Figures of the alarms over all clips.

    Attributes:
        aatpi_s: Mean seconds from the object's appearance to the alarm, over the intervals with one; `None` where
            no interval has one.
        intervals: How often the object appeared.
        missed: How many of these raised no alarm.
        false_alarms_per_hour: Alarms raised by wrong findings, per hour of video; an alarm lasts while the rule holds.
        false_alarms: How many.
        hours: Of video.
        delays_s: Of each interval with an alarm.
    """

    aatpi_s: float | None
    intervals: int
    missed: int
    false_alarms_per_hour: float
    false_alarms: int
    hours: float
    delays_s: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """The keys of `activity evaluate alarms --json`."""
        return {**asdict(self), "delays_s": [round(delay, 3) for delay in self.delays_s]}


def measure_alarms(clips: Sequence[WatchedClip], rule: AlarmRule) -> AlarmMetrics:
    """Apply a rule to what was found, and compare its alarms with what was true.

    Raises:
        DatasetError: If there is no clip, or one has no frame.
    """
    if not clips or any(not len(clip.times_s) for clip in clips):
        raise DatasetError("alarms: expected at least one clip, and frames in every clip")
    delays: list[float] = []
    intervals = false_alarms = 0
    seconds = 0.0
    for clip in clips:
        seconds += _duration_s(clip.times_s)
        for start, end in _intervals(clip, rule.longest_gap_s):
            intervals += 1
            raised = np.flatnonzero(_holds(clip.found[start:end], rule))
            if len(raised):
                delays.append(float(clip.times_s[start + raised[0]] - clip.times_s[start]))
        held = _holds(clip.wrong, rule)
        false_alarms += int((held & ~np.concatenate([[False], held[:-1]])).sum())
    return AlarmMetrics(
        aatpi_s=float(np.mean(delays)) if delays else None,
        intervals=intervals,
        missed=intervals - len(delays),
        false_alarms_per_hour=false_alarms / (seconds / 3600),
        false_alarms=false_alarms,
        hours=seconds / 3600,
        delays_s=tuple(delays),
    )


def watch_clip(
    clip: Path,
    look: Look,
    *,
    truth: Mapping[int, Boxes],
    on_frame: Callable[[int, int | None], None] | None = None,
) -> WatchedClip:
    """Look at every frame of a clip.

    Args:
        clip: The video.
        look: `looks_for_objects` or `looks_for_fire`.
        truth: [N, 4] boxes in pixels of the frames in which the object is seen.
        on_frame: Called after each frame with the number done, and `None` for the unknown number of all.

    Raises:
        VideoError: If the clip cannot be decoded.
    """
    nowhere = np.zeros((0, 4), np.float32)
    times, rows = [], []
    with VideoReader(clip) as reader:
        for frame in reader:
            boxes = truth.get(frame.index, nowhere)
            found, wrong = look(frame.image, boxes)
            times.append(frame.time_s)
            rows.append((len(boxes) > 0, found, wrong))
            if on_frame is not None:
                on_frame(len(times), None)
    flags = np.array(rows, bool).reshape(-1, 3)
    return WatchedClip(np.array(times, np.float64), flags[:, 0], flags[:, 1], flags[:, 2])


def looks_for_objects(detector: ObjectDetector, *, label: str, least_iou: float) -> Look:
    """Look with a detector: a box that overlaps a true one by `least_iou` is right, any other is wrong.

    Raises:
        ConfigurationError: If the detector does not know the label.
    """
    if label not in detector.labels:
        raise ConfigurationError(f"label: the detector knows {list(detector.labels)}, got {label!r}")

    def look(image: npt.NDArray[np.uint8], truth: Boxes) -> tuple[bool, bool]:
        boxes = detector.detect(image).of(label).boxes
        right = (box_iou(boxes, truth) >= least_iou).any(1) if len(truth) else np.zeros(len(boxes), bool)
        return bool(right.any()), bool((~right).any())

    return look


def looks_for_fire(classifier: FireClassifier) -> Look:
    """Look with a fire classifier: fire in a frame without any is wrong."""

    def look(image: npt.NDArray[np.uint8], truth: Boxes) -> tuple[bool, bool]:
        burns = classifier.classify(image).probability >= classifier.threshold
        return burns and len(truth) > 0, burns and not len(truth)

    return look


def read_true_boxes(path: Path, *, label: str) -> dict[int, Boxes]:
    """Read a COCO file whose images are the frames of one video.

    Args:
        path: JSON with `images` (`id`, `frame`), `annotations` (`image_id`, `category_id`, `bbox` as x, y, width and
            height in pixels) and `categories` (`id`, `name`).
        label: Name of the category.

    Returns:
        Boxes [N, 4] as x0, y0, x1, y1, of the frames with any.

    Raises:
        DatasetError: If the file cannot be read, is laid out differently, or knows no such category.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = {entry["name"]: entry["id"] for entry in content["categories"]}
        frames = {entry["id"]: int(entry["frame"]) for entry in content["images"]}
        wanted = [
            (frames[entry["image_id"]], [float(value) for value in entry["bbox"]])
            for entry in content["annotations"]
            if entry["category_id"] == categories.get(label)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected a COCO file whose images name a `frame` ({type(error).__name__}: {error})"
        ) from error
    if label not in categories:
        raise DatasetError(f"{path}: has the categories {sorted(categories)}, not {label!r}")
    boxes: dict[int, list[list[float]]] = {}
    for frame, (x, y, width, height) in wanted:
        boxes.setdefault(frame, []).append([x, y, x + width, y + height])
    return {frame: np.array(own, np.float32) for frame, own in boxes.items()}


def _duration_s(times_s: npt.NDArray[np.float64]) -> float:
    """From the first frame to the end of the last one, which lasts as long as the median frame."""
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / 25
    return float(times_s[-1] - times_s[0]) + step


def _intervals(clip: WatchedClip, longest_gap_s: float) -> list[tuple[int, int]]:
    """Begin and end, end excluded, of the stretches in which the object is in the picture, but for short gaps."""
    stretches: list[tuple[int, int]] = []
    for index in np.flatnonzero(clip.present):
        if stretches and clip.times_s[index] - clip.times_s[stretches[-1][1] - 1] <= longest_gap_s:
            stretches[-1] = (stretches[-1][0], int(index) + 1)
        else:
            stretches.append((int(index), int(index) + 1))
    return stretches


def _holds(flags: Flags, rule: AlarmRule) -> Flags:
    """[F] whether the last n frames up to each hold k or more flags."""
    counts = np.concatenate([[0], np.cumsum(flags)])
    starts = np.maximum(np.arange(len(flags)) + 1 - rule.within, 0)
    return np.asarray(counts[1:] - counts[starts] >= rule.needed)
