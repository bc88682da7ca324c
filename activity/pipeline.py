"""The chain, written once: frames to poses to tracks to tubelets to scores to alerts to a report.

A clip is decoded twice, one frame in memory at a time: first to analyse it, then to draw what was found, since a
person's activity is known only when the person's segment is over. Between the two passes only tracks, scores and
weapon boxes are kept, so memory does not grow with the pixels of the clip.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from activity.alerts import AlertMessage, ClipReference, JsonLinesSink
from activity.assembly import WEAPON_LABEL, Networks, load_networks, make_tracker
from activity.config import Settings
from activity.errors import OutputError
from activity.fusion.clip_summary import summarize_clip
from activity.fusion.rules import ActivityRule, raise_alerts
from activity.report import (
    ClipAnalysis,
    KeyFrame,
    KeyFrameCollector,
    OverlayRenderer,
    Part,
    key_frame_requests,
    read_head,
    write_html,
    write_json,
)
from activity.structures import ActivityScore, Detections, Frame, Track, VideoInfo
from activity.tubelets import TubeletSettings, make_tubelets
from activity.video import VideoReader, VideoWriter, sha256_of

_NOT_ANALYSED: Final[dict[Part, str]] = {
    "holders": "Who holds a weapon is not determined by this version.",
    "fire": "This version has no fire classifier.",
}
OnProgress = Callable[[str, int, int | None], None]
"""Called with the stage's name, the frames done, and the frames expected (or `None`)."""


def _no_progress(stage: str, done: int, total: int | None) -> None:
    pass


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
        timing_s: Wall-clock seconds by stage.
    """

    video: VideoInfo
    frames_decoded: int
    frames_analysed: int
    duration_s: float
    damage: str | None
    tracks: list[Track]
    weapons: list[tuple[int, float, Detections]]
    timing_s: dict[str, float]


class _StageClock:
    """Wall-clock seconds spent in each stage, summed over frames."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
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


class Pipeline:
    """The loaded networks and the rules; one instance analyses any number of clips, one after the other."""

    def __init__(self, settings: Settings, networks: Networks) -> None:
        self._settings = settings
        self._networks = networks
        self._rules = tuple(ActivityRule(**rule.model_dump()) for rule in settings.fusion.rules)
        self._tubelet_settings = TubeletSettings.from_mapping(networks.recognizer.tubelet_settings)
        if settings.recognition.stride is not None:
            self._tubelet_settings = replace(self._tubelet_settings, stride=settings.recognition.stride)

    @classmethod
    def from_settings(cls, settings: Settings) -> Pipeline:
        """Load every network that `settings` names.

        Raises:
            CheckpointError: If a checkpoint is missing, damaged, or of another kind.
        """
        return cls(settings, load_networks(settings))

    def analyze(self, clip: Path, *, on_progress: OnProgress = _no_progress) -> ClipAnalysis:
        """Analyse one clip; nothing is written.

        Args:
            clip: The video file.
            on_progress: Told of every frame that was looked at.

        Returns:
            Everything found. Times are seconds from the first frame, coordinates pixels of the analysed frames:
            the clip's own, unless the settings' `max_side_px` scaled them.

        Raises:
            VideoError: If the file is no video, or is damaged and the settings do not allow that.
        """
        clock = _StageClock()
        with clock("hash"):
            sha256 = sha256_of(clip)
        seen = self.observe(clip, on_progress=on_progress)
        with clock("recognize"):
            activities = self.recognize(seen.tracks)
        with clock("fuse"):
            analysis = self.conclude(seen, activities, sha256=sha256)
        return replace(analysis, timing_s={**seen.timing_s, **clock.seconds})

    def observe(
        self, clip: Path, *, most_frames: int | None = None, on_progress: OnProgress = _no_progress
    ) -> Observations:
        """Look at every sampled frame: find people, weapons and poses, and follow the people.

        Args:
            clip: The video file.
            most_frames: Stop after this many sampled frames; `None` goes to the end.
            on_progress: Told of every frame that was looked at.

        Raises:
            VideoError: As `analyze`.
        """
        clock = _StageClock()
        video = self._settings.video
        weapons: list[tuple[int, float, Detections]] = []
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
            tracker = make_tracker(self._settings, frame_rate_hz=rate_hz)
            for frame in clock.each("decode", islice(reader, most_frames)):
                with clock("detect"):
                    detections = self._networks.detector.detect(frame.image)
                with clock("pose"):
                    poses = self._networks.estimator.estimate(frame.image, detections)
                with clock("track"):
                    tracker.update(frame_index=frame.index, time_s=frame.time_s, poses=poses)
                found = detections.of(WEAPON_LABEL)
                if len(found):
                    weapons.append((frame.index, frame.time_s, found))
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
                timing_s=clock.seconds,
            )

    def recognize(self, tracks: Sequence[Track]) -> list[ActivityScore]:
        """Name what each of the people does, segment by segment."""
        tubelets = [t for track in tracks for t in make_tubelets(track, self._tubelet_settings)]
        return self._networks.recognizer.recognize(tubelets, attention=self._settings.recognition.attention)

    def conclude(
        self, seen: Observations, activities: Sequence[ActivityScore], *, sha256: str
    ) -> ClipAnalysis:
        """Join what was seen and recognised: the summary of the clip, and the alerts that the rules raise.

        Args:
            seen: What `observe` returned.
            activities: What `recognize` returned for the tracks in it.
            sha256: Of the clip's file, for the report.
        """
        return ClipAnalysis(
            video=seen.video,
            sha256=sha256,
            frames_decoded=seen.frames_decoded,
            frames_analysed=seen.frames_analysed,
            duration_s=seen.duration_s,
            damage=seen.damage,
            tracks=seen.tracks,
            activities=activities,
            summary=summarize_clip(activities),
            detections=seen.weapons,
            holders=None,
            fire=None,
            alerts=raise_alerts(activities, self._rules),
            models=tuple(self._networks.models),
            timing_s=seen.timing_s,
            settings=self._settings.model_dump(mode="json"),
            warnings=_warnings(seen, activities),
            not_analysed=dict(_NOT_ANALYSED),
            notice=f"The file says of itself: {seen.video.comment}" if seen.video.comment else None,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def write(
        self,
        analysis: ClipAnalysis,
        directory: Path,
        *,
        alerts_file: Path | None = None,
        on_progress: OnProgress = _no_progress,
    ) -> None:
        """Write the report of one analysis.

        Args:
            analysis: What `analyze` returned.
            directory: Gets annotated.mp4, report.html and, last, report.json; made if it is missing.
            alerts_file: JSON lines to which the alerts are appended.
            on_progress: Told of every frame that was drawn.

        Raises:
            OutputError: If something cannot be written.
            VideoError: If the clip can no longer be read.
        """
        make_folder(directory)
        clock = _StageClock()
        with clock("annotate"):
            key_frames = self._draw(analysis, directory, on_progress)
        analysis = replace(analysis, timing_s={**analysis.timing_s, **clock.seconds})
        if self._settings.output.html:
            write_html(
                analysis,
                directory / "report.html",
                key_frames=key_frames,
                video=directory / "annotated.mp4" if self._settings.output.annotated_video else None,
            )
        if alerts_file is not None:
            sink = JsonLinesSink(alerts_file)
            reference = ClipReference(path=str(analysis.video.path), sha256=analysis.sha256)
            made_at = (
                datetime.fromisoformat(analysis.created_at) if analysis.created_at else datetime.now(UTC)
            )
            for alert in analysis.alerts:
                sink.send(AlertMessage.of_clip(alert, clip=reference, sent_at=made_at))
        # Last, so that a report.json says that all the rest is there: `is_done` builds on it.
        write_json(analysis, directory / "report.json")

    def is_done(self, clip: Path, directory: Path) -> bool:
        """Whether `directory` holds a finished report of this clip, made with these networks and settings."""
        path = directory / "report.json"
        if not path.is_file():
            return False
        try:
            report = read_head(path)
        except OutputError:
            return False
        return (
            report.clip.sha256 == sha256_of(clip)
            and report.settings == self._settings.model_dump(mode="json")
            and [model.sha256 for model in report.models] == [model.sha256 for model in self._networks.models]
        )

    def _draw(self, analysis: ClipAnalysis, directory: Path, on_progress: OnProgress) -> list[KeyFrame]:
        """Second pass: every frame of the clip with what was found in it; the report's key frames come back."""
        output = self._settings.output
        if not (output.annotated_video or output.html):
            return []
        info = analysis.video
        overlay = OverlayRenderer(analysis)
        key_frames = KeyFrameCollector(key_frame_requests(analysis))
        with ExitStack() as stack:
            reader = stack.enter_context(
                VideoReader(
                    info.path,
                    max_side_px=self._settings.video.max_side_px,
                    allow_damaged=self._settings.video.allow_damaged,
                )
            )
            writer = None
            if output.annotated_video:
                writer = stack.enter_context(
                    VideoWriter(
                        directory / "annotated.mp4",
                        width=info.width,
                        height=info.height,
                        frame_rate_hz=info.frame_rate_hz,
                    )
                )
            for number, frame in enumerate(reader, start=1):
                image = overlay.draw(frame.image, frame.time_s, frame.index)
                key_frames.offer(image, frame.time_s)
                if writer is not None:
                    writer.write(image, frame.time_s)
                on_progress("draw", number, analysis.frames_decoded)
        return key_frames.finish()


def make_folder(path: Path) -> Path:
    """Make a folder for results and check that it can be written to.

    Raises:
        OutputError: If it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot make this output folder: {error.strerror}; name another"
        ) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path}: this output folder cannot be written to; name another or change its permissions"
        )
    return path


def _warnings(seen: Observations, activities: Sequence[ActivityScore]) -> list[str]:
    warnings, info = [], seen.video
    if seen.damage is not None:
        warnings.append(
            f"The file is damaged ({seen.damage}); only its {seen.frames_decoded} good frames were analysed."
        )
    if info.scaled_from is not None:
        width, height = info.scaled_from
        warnings.append(
            f"The frames of {width}x{height} pixels were scaled to {info.width}x{info.height} before the analysis; "
            "all coordinates are in the scaled frames."
        )
    if not seen.tracks:
        warnings.append("No person was found in the clip.")
    else:
        judged = {activity.track_id for activity in activities}
        unjudged = sum(1 for track in seen.tracks if track.track_id not in judged)
        if unjudged:
            warnings.append(
                f"{unjudged} of {len(seen.tracks)} people were seen too briefly to judge what they do."
            )
    return warnings
