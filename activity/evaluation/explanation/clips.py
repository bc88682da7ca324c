"""The people of a clip and the pictures that a segment came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from activity.config import Settings
from activity.errors import VideoError
from activity.evaluation.explanation.segment_figures import PosedFrame
from activity.pipeline import Pipeline
from activity.report import read_report
from activity.report.interpolation import pose_at
from activity.structures import Frame, Track, Tubelet
from activity.video import VideoReader

_MARGIN: Final = 0.18
_SMALLEST_SIDE_PX: Final = 48


@dataclass(frozen=True, slots=True)
class FollowedClip:
    """A clip with its people.

    Attributes:
        path: The video.
        tracks: In pixels of frames whose longer side is at most `max_side_px`.
        max_side_px: As the analysis scaled them.
        max_gap_s: How long a person may be unseen between two poses.
    """

    path: Path
    tracks: Sequence[Track]
    max_side_px: int
    max_gap_s: float


def follow_clip(
    source: Path,
    settings: Settings,
    *,
    clip: Path | None = None,
    on_progress: Callable[[str, int, int | None], None] = lambda _stage, _done, _total: None,
) -> FollowedClip:
    """Follow the people of a clip, or read them from the report of an earlier analysis.

    Args:
        source: A video, or a ``report.json``.
        settings: Of the analysis of a video.
        clip: The video of a report whose own path does not lead to it.
        on_progress: Told of every frame of a video.

    Raises:
        VideoError: If there is no such video.
        OutputError: If `source` ends in ``.json`` and is no report.
    """
    if source.suffix.lower() != ".json":
        tracks = Pipeline.from_settings(settings).observe(source, on_progress=on_progress).tracks
        return FollowedClip(source, tracks, settings.video.max_side_px, settings.tracking.max_gap_s)
    report = read_report(source)
    path = clip or Path(report.clip.path)
    if not path.is_file():
        raise VideoError(path, f"the clip of {source} is not there; say where it is with --clip FILE")
    return FollowedClip(
        path,
        [entry.to_track() for entry in report.tracks],
        int(_setting(report.settings, "video", "max_side_px", settings.video.max_side_px)),
        float(_setting(report.settings, "tracking", "max_gap_s", settings.tracking.max_gap_s)),
    )


def _setting(made_with: Mapping[str, Any], section: str, name: str, default: float) -> float:
    """A number among the settings of a report, which another version may have written."""
    values = made_with.get(section)
    value = values.get(name) if isinstance(values, dict) else None
    return default if isinstance(value, bool) or not isinstance(value, int | float) else value


def frame_times(tubelet: Tubelet, frame_rate_hz: float | None) -> npt.NDArray[np.float64]:
    """When each of the segment's T frames was, seconds in the clip; held frames are at the last real one."""
    if frame_rate_hz is None:
        return np.linspace(tubelet.start_s, tubelet.end_s, tubelet.frames)
    return np.minimum(tubelet.start_s + np.arange(tubelet.frames) / frame_rate_hz, tubelet.end_s)


def posed_frames(
    clip: FollowedClip,
    track: Track,
    times_s: npt.NDArray[np.float64],
    spans: Sequence[tuple[int, int]],
    *,
    most: int = 6,
) -> list[PosedFrame]:
    """The person in pictures spread over a segment, all cut out by one window.

    Args:
        clip: The clip.
        track: The person.
        times_s: [T], of `frame_times`.
        spans: First and last frame of each tubelet.
        most: Pictures at most; each is from the middle of a tubelet.

    Raises:
        VideoError: If the clip cannot be read, or has none of the pictures.
    """
    starts = sorted({span: index for index, span in reversed(list(enumerate(spans)))}.items())
    picks = [
        starts[at]
        for at in np.unique(np.linspace(0, len(starts) - 1, min(most, len(starts))).round().astype(int))
    ]
    wanted = [((first + last) // 2, index) for (first, last), index in picks]
    images = _frames_at(clip, [float(times_s[frame]) for frame, _ in wanted])
    found = []
    for (number, tubelet), frame in zip(wanted, images, strict=True):
        pose = pose_at(track, time_s=frame.time_s, frame_index=frame.index, max_gap_s=clip.max_gap_s)
        if pose is not None:
            found.append((number, tubelet, frame, pose.keypoints))
    if not found:
        raise VideoError(clip.path, f"person {track.track_id} is in none of the segment's pictures")
    points = np.concatenate([keypoints[keypoints[:, 2] > 0, :2] for *_, keypoints in found])
    x0, y0, x1, y1 = _window(points, found[0][2])
    cut = []
    for number, tubelet, frame, keypoints in found:
        moved = keypoints.copy()
        moved[:, :2] -= (x0, y0)
        cut.append(PosedFrame(number, tubelet, frame.time_s, frame.image[y0:y1, x0:x1], moved))
    return cut


def _window(points: npt.NDArray[np.float32], frame: Frame) -> tuple[int, int, int, int]:
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    height = max(float((high - low)[1]), float((high - low)[0]) * 1.25, _SMALLEST_SIDE_PX) * (1 + 2 * _MARGIN)
    half = np.array([height * 0.4, height * 0.5])
    x0, y0 = np.maximum(np.floor(middle - half), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(middle + half), (frame.width, frame.height)).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _frames_at(clip: FollowedClip, times_s: Sequence[float]) -> list[Frame]:
    """The picture nearest to each time; `times_s` rise."""
    nearest: list[Frame | None] = [None] * len(times_s)
    with VideoReader(clip.path, max_side_px=clip.max_side_px, allow_damaged=True) as reader:
        for frame in reader:
            for place, time_s in enumerate(times_s):
                best = nearest[place]
                if best is None or abs(frame.time_s - time_s) < abs(best.time_s - time_s):
                    nearest[place] = frame
            if frame.time_s > times_s[-1]:
                break
    if any(frame is None for frame in nearest):
        raise VideoError(clip.path, "expected a picture, found none")
    return [frame for frame in nearest if frame is not None]
