"""The steps of one analysis, from file to file, as they run in the limited process."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from activity.config import Settings
from activity.service.jobs.limits import StepLimits
from activity.service.jobs.problems import StepError
from activity.service.jobs.serialization import decode_tree, read_structure, write_structure
from activity.structures import ActivityScore, SceneAlert, VideoInfo
from activity.video import VideoReader, sha256_of

if TYPE_CHECKING:
    from activity.pipeline import Pipeline
    from activity.service.jobs.child import Progress

FIRST_FRAMES: Final = 16
OBSERVATIONS: Final = "observations.npz"
ACTIVITIES: Final = "activities.npz"
ANALYSIS: Final = "analysis.npz"
ALERTS: Final = "alerts.json"


@dataclass(frozen=True, slots=True)
class AlertList:
    """What the rules raised, in order.

    Attributes:
        alerts: The alerts.
    """

    alerts: tuple[SceneAlert, ...]


class PipelineSteps:
    """The steps by the real pipeline.

    The first one, `probe`, loads no network: a clip that is no video costs little. What the later ones need is loaded
    when the first of them runs.
    """

    def __init__(self, settings: dict[str, Any], limits: StepLimits) -> None:
        self._settings = Settings.model_validate(settings)
        self._limits = limits

    def run(self, step: str, *, clip: Path, sha256: str, folder: Path, progress: Progress) -> None:
        """Do one step; see `activity.service.jobs.child.Steps`."""
        match step:
            case "probe":
                self._probe(clip, sha256, folder / "probe")
            case "observe":
                self._observe(clip, folder / "observe", progress)
            case "recognize":
                self._recognize(folder)
            case "fuse":
                self._fuse(clip, sha256, folder)
            case "report":
                self._report(clip, folder, progress)
            case _:
                raise StepError("internal", f"There is no step {step}.")

    @cached_property
    def _pipeline(self) -> Pipeline:
        from activity.pipeline import Pipeline  # noqa: PLC0415 - seconds that a bad clip need not cost

        return Pipeline.from_settings(self._settings)

    def _probe(self, clip: Path, sha256: str, folder: Path) -> None:
        """Check hash, container, sizes and the first frames; nothing is decoded beyond them."""
        if sha256_of(clip) != sha256:
            raise StepError("clip-changed", "Its SHA-256 is another than when it was uploaded.")
        with VideoReader(
            clip, allow_damaged=self._settings.video.allow_damaged, max_pixels=self._limits.max_frame_pixels
        ) as reader:
            info = reader.info
            self._check_extent(info)
            for number, _ in enumerate(reader, start=1):
                if number == FIRST_FRAMES:
                    break
        facts = dataclasses.asdict(info) | {"path": clip.name}
        (folder / "probe.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")

    def _check_extent(self, info: VideoInfo) -> None:
        """Refuse what the container itself says to be too long; `_Counter` catches those that lie."""
        if info.frames is not None and info.frames > self._limits.max_frames:
            raise StepError(
                "clip-too-large",
                f"It has {info.frames} frames, at most {self._limits.max_frames} are analysed.",
            )
        if info.duration_s is not None and info.duration_s > self._limits.max_duration_s:
            raise StepError(
                "clip-too-large",
                f"It is {info.duration_s:.1f} s long, at most {self._limits.max_duration_s:g} s are analysed.",
            )

    def _observe(self, clip: Path, folder: Path, progress: Progress) -> None:
        counter = _Counter(progress, self._limits)
        seen = self._pipeline.observe(clip, on_progress=counter)
        write_structure(folder / OBSERVATIONS, seen)

    def _recognize(self, folder: Path) -> None:
        from activity.observation import Observations  # noqa: PLC0415 - with the networks' libraries

        seen = read_structure(folder / "observe" / OBSERVATIONS, Observations)
        write_structure(folder / "recognize" / ACTIVITIES, self._pipeline.recognize(seen.tracks))

    def _fuse(self, clip: Path, sha256: str, folder: Path) -> None:
        from activity.observation import Observations  # noqa: PLC0415 - with the networks' libraries

        seen = read_structure(folder / "observe" / OBSERVATIONS, Observations)
        seen = dataclasses.replace(seen, video=dataclasses.replace(seen.video, path=clip))
        activities = read_structure(folder / "recognize" / ACTIVITIES, list[ActivityScore])
        analysis = self._pipeline.conclude(seen, activities, sha256=sha256)
        write_structure(folder / "fuse" / ANALYSIS, analysis)
        alerts = dataclasses.asdict(AlertList(tuple(analysis.alerts)))
        (folder / "fuse" / ALERTS).write_text(
            json.dumps(alerts, indent=2, ensure_ascii=False), encoding="utf-8"
        )

    def _report(self, clip: Path, folder: Path, progress: Progress) -> None:
        from activity.report import ClipAnalysis, write_layers  # noqa: PLC0415

        analysis = read_structure(folder / "fuse" / ANALYSIS, ClipAnalysis)
        # another worker may have read the clip elsewhere
        analysis = dataclasses.replace(analysis, video=dataclasses.replace(analysis.video, path=clip))
        write_layers(analysis, folder / "report")
        self._pipeline.write(analysis, folder / "report", on_progress=_Counter(progress, self._limits))


class _Counter:
    """Turns a count of frames into progress, and stops a clip that has more of them than it said."""

    def __init__(self, progress: Progress, limits: StepLimits) -> None:
        self._progress = progress
        self._limits = limits

    def __call__(self, _stage: str, done: int, total: int | None) -> None:
        if done > self._limits.max_frames:
            raise StepError(
                "clip-too-large", f"It has more than the {self._limits.max_frames} frames that are analysed."
            )
        self._progress(done / total if total else 0.0)


def read_alerts(path: Path) -> tuple[SceneAlert, ...]:
    """The alerts that step `fuse` wrote.

    Raises:
        StructureError: If the file is damaged.
    """
    return decode_tree(json.loads(path.read_text(encoding="utf-8")), AlertList).alerts
