"""The chain, written once: frames to poses to tracks to tubelets to scores to alerts to a report.

A clip is decoded twice, one frame in memory at a time: first to analyse it, then to draw what was found, since a
person's activity is known only when the person's segment is over. Between the two passes only tracks, scores and
weapon boxes are kept, so memory does not grow with the pixels of the clip.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from activity.alerts import ClipReference, JsonLinesSink
from activity.config import Settings, embedded_checkpoint
from activity.detection.detector import ObjectDetector
from activity.detection.yolox import YoloxDetector
from activity.errors import OutputError
from activity.fusion.clip_summary import summarize_clip
from activity.fusion.rules import ActivityRule, raise_alerts
from activity.pose.estimator import PoseEstimator
from activity.pose.topdown import TopDownEstimator
from activity.recognition.recognizer import Recognizer
from activity.report import (
    ClipAnalysis,
    KeyFrame,
    KeyFrameCollector,
    ModelInfo,
    OverlayRenderer,
    Part,
    key_frame_requests,
    read_head,
    write_html,
    write_json,
)
from activity.structures import ActivityScore, Detections, Frame, Poses, Track, VideoInfo
from activity.tracking import ByteTrackPoseTracker, PoseTracker
from activity.tubelets import TubeletSettings, make_tubelets
from activity.video import VideoReader, VideoWriter, sha256_of

DETECTOR_CHECKPOINT: Final = "detector_person_weapon.onnx"
TOPDOWN_CHECKPOINT: Final = "pose_topdown.onnx"
OPENPIFPAF_CHECKPOINT: Final = "openpifpaf_rendered.safetensors"
RECOGNIZER_CHECKPOINT: Final = "recognizer_fighting.safetensors"
PERSON_LABEL: Final = "person"
WEAPON_LABEL: Final = "weapon"

_NOT_ANALYSED: Final[dict[Part, str]] = {
    "holders": "Who holds a weapon is not determined by this version.",
    "fire": "This version has no fire classifier.",
}
_WHY_TOPDOWN: Final = "Embedded default: trained on real surveillance people, and on those the better of our two pose estimators."
_WHY_OPENPIFPAF: Final = "Chosen by the user. Our own OpenPifPaf checkpoint has seen rendered people only."

OnProgress = Callable[[str, int, int | None], None]
"""Called with the stage's name, the frames done, and the frames expected (or `None`)."""


def _no_progress(stage: str, done: int, total: int | None) -> None:
    pass


class _Tracker(Protocol):
    def update(self, *, frame_index: int, time_s: float, poses: Poses) -> npt.NDArray[np.int64]: ...

    def finish(self) -> list[Track]: ...


@dataclass(slots=True)
class _Observations:
    """What the first pass over a clip leaves behind."""

    frames_decoded: int = 0
    frames_analysed: int = 0
    duration_s: float = 0.0
    weapons: list[tuple[int, float, Detections]] = field(default_factory=list)
    tracks: list[Track] = field(default_factory=list)
    damage: str | None = None


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

    def __init__(
        self,
        *,
        settings: Settings,
        detector: ObjectDetector,
        estimator: PoseEstimator,
        recognizer: Recognizer,
        models: Sequence[ModelInfo],
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._estimator = estimator
        self._recognizer = recognizer
        self._models = tuple(models)
        self._rules = tuple(ActivityRule(**rule.model_dump()) for rule in settings.fusion.rules)
        self._tubelet_settings = TubeletSettings.from_mapping(recognizer.tubelet_settings)
        if settings.recognition.stride is not None:
            self._tubelet_settings = replace(self._tubelet_settings, stride=settings.recognition.stride)

    @classmethod
    def from_settings(cls, settings: Settings) -> Pipeline:
        """Load every network that `settings` names.

        Raises:
            CheckpointError: If a checkpoint is missing, damaged, or of another kind.
        """
        threads = settings.threads or os.cpu_count() or 1
        detector, detector_model = load_detector(settings, threads=threads)
        estimator, pose_model = load_estimator(settings, threads=threads)
        path = settings.recognition.checkpoint or embedded_checkpoint(RECOGNIZER_CHECKPOINT)
        recognizer = Recognizer.load(path, threads=threads)
        note = f"Knows {len(recognizer.classes)} classes: {', '.join(recognizer.classes)}."
        return cls(
            settings=settings,
            detector=detector,
            estimator=estimator,
            recognizer=recognizer,
            models=(
                detector_model,
                pose_model,
                ModelInfo(path.stem, "recognition", path.name, recognizer.sha256, note),
            ),
        )

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
        info, seen = self._observe(clip, clock, on_progress)
        with clock("recognize"):
            tubelets = [t for track in seen.tracks for t in make_tubelets(track, self._tubelet_settings)]
            activities = self._recognizer.recognize(tubelets, attention=self._settings.recognition.attention)
        with clock("fuse"):
            summary = summarize_clip(activities)
            alerts = raise_alerts(activities, self._rules)
        return ClipAnalysis(
            video=info,
            sha256=sha256,
            frames_decoded=seen.frames_decoded,
            frames_analysed=seen.frames_analysed,
            duration_s=seen.duration_s,
            damage=seen.damage,
            tracks=seen.tracks,
            activities=activities,
            summary=summary,
            detections=seen.weapons,
            holders=None,
            fire=None,
            alerts=alerts,
            models=self._models,
            timing_s=clock.seconds,
            settings=self._settings.model_dump(mode="json"),
            warnings=_warnings(info, seen, activities),
            not_analysed=dict(_NOT_ANALYSED),
            notice=f"The file says of itself: {info.comment}" if info.comment else None,
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
            for alert in analysis.alerts:
                sink.send(alert, clip=reference)
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
            and [model.sha256 for model in report.models] == [model.sha256 for model in self._models]
        )

    def follow(
        self, clip: Path, *, frames: int | None = None, on_progress: OnProgress = _no_progress
    ) -> list[Track]:
        """Follow the people of a clip, without naming what they do.

        Args:
            clip: The video file.
            frames: Stop after this many sampled frames; `None` goes to the end.
            on_progress: Told of every frame that was looked at.

        Raises:
            VideoError: As `analyze`.
        """
        return self._observe(clip, _StageClock(), on_progress, most_frames=frames)[1].tracks

    def _observe(
        self, clip: Path, clock: _StageClock, on_progress: OnProgress, *, most_frames: int | None = None
    ) -> tuple[VideoInfo, _Observations]:
        """First pass: every sampled frame through detector, pose estimator and tracker."""
        seen = _Observations()
        video = self._settings.video
        with VideoReader(
            clip,
            sample_rate_hz=video.sample_rate_hz,
            max_side_px=video.max_side_px,
            allow_damaged=video.allow_damaged,
        ) as reader:
            info = reader.info
            rate_hz = min(video.sample_rate_hz or info.frame_rate_hz, info.frame_rate_hz)
            expected = None if info.duration_s is None else max(1, round(info.duration_s * rate_hz))
            tracker = self._make_tracker(rate_hz)
            for frame in clock.each("decode", islice(reader, most_frames)):
                with clock("detect"):
                    detections = self._detector.detect(frame.image)
                with clock("pose"):
                    poses = self._estimator.estimate(frame.image, detections)
                with clock("track"):
                    tracker.update(frame_index=frame.index, time_s=frame.time_s, poses=poses)
                weapons = detections.of(WEAPON_LABEL)
                if len(weapons):
                    seen.weapons.append((frame.index, frame.time_s, weapons))
                seen.frames_analysed += 1
                seen.duration_s = frame.time_s + 1 / info.frame_rate_hz
                on_progress("analyse", seen.frames_analysed, expected)
            seen.frames_decoded = reader.frames_decoded
            seen.damage = reader.damage
        with clock("track"):
            seen.tracks = tracker.finish()
        return info, seen

    def _make_tracker(self, rate_hz: float) -> _Tracker:
        tracking, score = self._settings.tracking, self._settings.pose.person_score
        match tracking.tracker:
            case "pose":
                return PoseTracker(
                    frame_rate_hz=rate_hz,
                    max_gap_s=tracking.max_gap_s,
                    high_score=score,
                    low_score=score / 2,
                )
            case "bytetrack":
                return ByteTrackPoseTracker(
                    frame_rate_hz=rate_hz, max_gap_s=tracking.max_gap_s, high_score=score, start_score=score
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


def load_detector(settings: Settings, *, threads: int) -> tuple[YoloxDetector, ModelInfo]:
    """Load the person and weapon detector that `settings` names.

    Raises:
        CheckpointError: If the file is missing, damaged, no detector, or knows no people.
    """
    path = settings.detector.checkpoint or embedded_checkpoint(DETECTOR_CHECKPOINT)
    scores = {PERSON_LABEL: settings.detector.person_score}
    if settings.detector.weapon_score is not None:
        scores[WEAPON_LABEL] = settings.detector.weapon_score
    detector = YoloxDetector(
        path,
        input_size=settings.detector.long_side_px,
        score_threshold=scores,
        threads=threads,
    )
    return detector, ModelInfo(
        path.stem, "detection", path.name, detector.sha256, "One pass finds people and weapons."
    )


def load_estimator(settings: Settings, *, threads: int) -> tuple[PoseEstimator, ModelInfo]:
    """Load the pose estimator that `settings` names.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or of another kind.
    """
    pose = settings.pose
    match pose.estimator:
        case "topdown":
            path = Path(pose.checkpoint) if pose.checkpoint else embedded_checkpoint(TOPDOWN_CHECKPOINT)
            topdown = TopDownEstimator(path, keypoint_threshold=pose.keypoint_score, threads=threads)
            note = "Chosen by the user." if pose.checkpoint else _WHY_TOPDOWN
            return topdown, ModelInfo(path.stem, "pose", path.name, topdown.sha256, note)
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


def _warnings(info: VideoInfo, seen: _Observations, activities: Sequence[ActivityScore]) -> list[str]:
    warnings = []
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
