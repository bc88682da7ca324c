"""The first pass over a clip: people, poses, weapons and fire in every sampled frame, one frame in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from activity.assembly import PERSON_LABEL, WEAPON_LABEL, Networks, make_tracker
from activity.config import Settings
from activity.detection.magnified import merge_detections
from activity.pose.hands import find_hands
from activity.structures import Detections, FireFinding, Frame, Track, VideoInfo
from activity.video import VideoReader

OnProgress = Callable[[str, int, int | None], None]
"""Called with the stage's name, the frames done, and the frames expected (or `None`)."""


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Observations:
    """What the frames of a clip told: all that the later stages need of it, and no pixels.

    Attributes:
        video: The clip as it was decoded.
        frames_decoded: Frames that could be decoded.
        frames_analysed: Frames that were sampled and looked at.
        duration_s: End of the last frame looked at, seconds from the first.
        damage: What is wrong with the file, if anything is.
        tracks: The people, followed.
        weapons: Frame number, time and boxes, of each frame with any.
        fire: Frame number, time and finding, of each examined frame; `None` where fire was not looked for.
        detected_people: Time in seconds and [P, 4] boxes of everybody detected, where heads are to be covered.
        timing_s: Wall-clock seconds by stage.
    """

    video: VideoInfo
    frames_decoded: int
    frames_analysed: int
    duration_s: float
    damage: str | None
    tracks: list[Track]
    weapons: list[tuple[int, float, Detections]]
    fire: list[tuple[int, float, FireFinding]] | None
    detected_people: list[tuple[float, npt.NDArray[np.float32]]]
    timing_s: dict[str, float]


class StageClock:
    """Wall-clock seconds spent in each stage, summed over frames."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time until the block is left."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    def each(self, stage: str, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass `frames` on, counting the time that each took to come."""
        while True:
            with self(stage):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


def observe_clip(
    clip: Path,
    settings: Settings,
    networks: Networks,
    *,
    most_frames: int | None = None,
    on_progress: OnProgress = no_progress,
) -> Observations:
    """Look at every sampled frame: find people, weapons and poses, follow the people; now and then look for fire.

    Args:
        clip: The video file.
        settings: Rates and thresholds.
        networks: What looks.
        most_frames: Stop after this many sampled frames; `None` goes to the end.
        on_progress: Told of every frame that was looked at.

    Raises:
        VideoError: If the file is no video, or is damaged and the settings do not allow that.
    """
    clock = StageClock()
    video = settings.video
    weapons: list[tuple[int, float, Detections]] = []
    fire: list[tuple[int, float, FireFinding]] = []
    detected_people: list[tuple[float, npt.NDArray[np.float32]]] = []
    next_fire_s = next_weapon_s = -np.inf
    weapon_looks = 0
    frames_analysed, duration_s = 0, 0.0
    with VideoReader(
        clip,
        sample_rate_hz=video.sample_rate_hz,
        max_side_px=video.max_side_px,
        allow_damaged=video.allow_damaged,
    ) as reader:
        info = reader.info
        rate_hz = min(video.sample_rate_hz or info.frame_rate_hz, info.frame_rate_hz)
        expected = None if info.duration_s is None else max(1, round(info.duration_s * rate_hz))
        tracker = make_tracker(settings, frame_rate_hz=rate_hz)
        for frame in clock.each("decode", islice(reader, most_frames)):
            with clock("detect"):
                detections = networks.detector.detect(frame.image)
            with clock("pose"):
                poses = networks.estimator.estimate(frame.image, detections)
            with clock("track"):
                tracker.update(frame_index=frame.index, time_s=frame.time_s, poses=poses, image=frame.image)
            if frame.time_s >= next_weapon_s - 1e-6:
                with clock("weapons"):
                    found = detections.of(WEAPON_LABEL)
                    if networks.closeup is not None:
                        keep = poses.scores >= settings.pose.person_score
                        hands = find_hands(poses.keypoints[keep], poses.boxes[keep])
                        closely = networks.closeup.look(
                            frame.image, poses.boxes[keep], hands, turn=weapon_looks
                        )
                        found = merge_detections([found, closely])
                if len(found):
                    weapons.append((frame.index, frame.time_s, found))
                weapon_looks += 1
                next_weapon_s = frame.time_s + 1 / settings.detector.weapon_rate_hz
            if settings.output.redact:
                detected_people.append((frame.time_s, detections.of(PERSON_LABEL).boxes))
            if networks.fire is not None and frame.time_s >= next_fire_s - 1e-6:
                with clock("fire"):
                    fire.append((frame.index, frame.time_s, networks.fire.classify(frame.image)))
                next_fire_s = frame.time_s + 1 / settings.fire.rate_hz
            frames_analysed += 1
            duration_s = frame.time_s + 1 / info.frame_rate_hz
            on_progress("analyse", frames_analysed, expected)
        with clock("track"):
            tracks = tracker.finish()
        return Observations(
            video=info,
            frames_decoded=reader.frames_decoded,
            frames_analysed=frames_analysed,
            duration_s=duration_s,
            damage=reader.damage,
            tracks=tracks,
            weapons=weapons,
            fire=None if networks.fire is None else fire,
            detected_people=detected_people,
            timing_s=clock.seconds,
        )
