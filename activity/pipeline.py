"""The chain, written once: frames to poses to tracks to tubelets to scores to alerts to a report.

A clip is decoded twice, one frame in memory at a time: first to analyse it, then to draw what was found, since a
person's activity is known only when the person's segment is over. Between the two passes only tracks, scores and
weapon boxes are kept, so memory does not grow with the pixels of the clip.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

from activity.alerts import AlertMessage, ClipReference, JsonLinesSink
from activity.assembly import Networks, load_networks
from activity.config import Settings
from activity.errors import OutputError
from activity.fusion.clip_summary import ClipVerdict, summarize_clip
from activity.fusion.findings import Episode, SceneFindings
from activity.fusion.incidents import check_applicable, raise_alerts
from activity.observation import Observations, OnProgress, StageClock, no_progress, observe_clip
from activity.playback import ANNOTATED_VIDEO, draw_clip
from activity.recognition.clip_model import CLIP_RULE, with_scores
from activity.report import ClipAnalysis, FireReading, Part, read_head, write_html, write_json
from activity.scene import clip_windows, find_aims, find_armed_postures, find_holders, judge_fire
from activity.structures import ActivityScore, SceneMotion, Track
from activity.tubelets import TubeletSettings, make_tubelets
from activity.video import sha256_of

_SEGMENTS_AT_ONCE: Final = 256
"""Cut from tracks and recognised: all of a long clip's would fill the memory with grids."""

__all__ = ["Observations", "OnProgress", "Pipeline", "make_folder"]


class Pipeline:
    """The loaded networks and the rules; one instance analyses any number of clips, one after the other."""

    def __init__(self, settings: Settings, networks: Networks) -> None:
        self._settings = settings
        self._networks = networks
        self._camera = None if settings.camera is None else settings.cameras[settings.camera]
        check_applicable(
            settings.fusion.rules,
            camera=self._camera,
            camera_name=settings.camera,
            started_at=settings.recorded_at,
            classes=networks.recognizer.classes,
            floors=networks.score_floors,
        )
        self._tubelet_settings = TubeletSettings.from_mapping(networks.recognizer.tubelet_settings)
        if settings.recognition.stride is not None:
            self._tubelet_settings = replace(self._tubelet_settings, stride=settings.recognition.stride)

    @classmethod
    def from_settings(cls, settings: Settings) -> Pipeline:
        """Load every network that `settings` names.

        Raises:
            CheckpointError: If a checkpoint is missing, damaged, or of another kind.
            ConfigurationError: If a rule, a zone or a threshold could not take effect.
        """
        return cls(settings, load_networks(settings))

    def analyze(self, clip: Path, *, on_progress: OnProgress = no_progress) -> ClipAnalysis:
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
        clock = StageClock()
        with clock("hash"):
            sha256 = sha256_of(clip)
        seen = self.observe(clip, on_progress=on_progress)
        with clock("recognize"):
            activities = self.recognize(seen.tracks)
        with clock("fuse"):
            analysis = self.conclude(seen, activities, sha256=sha256)
        return replace(analysis, timing_s={**seen.timing_s, **clock.seconds})

    def observe(
        self, clip: Path, *, most_frames: int | None = None, on_progress: OnProgress = no_progress
    ) -> Observations:
        """Look at every sampled frame: find people, weapons and poses, follow the people; now and then look for fire.

        Args:
            clip: The video file.
            most_frames: Stop after this many sampled frames; `None` goes to the end.
            on_progress: Told of every frame that was looked at.

        Raises:
            VideoError: As `analyze`.
        """
        return observe_clip(
            clip, self._settings, self._networks, most_frames=most_frames, on_progress=on_progress
        )

    def recognize(self, tracks: Sequence[Track]) -> list[ActivityScore]:
        """Name what each of the people does, segment by segment; attention is that of the last layer, `averaged`."""
        tubelets = (t for track in tracks for t in make_tubelets(track, self._tubelet_settings))
        recognizer, attention = self._networks.recognizer, self._settings.recognition.attention
        scores: list[ActivityScore] = []
        while batch := list(islice(tubelets, _SEGMENTS_AT_ONCE)):
            scores += map(_with_averaged_attention, recognizer.recognize(batch, attention=attention))
        return scores

    def judge(
        self, tracks: Sequence[Track], motion: SceneMotion | None, activities: Sequence[ActivityScore]
    ) -> ClipVerdict | None:
        """What the recogniser's model of whole clips says; `None` where it has none, or nothing to go by."""
        model = self._networks.recognizer.clip_model
        if model is None:
            return None
        settings = TubeletSettings.from_mapping(model.track_settings)
        windows = clip_windows(tracks, motion, settings, window_s=model.window_s)
        opinion = model.judge(with_scores(windows, activities))
        return None if opinion is None else ClipVerdict(opinion.probabilities, CLIP_RULE, opinion.votes)

    def conclude(
        self, seen: Observations, activities: Sequence[ActivityScore], *, sha256: str
    ) -> ClipAnalysis:
        """Join what was seen and recognised: who holds what, the summary, and the alerts that the rules raise.

        Args:
            seen: What `observe` returned.
            activities: What `recognize` returned for the tracks in it.
            sha256: Of the clip's file, for the report.
        """
        step_s = seen.duration_s / max(1, seen.frames_analysed)
        posture = self._networks.posture
        weapons = find_holders(
            seen.weapons, seen.tracks, self._settings.detector.stays(step_s), posture=posture
        )
        hints = find_aims(weapons.episodes, seen.tracks)
        if posture is not None:
            hints += find_armed_postures(weapons.episodes, balanced_accuracy=posture.balanced_accuracy)
        readings, fires = self._judge_fire(seen)
        findings = SceneFindings(
            width=seen.video.width,
            height=seen.video.height,
            tracks=seen.tracks,
            activities=activities,
            weapons=weapons.episodes,
            fires=fires,
            hints=hints,
        )
        alerts = raise_alerts(
            findings, self._settings.fusion.rules, camera=self._camera, started_at=self._settings.recorded_at
        )
        return ClipAnalysis(
            video=seen.video,
            sha256=sha256,
            frames_decoded=seen.frames_decoded,
            frames_analysed=seen.frames_analysed,
            duration_s=seen.duration_s,
            damage=seen.damage,
            tracks=seen.tracks,
            activities=activities,
            summary=summarize_clip(activities, verdict=self.judge(seen.tracks, seen.motion, activities)),
            detections=seen.weapons,
            holders=weapons.links,
            fire=readings,
            motion=seen.motion,
            alerts=alerts,
            models=tuple(self._networks.models),
            timing_s=seen.timing_s,
            detected_people=seen.detected_people,
            settings=self._settings.model_dump(mode="json"),
            warnings=_warnings(seen, activities),
            not_analysed=self._not_analysed(),
            notice=f"The file says of itself: {seen.video.comment}" if seen.video.comment else None,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _judge_fire(self, seen: Observations) -> tuple[list[FireReading] | None, list[Episode]]:
        if seen.fire is None or self._networks.fire is None:
            return None, []
        return judge_fire(seen.fire, self._settings.fire.stays(), threshold=self._networks.fire.threshold)

    def _not_analysed(self) -> dict[Part, str]:
        if self._networks.fire is not None:
            return {}
        return {"fire": "The settings say not to look for fire."}

    def write(
        self,
        analysis: ClipAnalysis,
        directory: Path,
        *,
        alerts_file: Path | None = None,
        on_progress: OnProgress = no_progress,
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
        clock = StageClock()
        with clock("annotate"):
            key_frames = draw_clip(
                analysis,
                directory,
                self._settings,
                on_frame=lambda number, total: on_progress("draw", number, total),
            )
        analysis = replace(analysis, timing_s={**analysis.timing_s, **clock.seconds})
        if self._settings.output.html:
            write_html(
                analysis,
                directory / "report.html",
                key_frames=key_frames,
                video=directory / ANNOTATED_VIDEO if self._settings.output.annotated_video else None,
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


def _with_averaged_attention(score: ActivityScore) -> ActivityScore:
    return score if score.attention is None else replace(score, attention=score.attention.averaged())


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
