"""The form of `report.json`, version 1.2. `docs/report.md` explains every key.

These models are the source of the committed JSON Schema (`report.schema.json`) and read reports back;
writing goes through `json_report`, which never holds a whole report in memory.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from activity.errors import StructureError
from activity.structures import MOTION_MEASURES, SceneMotion, Track

SCHEMA_VERSION: Final = "1.2"

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(description="Seconds from the first frame of the clip.")]
Duration = Annotated[float, Field(ge=0, description="Length in seconds.")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Box = Annotated[
    tuple[float, float, float, float], Field(description="x0, y0, x1, y1 in pixels, x right and y down.")
]
Joint = Annotated[
    tuple[float, float, float],
    Field(description="x px, y px, confidence in [0, 1]; confidence 0 is a missing joint."),
]
Status = Literal["analysed", "not_analysed"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClipEntry(_Entry):
    """The analysed file."""

    path: str = Field(description="As it was given to the command.")
    sha256: Sha256
    width: int = Field(
        ge=1, description="Pixels as analysed: after rotation, and after scaling where that was set."
    )
    height: int = Field(
        ge=1, description="Pixels as analysed: after rotation, and after scaling where that was set."
    )
    frame_rate_hz: float = Field(gt=0, description="Average; the true times stand on every item.")
    frames: int = Field(ge=0, description="Frames that could be decoded.")
    frames_analysed: int = Field(ge=0, description="Frames in which people were looked for.")
    duration_s: Duration
    codec: str
    rotation_deg: Literal[0, 90, 180, 270]
    damage: str | None = Field(description="What is wrong with the file; null for a sound one.")
    notice: str | None = Field(description="What every reader must know, such as that the clip is synthetic.")


class SkeletonEntry(_Entry):
    """What the keypoints and the body-part weights refer to."""

    name: Literal["coco-17"]
    keypoints: tuple[str, ...]
    body_parts: tuple[str, ...]


class TrackEntry(_Entry):
    """One person through time; the arrays run in parallel over the N frames in which they were seen."""

    track_id: int = Field(ge=1)
    start_s: Seconds
    end_s: Seconds
    frames: int = Field(ge=1, description="N.")
    frame_indices: list[int] = Field(description="[N] indices of decoded frames.")
    times_s: list[float] = Field(description="[N] presentation times in seconds.")
    boxes: list[Box] = Field(description="[N][4].")
    scores: list[Probability] = Field(description="[N] how sure the pose estimator is of the person.")
    keypoints: list[Annotated[list[Joint], Field(min_length=17, max_length=17)]] = Field(
        description="[N][17][3], pixels rounded to 0.1."
    )

    def to_track(self) -> Track:
        """The structure that the pipeline works on, so that a report can serve as training input."""
        return Track(
            self.track_id,
            np.array(self.frame_indices, np.int64),
            np.array(self.times_s, np.float64),
            np.array(self.keypoints, np.float32),
            np.array(self.boxes, np.float32),
            np.array(self.scores, np.float32),
        )


class AttentionEntry(_Entry):
    """Where the recogniser looked in one segment."""

    body_parts: dict[str, Probability] = Field(description="Weight of each body part; they sum to 1.")
    tubelets: dict[str, list[Probability]] = Field(
        description="For each body part, the weight of each tubelet in order of time; each list sums to 1."
    )


class ActivityEntry(_Entry):
    """Class probabilities of one person during one segment."""

    track_id: int
    start_s: Seconds
    end_s: Seconds
    label: str
    score: Probability
    probabilities: dict[str, Probability]
    attention: AttentionEntry | None


class SummaryEntry(_Entry):
    """The whole clip, by a stated rule."""

    label: str | None = Field(description="Null where nothing could be judged; `reason` says why.")
    score: Probability | None
    probabilities: dict[str, Probability]
    rule: str
    reason: str | None
    track_ids: list[int] = Field(description="The people who decided, the first most.")
    votes: dict[str, dict[str, Probability]] = Field(
        default_factory=dict,
        description="Where a model of whole clips judged: what each of its voters says by itself.",
    )


class DetectionEntry(_Entry):
    """One object in one frame."""

    frame_index: int
    time_s: Seconds
    label: str
    score: Probability
    box: Box


class CandidateEntry(_Entry):
    """How one person relates to one weapon."""

    track_id: int
    iou: Probability
    hand_distance: float | None = Field(
        description="Distance from the weapon's box to the nearest hand as a share of the person's size."
    )
    hand_deviation: float | None = Field(
        description="Standard deviation of that hand's place, as the same share."
    )
    probability: Probability = Field(description="That this person holds it; what all lack to 1 is nobody's.")


class HolderEntry(_Entry):
    """One weapon in one frame and the person who holds it."""

    frame_index: int
    time_s: Seconds
    weapon_box: Box
    weapon_score: Probability
    track_id: int | None
    rule: Literal["iou", "hand_distance", "track_vote", "none"]
    candidates: list[CandidateEntry]
    posture: Probability | None = Field(
        None,
        description="From the holder's joints alone, that somebody of such a posture is armed: weak evidence; null where "
        "nobody holds it or it was not judged.",
    )


class FireEntry(_Entry):
    """What the fire detector says of one frame."""

    frame_index: int
    time_s: Seconds
    probability: Probability
    present: bool
    box: Box | None
    activation_map: list[list[Probability]] | None = Field(
        description="Rows of an even grid over the frame: how much each cell speaks for fire; null where not present."
    )


class SceneMotionEntry(_Entry):
    """How the picture moved between frames about a tenth of a second apart."""

    measures: list[str] = Field(description="Names of the columns of `values`.")
    times_s: list[Seconds] = Field(description="[N], when the later frame was taken.")
    values: list[list[Annotated[float, Field(ge=0)]]] = Field(
        description="[N][17], speeds in heights of the picture a second."
    )

    def to_motion(self) -> SceneMotion:
        """The structure that the pipeline works on.

        Raises:
            StructureError: If the columns are those of another version.
        """
        if tuple(self.measures) != MOTION_MEASURES:
            raise StructureError(
                f"scene_motion.measures: expected {list(MOTION_MEASURES)}, got {self.measures}"
            )
        rows = np.array(self.values, np.float32).reshape(-1, len(MOTION_MEASURES))
        return SceneMotion(np.array(self.times_s, np.float64), rows)


class DetectionSection(_Entry):
    """Objects. With `not_analysed`, an empty list says nothing about the clip."""

    status: Status
    reason: str | None = Field(description="Why this was not analysed; null where it was.")
    frames_analysed: int = Field(ge=0)
    items: list[DetectionEntry]


class HolderSection(_Entry):
    """Who holds what. With `not_analysed`, an empty list says nothing about the clip."""

    status: Status
    reason: str | None
    items: list[HolderEntry]


class FireSection(_Entry):
    """Fire. With `not_analysed`, an empty list says nothing about the clip."""

    status: Status
    reason: str | None
    frames_analysed: int = Field(ge=0)
    items: list[FireEntry]


class EvidenceEntry(_Entry):
    """One reason for an alert."""

    kind: str
    text: str
    weight: Probability


class AlertEntry(_Entry):
    """One incident, for one agency."""

    rule: str
    label: str
    agency: Literal["police", "fire_department"]
    severity: Literal["minor", "moderate", "severe", "extreme"]
    start_s: Seconds
    end_s: Seconds
    score: Probability
    track_ids: list[int]
    explanation: list[EvidenceEntry] = Field(min_length=1)


class ModelEntry(_Entry):
    """One model that took part."""

    name: str
    role: str
    file: str | None
    sha256: Sha256 | None
    note: str


class CoverageEntry(_Entry):
    """Whether one part of the analysis was run."""

    status: Status
    reason: str | None


class ReportHead(_Entry):
    """One analysed clip without its items: what stands before `tracks` in the file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    schema_version: Literal["1.1", "1.2"]
    generator: str = Field(description="Name and version of the program.")
    created_at: str | None = Field(description="ISO 8601.")
    clip: ClipEntry
    summary: SummaryEntry
    coverage: dict[Literal["activities", "detections", "holders", "fire", "alerts"], CoverageEntry] = Field(
        description="What was looked at: an empty list of a part that was not analysed is no finding."
    )
    alerts: list[AlertEntry]
    warnings: list[str]
    models: list[ModelEntry]
    timing_s: dict[str, Duration] = Field(
        description="Wall-clock seconds by stage; where several ran at once, each instant is divided among them."
    )
    settings: dict[str, JsonValue]
    skeleton: SkeletonEntry


class Report(ReportHead):
    """One analysed clip."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tracks: list[TrackEntry]
    activities: list[ActivityEntry]
    detections: DetectionSection
    holders: HolderSection
    fire: FireSection
    scene_motion: SceneMotionEntry | None = Field(None, description="Null where it was not measured.")
