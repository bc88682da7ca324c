"""All that is known of one clip once the pipeline has finished: the only input of every report."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import (
    ActivityScore,
    ClipSummary,
    Detections,
    HolderLink,
    SceneAlert,
    SceneMotion,
    Track,
    VideoInfo,
)

Part = Literal["activities", "detections", "holders", "fire", "alerts"]
"""A part of the analysis that may not have been run."""

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model that took part in the analysis.

    Attributes:
        name: What the model is called, such as ``bptubeformer-v2``.
        role: What it did here: ``pose``, ``detection``, ``recognition``, ``fire``, ``posture``.
        file: Name of its file without folders, or `None` for a model that has none.
        sha256: 64 hexadecimal digits of that file, or `None` where there is no file.
        note: Why this model was chosen and what is known of it, in a sentence or two.
    """

    name: str
    role: str
    file: str | None = None
    sha256: str | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.sha256 is not None:
            _check_sha256(f"model {self.name}", self.sha256)


@dataclass(frozen=True, slots=True, eq=False)
class FireReading:
    """What the fire detector says of one frame.

    Attributes:
        frame_index: The decoded frame.
        time_s: Its presentation time in seconds.
        probability: Of fire, in [0, 1].
        present: Whether the detector counts this frame as fire, after its threshold and persistence.
        box: x0, y0, x1, y1 in pixels around the flames, where they could be located.
        activation_map: [h, w] float32 in [0, 1], how much each cell of an even grid over the frame speaks for fire;
            `None` where it was not kept.
    """

    frame_index: int
    time_s: float
    probability: float
    present: bool
    box: tuple[float, float, float, float] | None = None
    activation_map: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _check_probability("fire.probability", self.probability)
        if self.box is not None and not all(math.isfinite(value) for value in self.box):
            raise StructureError(f"fire.box: expected four finite pixels, got {self.box}")
        if self.activation_map is not None and (
            self.activation_map.ndim != 2 or self.activation_map.size == 0
        ):
            raise StructureError(
                f"fire.activation_map: expected [h, w], got {list(self.activation_map.shape)}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class ClipAnalysis:
    """One analysed clip. `None` in place of a sequence means "not analysed", an empty one "nothing found".

    Attributes:
        video: The container's facts.
        sha256: 64 hexadecimal digits of the file.
        frames_decoded: Frames that could be read.
        frames_analysed: Frames in which people were looked for; fewer where the clip was sampled.
        duration_s: Time from the first to the end of the last decoded frame.
        damage: What is wrong with the file, or `None` for a sound one.
        tracks: The people.
        activities: Class probabilities per person and segment, in any order.
        summary: The clip as a whole.
        detections: Frame index, time in seconds and objects, in order of time; analysed frames without
            any object may be left out.
        holders: Who holds each weapon.
        fire: One reading for every frame given to the fire detector.
        motion: How the picture moved; `None` where that was not measured.
        alerts: What was raised; empty is "none" only if ``alerts`` is not in `not_analysed`.
        models: Every model that took part.
        timing_s: Stage to wall-clock seconds.
        detected_people: Time in seconds and [P, 4] boxes of everybody whom the detector found, followed or not;
            kept where heads are to be covered.
        settings: The settings of the run, JSON-like.
        warnings: Sentences for the reader.
        not_analysed: For each part that was not run, why. It is completed where a sequence is `None`,
            where nobody could be judged, and where that leaves nothing for the alert rules.
        notice: A statement about the clip that every reader must see, such as that it is synthetic.
        created_at: When the analysis was made, ISO 8601 with a time zone.

    Raises:
        StructureError: If a part is both analysed and not, an activity or alert names an unknown track,
            or a number is not finite.
    """

    video: VideoInfo
    sha256: str
    frames_decoded: int
    frames_analysed: int
    duration_s: float
    damage: str | None
    tracks: Sequence[Track]
    activities: Sequence[ActivityScore]
    summary: ClipSummary
    detections: Sequence[tuple[int, float, Detections]] | None
    holders: Sequence[HolderLink] | None
    fire: Sequence[FireReading] | None
    alerts: Sequence[SceneAlert]
    models: Sequence[ModelInfo]
    timing_s: Mapping[str, float]
    motion: SceneMotion | None = None
    detected_people: Sequence[tuple[float, npt.NDArray[np.float32]]] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    not_analysed: Mapping[Part, str] = field(default_factory=dict)
    notice: str | None = None
    created_at: str | None = None

    def __post_init__(self) -> None:
        _check_sha256(str(self.video.path), self.sha256)
        if not 0 <= self.frames_analysed <= self.frames_decoded:
            raise StructureError(
                f"frames_analysed: expected 0 to {self.frames_decoded} (decoded), got {self.frames_analysed}"
            )
        if not (math.isfinite(self.duration_s) and self.duration_s >= 0):
            raise StructureError(f"duration_s: expected a finite time of 0 or more, got {self.duration_s}")
        for stage, seconds in self.timing_s.items():
            if not (math.isfinite(seconds) and seconds >= 0):
                raise StructureError(f"timing_s[{stage!r}]: expected 0 or more seconds, got {seconds}")
        self._check_track_ids()
        self._complete_not_analysed()

    def _check_track_ids(self) -> None:
        known = [track.track_id for track in self.tracks]
        if len(set(known)) != len(known):
            raise StructureError(f"tracks: expected distinct ids, got {known}")
        for name, ids in (
            ("activities", {score.track_id for score in self.activities}),
            ("alerts", {track_id for alert in self.alerts for track_id in alert.track_ids}),
            ("holders", {link.track_id for link in self.holders or () if link.track_id is not None}),
        ):
            if unknown := ids - set(known):
                raise StructureError(f"{name}: tracks {sorted(unknown)} are not among {sorted(known)}")

    def _complete_not_analysed(self) -> None:
        reasons: dict[Part, str] = dict(self.not_analysed)
        if unknown := set(reasons) - set(PARTS):
            raise StructureError(f"not_analysed: expected some of {list(PARTS)}, got {sorted(unknown)}")
        found: dict[Part, Sequence[object] | None] = {
            "activities": self.activities or None,
            "detections": self.detections,
            "holders": self.holders,
            "fire": self.fire,
            "alerts": self.alerts or None,
        }
        for part, items in found.items():
            if items is not None and part in reasons:
                raise StructureError(f"not_analysed: {part} has results and yet a reason: {reasons[part]}")
            if items is None and part in ("detections", "holders", "fire"):
                reasons.setdefault(part, "This part was not run.")
        if not self.activities:
            reasons.setdefault("activities", self._why_nobody_was_judged())
        if not self.alerts and all(part in reasons for part in PARTS if part != "alerts"):
            reasons.setdefault("alerts", "There was nothing that a rule could judge.")
        object.__setattr__(self, "not_analysed", reasons)

    def _why_nobody_was_judged(self) -> str:
        if self.frames_analysed == 0:
            return "No frame could be analysed."
        if not self.tracks:
            return f"No person was found in the {self.frames_analysed} analysed frames."
        return "Nobody was in view long enough, or seen well enough, for one segment."

    @property
    def classes(self) -> tuple[str, ...]:
        """Every class name, those of the recogniser first and in its order."""
        names: dict[str, None] = {}
        for score in self.activities:
            names.update(dict.fromkeys(score.classes))
        names.update(dict.fromkeys(self.summary.probabilities))
        return tuple(names)


def _check_sha256(name: str, digest: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise StructureError(f"{name}: expected a sha256 of 64 hexadecimal digits, got {digest!r}")


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise StructureError(f"{name}: expected a probability in [0, 1], got {value}")
