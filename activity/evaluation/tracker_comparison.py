"""Every tracker on the same detections: rendered walks whose truth is exact, and any video with true boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from activity.assembly import load_detector, load_estimator, make_tracker
from activity.config import Settings
from activity.datasets.rendered.walkers import DURATION_S, WALK_KINDS, WalkKind, walking_scene
from activity.evaluation.tracking import TrueBoxes, evaluate_tracking
from activity.structures import Poses, Track
from activity.video import VideoReader

TrackerName = Literal["pose", "bytetrack"]
TRACKERS: Final[tuple[TrackerName, ...]] = get_args(TrackerName)
RENDERED_RATE_HZ: Final = 15.0

Picture = tuple[int, float, npt.NDArray[np.uint8]]
"""Frame index, time in seconds, and [H, W, 3] uint8 RGB."""
FindPoses = Callable[[npt.NDArray[np.uint8]], Poses]


@dataclass(frozen=True, slots=True)
class Walk:
    """One rendered walk.

    Attributes:
        kind: What happens.
        seed: What drew it.
        pictures: The frames, in order.
        truth: The people by index of the frame.
    """

    kind: WalkKind
    seed: int
    pictures: Sequence[Picture]
    truth: Mapping[int, TrueBoxes]


def render_walks(seeds: Iterable[int], *, kinds: Sequence[WalkKind] = WALK_KINDS) -> Iterator[Walk]:
    """Render the walks of all kinds for each seed, one at a time."""
    for seed in seeds:
        for kind in kinds:
            staged = walking_scene(kind, seed=seed)
            pictures, truth = [], {}
            for index in range(round(DURATION_S * RENDERED_RATE_HZ)):
                scene = staged.render(index / RENDERED_RATE_HZ)
                pictures.append((index, index / RENDERED_RATE_HZ, scene.image))
                truth[index] = TrueBoxes(scene.actors + 1, scene.boxes.astype(np.float64))
            yield Walk(kind, seed, pictures, truth)


def pose_finder(settings: Settings, *, threads: int) -> FindPoses:
    """Detector and pose estimator as the pipeline calls them.

    Raises:
        CheckpointError: If a network cannot be loaded.
    """
    detector, _ = load_detector(settings, threads=threads)
    estimator, _ = load_estimator(settings, threads=threads)
    return lambda image: estimator.estimate(image, detector.detect(image))


def follow_with_each(
    pictures: Iterable[Picture], find_poses: FindPoses, settings: Settings, *, frame_rate_hz: float
) -> dict[TrackerName, list[Track]]:
    """Find the people of every picture once, and let every tracker follow them."""
    trackers = {
        name: make_tracker(
            settings.model_copy(update={"tracking": settings.tracking.model_copy(update={"tracker": name})}),
            frame_rate_hz=frame_rate_hz,
        )
        for name in TRACKERS
    }
    for index, time_s, image in pictures:
        poses = find_poses(image)
        for tracker in trackers.values():
            tracker.update(frame_index=index, time_s=time_s, poses=poses, image=image)
    return {name: tracker.finish() for name, tracker in trackers.items()}


def compare_on_walks(
    walks: Iterable[Walk],
    find_poses: FindPoses,
    settings: Settings,
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> dict[str, Any]:
    """Measure every tracker on rendered walks.

    Returns:
        By kind of walk and by tracker: the means of ``hota``, ``idf1`` and ``mota``, the sums of ``id_switches``,
        ``tracks`` and ``people``, and the number of ``walks``.
    """
    results: dict[WalkKind, dict[TrackerName, list[Mapping[str, float]]]] = {}
    for number, walk in enumerate(walks, start=1):
        tracks = follow_with_each(walk.pictures, find_poses, settings, frame_rate_hz=RENDERED_RATE_HZ)
        for name in TRACKERS:
            figures = evaluate_tracking(tracks[name], walk.truth)
            results.setdefault(walk.kind, {}).setdefault(name, []).append(figures)
        progress(number)
    return {
        kind: {name: _summarize(figures) for name, figures in by_tracker.items()}
        for kind, by_tracker in results.items()
    }


def compare_on_video(
    video: Path,
    truth: Mapping[int, TrueBoxes],
    find_poses: FindPoses,
    settings: Settings,
    *,
    progress: Callable[[int], None] = lambda _done: None,
) -> dict[TrackerName, dict[str, float | int]]:
    """Measure every tracker on the frames of a video that the truth covers.

    Returns:
        What `evaluate_tracking` returns, by tracker.

    Raises:
        VideoError: If the video cannot be read.
        DatasetError: As `evaluate_tracking`.
    """
    with VideoReader(video, max_side_px=settings.video.max_side_px) as reader:

        def pictures() -> Iterator[Picture]:
            for number, frame in enumerate(islice(reader, max(truth) + 1), start=1):
                yield frame.index, frame.time_s, frame.image
                progress(number)

        tracks = follow_with_each(pictures(), find_poses, settings, frame_rate_hz=reader.info.frame_rate_hz)
    return {name: evaluate_tracking(found, truth) for name, found in tracks.items()}


def _summarize(figures: Sequence[Mapping[str, float]]) -> dict[str, float | int]:
    means = {key: float(np.mean([one[key] for one in figures])) for key in ("hota", "idf1", "mota")}
    sums = {key: int(sum(one[key] for one in figures)) for key in ("id_switches", "tracks", "people")}
    return {**means, **sums, "walks": len(figures)}
