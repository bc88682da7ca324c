"""The first pass over a clip: people, poses, weapons, fire and motion in the sampled frames, one in memory at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from activity.assembly import PERSON_LABEL, WEAPON_LABEL, Networks, make_tracker
from activity.config import Settings
from activity.detection.magnified import merge_detections
from activity.lookahead import work_ahead
from activity.motion import FramePair, MotionSampler, measure_motion
from activity.pose.hands import find_hands
from activity.structures import (
    MOTION_MEASURES,
    Detections,
    FireFinding,
    Frame,
    Poses,
    SceneMotion,
    Track,
    VideoInfo,
)
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
        motion: How the picture moved; `None` where that was not measured.
        detected_people: Time in seconds and [P, 4] boxes of everybody detected, where heads are to be covered.
        timing_s: Wall-clock seconds by stage, as `StageClock` counts them.
    """

    video: VideoInfo
    frames_decoded: int
    frames_analysed: int
    duration_s: float
    damage: str | None
    tracks: list[Track]
    weapons: list[tuple[int, float, Detections]]
    fire: list[tuple[int, float, FireFinding]] | None
    motion: SceneMotion | None
    detected_people: list[tuple[float, npt.NDArray[np.float32]]]
    timing_s: dict[str, float]


class StageClock:
    """Wall-clock seconds spent in each stage, summed over frames.

    Where stages run at once in several threads, each instant is divided evenly among those that run: the stages
    together never take longer than the clock on the wall.

    Args:
        now: Tells the time in seconds.

    Attributes:
        seconds: By stage, so far.
    """

    def __init__(self, *, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self.seconds: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        self._changed_s = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the time until the block is left."""
        self._switch(stage, 1)
        try:
            yield
        finally:
            self._switch(stage, -1)

    def _switch(self, stage: str, change: int) -> None:
        with self._lock:
            now_s = self._now()
            running = self._running.total()
            for name, count in self._running.items():
                self.seconds[name] += (now_s - self._changed_s) * count / running
            self._changed_s = now_s
            self._running[stage] += change
            if not self._running[stage]:
                del self._running[stage]
            self.seconds.setdefault(stage, 0.0)

    def each(self, stage: str, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass `frames` on, counting the time that each took to come."""
        while True:
            with self(stage):
                frame = next(frames, None)
            if frame is None:
                return
            yield frame


@dataclass(frozen=True, slots=True)
class _Task:
    """A frame, and which of the rarer looks are due at it.

    Attributes:
        frame: The frame.
        weapon_turn: Number of the look for weapons; `None` where none is due.
        fire: Whether to look for fire.
        motion: This frame and an earlier one, where they are to be compared.
    """

    frame: Frame
    weapon_turn: int | None
    fire: bool
    motion: FramePair | None


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one frame tells without those before it.

    Attributes:
        detections: Everything that the detector found.
        poses: The people.
        weapons: What a look for weapons found; `None` where none was due.
        fire: What a look for fire found; `None` where none was due.
        motion: [17], how the picture moved since an earlier frame; `None` where they were not compared.
    """

    detections: Detections
    poses: Poses
    weapons: Detections | None
    fire: FireFinding | None
    motion: npt.NDArray[np.float32] | None


def observe_clip(
    clip: Path,
    settings: Settings,
    networks: Networks,
    *,
    most_frames: int | None = None,
    on_progress: OnProgress = no_progress,
) -> Observations:
    """Look at every sampled frame: find people, weapons and poses, follow the people; now and then look for fire.

    As many frames are looked at at once as `networks` say; people are followed in the order of the frames, so that the
    result is the same whatever their number.

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
    motion: list[tuple[float, npt.NDArray[np.float32]]] = []
    detected_people: list[tuple[float, npt.NDArray[np.float32]]] = []
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
        tasks = _schedule(clock.each("decode", islice(reader, most_frames)), settings, networks)
        look = partial(_look, settings=settings, networks=networks, clock=clock)
        with work_ahead(look, tasks, workers=networks.frames_at_once) as sights:
            for task, sight in sights:
                frame = task.frame
                with clock("track"):
                    tracker.update(
                        frame_index=frame.index, time_s=frame.time_s, poses=sight.poses, image=frame.image
                    )
                if sight.weapons is not None and len(sight.weapons):
                    weapons.append((frame.index, frame.time_s, sight.weapons))
                if sight.fire is not None:
                    fire.append((frame.index, frame.time_s, sight.fire))
                if sight.motion is not None:
                    motion.append((frame.time_s, sight.motion))
                if settings.output.redact:
                    detected_people.append((frame.time_s, sight.detections.of(PERSON_LABEL).boxes))
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
            motion=_scene_motion(motion) if settings.recognition.scene_motion else None,
            detected_people=detected_people,
            timing_s=clock.seconds,
        )


def _schedule(frames: Iterator[Frame], settings: Settings, networks: Networks) -> Iterator[_Task]:
    """Say for each frame which of the rarer looks are due, by the rates of the settings."""
    next_fire_s = next_weapon_s = -np.inf
    weapon_looks = 0
    pairs = MotionSampler() if settings.recognition.scene_motion else None
    for frame in frames:
        weapon_turn = None
        if frame.time_s >= next_weapon_s - 1e-6:
            weapon_turn = weapon_looks
            weapon_looks += 1
            next_weapon_s = frame.time_s + 1 / settings.detector.weapon_rate_hz
        fire = networks.fire is not None and bool(frame.time_s >= next_fire_s - 1e-6)
        if fire:
            next_fire_s = frame.time_s + 1 / settings.fire.rate_hz
        pair = None if pairs is None else pairs.pair(frame.image, frame.time_s)
        yield _Task(frame, weapon_turn, fire, pair)


def _look(task: _Task, *, settings: Settings, networks: Networks, clock: StageClock) -> _Sight:
    """Look at one frame; several threads do so at once."""
    image = task.frame.image
    with clock("detect"):
        detections = networks.detector.detect(image)
    with clock("pose"):
        poses = networks.estimator.estimate(image, detections)
    weapons = fire = None
    if task.weapon_turn is not None:
        with clock("weapons"):
            if networks.pyramid is not None:
                detections = networks.pyramid.complete(image, detections)
            weapons = detections.of(WEAPON_LABEL)
            if networks.closeup is not None:
                keep = poses.scores >= settings.pose.person_score
                hands = find_hands(poses.keypoints[keep], poses.boxes[keep])
                closely = networks.closeup.look(image, poses.boxes[keep], hands, turn=task.weapon_turn)
                weapons = merge_detections([weapons, closely])
    if task.fire and networks.fire is not None:
        with clock("fire"):
            fire = networks.fire.classify(image)
    motion = None
    if task.motion is not None:
        with clock("motion"):
            motion = measure_motion(task.motion)
    return _Sight(detections, poses, weapons, fire, motion)


def _scene_motion(rows: Sequence[tuple[float, npt.NDArray[np.float32]]]) -> SceneMotion:
    measures = np.array([row for _, row in rows], np.float32).reshape(-1, len(MOTION_MEASURES))
    return SceneMotion(np.array([time_s for time_s, _ in rows], np.float64), measures)
