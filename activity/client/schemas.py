"""What goes over the wire: every body that the API takes or gives, with its bounds and an example."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AnyHttpUrl, AwareDatetime, BaseModel, ConfigDict, Field

from activity.structures import Agency, Severity

Role = Literal["viewer", "analyst", "admin"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
IncidentState = Literal["new", "confirmed", "dismissed", "corrected"]
DeliveryState = Literal["pending", "delivered", "dead", "withdrawn"]

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
ID_PATTERN: Final = "^[0-9a-f]{32}$"
LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("expected a moment whose UTC time lies in the years 1 to 9999") from error


def _plain_text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("expected text without control characters other than line breaks and tabs")
    return text


Id = Annotated[str, Field(pattern=ID_PATTERN, examples=["0193a5c1f2de8f0a4c1b7e6d5a493827"])]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE_PATTERN)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]
Note = Annotated[
    str,
    Field(max_length=4000, json_schema_extra={"pattern": r"^[^\x00-\x08\x0b-\x1f\x7f]*$"}),
    AfterValidator(_plain_text),
]


class _Answer(BaseModel):
    """What the service says; a client passes over members that it does not know yet."""

    model_config = ConfigDict(frozen=True)


class _Request(BaseModel):
    """What a client says; a member that the service does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """RFC 9457 problem details; a problem may have more members."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str = Field(examples=["urn:activity:problem:queue-full"])
    title: str = Field(examples=["Too Many Requests"])
    status: int = Field(ge=400, le=599, examples=[429])
    detail: str = Field(examples=["200 jobs wait or run, the most that are allowed; come again in 30 s"])


class Clip(_Answer):
    """An uploaded clip."""

    id: Id
    name: str = Field(description="What the sender called it.", examples=["entrance.mp4"])
    sha256: str = Field(description="Of its bytes, hexadecimal.")
    size_bytes: int
    camera_id: Id | None
    uploaded_by: str
    recorded_at: Moment | None = Field(
        description="When its first frame was recorded, if the sender said so."
    )
    created_at: Moment
    deleted_at: Moment | None = Field(description="When retention deleted its bytes.")


class Job(_Answer):
    """The analysis of a clip."""

    id: Id
    clip_id: Id
    state: JobState
    step: str | None = Field(description="The step that runs or ran last.", examples=["observe"])
    progress: Share = Field(description="Share of all its work that is done.")
    attempts: int = Field(description="How often the present step was begun.")
    problem: dict[str, Any] | None = Field(description="Why it failed, as problem details.")
    submitted_by: str
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to this job."""
        return self.state in ("succeeded", "failed", "cancelled")


class Submission(_Answer):
    """The answer to an upload."""

    clip: Clip
    job: Job


class JobPage(_Answer):
    """Jobs, newest first."""

    items: list[Job]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class File(_Answer):
    """A file that belongs to a job or an incident."""

    name: str = Field(examples=["report.json"])
    media_type: str = Field(examples=["application/json"])
    size_bytes: int
    href: str = Field(description="Where it is; takes range requests.")


class FileList(_Answer):
    """The files of a job or an incident."""

    items: list[File]


class Evidence(_Answer):
    """One reason of an alert."""

    kind: str
    text: str
    weight: float


class Review(_Answer):
    """What a person decided of an incident."""

    id: Id
    reviewer: str
    decision: Literal["confirmed", "dismissed", "corrected"]
    reason: str | None
    label: str | None
    note: str
    at: Moment


class Incident(_Answer):
    """One scene alert and what people said of it."""

    id: Id
    job_id: Id
    clip_id: Id
    camera_id: Id | None
    kind: str = Field(description="The rule that raised it.", examples=["Fighting"])
    label: str = Field(examples=["Fighting"])
    label_corrected: str | None
    agency: Agency
    severity: Severity
    state: IncidentState
    start_s: float = Field(description="Begin, seconds from the clip's first frame.")
    end_s: float = Field(description="End, seconds from the clip's first frame.")
    score: Share
    track_ids: list[int]
    explanation: list[Evidence]
    occurred_at: Moment
    created_at: Moment
    updated_at: Moment
    reviews: list[Review]


class IncidentPage(_Answer):
    """Incidents, newest first."""

    items: list[Incident]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class Confirmation(_Request):
    """It is what the alert says."""

    decision: Literal["confirmed"]
    note: Note = ""


class Dismissal(_Request):
    """It is nothing; the reason is kept."""

    decision: Literal["dismissed"]
    reason: Label
    note: Note = ""


class Correction(_Request):
    """It is something else."""

    decision: Literal["corrected"]
    label: Label
    note: Note = ""


ReviewRequest = Annotated[Confirmation | Dismissal | Correction, Field(discriminator="decision")]


class Zone(_Request):
    """A polygon on a camera's picture."""

    name: Label
    polygon: list[tuple[Share, Share]] = Field(
        min_length=3,
        max_length=200,
        description="Corners, x and y as shares of the picture's width and height.",
    )


class CameraRequest(_Request):
    """A camera as people set it up."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Entrance",
                    "zones": [{"name": "Door", "polygon": [[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]}],
                    "thresholds": {"Fighting": 0.8},
                    "retention_days": 30,
                }
            ]
        }
    )
    name: Line
    zones: list[Zone] = Field(default=[], max_length=100)
    thresholds: dict[Label, Share] = Field(
        default={}, max_length=100, description="Label to the least probability that raises an alert."
    )
    retention_days: int | None = Field(
        None, ge=0, le=36500, description="Clips are deleted after so many days."
    )


class Camera(CameraRequest):
    """A camera."""

    model_config = ConfigDict(extra="ignore")
    id: Id
    created_at: Moment
    updated_at: Moment


class CameraList(_Answer):
    """All cameras by name."""

    items: list[Camera]


class WebhookRequest(_Request):
    """A receiver of signed alerts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://alarms.example.org/activity", "severities": ["severe"]}]
        }
    )
    url: Annotated[AnyHttpUrl, Field(max_length=2000)]
    agencies: list[Agency] = Field(default=[], max_length=10, description="Only for these; empty for all.")
    severities: list[Severity] = Field(
        default=[], max_length=10, description="Only this grave; empty for all."
    )
    active: bool = True


class Webhook(_Answer):
    """A receiver of signed alerts."""

    id: Id
    url: str
    agencies: list[Agency]
    severities: list[Severity]
    active: bool
    created_by: str
    created_at: Moment


class NewWebhook(Webhook):
    """A receiver with its signing secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookList(_Answer):
    """All webhooks."""

    items: list[Webhook]


class Delivery(_Answer):
    """One message on an incident to one receiver."""

    id: Id
    incident_id: Id
    sink: str = Field(examples=["control-room"])
    event: str = Field(description="`raised`, or `review:ID`.", examples=["raised"])
    kind: Literal["alert", "update", "cancel"]
    state: DeliveryState
    attempts: int
    next_attempt_at: Moment | None
    last_error: str | None
    created_at: Moment
    delivered_at: Moment | None


class DeliveryPage(_Answer):
    """Messages, newest first."""

    items: list[Delivery]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class AuditHead(_Answer):
    """The newest entry of the audit log."""

    sequence: int = Field(description="Its number, from 1; 0 for an empty log.")
    hash: str = Field(description="Its SHA-256, which covers all entries before it.", examples=["0" * 64])
    at: Moment | None


class KeyRequest(_Request):
    """An API key to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "night shift", "role": "analyst"}]})
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]
    role: Role


class Key(_Answer):
    """An API key, without the key."""

    id: Id
    name: str
    prefix: str
    role: Role
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class NewKey(Key):
    """An API key, with the key, which is shown this once."""

    key: str


class KeyList(_Answer):
    """All API keys."""

    items: list[Key]


class Session(_Answer):
    """Who is asking."""

    name: str = Field(examples=["key:admin"])
    role: Role
    csrf_token: str | None = Field(description="What a browser's changes send back as `X-CSRF-Token`.")


class Model(_Answer):
    """A network of the pipeline."""

    name: str
    role: str = Field(description="What it does: detection, pose, recognition.")
    file: str | None
    sha256: str | None
    note: str


class ModelList(_Answer):
    """The networks that analyses use."""

    items: list[Model]


class Health(_Answer):
    """Whether the service can work, part by part."""

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str] = Field(
        examples=[{"database": "ok", "storage": "ok", "queue": "3 unfinished jobs"}]
    )


Keypoint = tuple[
    Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)],
    Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)],
    Share,
]
Person = Annotated[list[Keypoint], Field(min_length=17, max_length=17)]


class KeypointSequence(_Request):
    """One person through time."""

    frame_rate_hz: float = Field(
        ge=0.1, le=240, allow_inf_nan=False, description="Frames a second.", examples=[12.0]
    )
    keypoints: list[Person | None] = Field(
        min_length=1,
        max_length=3000,
        description="For each frame the 17 COCO keypoints as x px, y px, confidence; confidence 0 is a joint that was "
        "not found, null a frame in which the person was not found.",
    )


class RecognizeRequest(_Request):
    """Keypoint sequences, one for each person."""

    sequences: list[KeypointSequence] = Field(min_length=1, max_length=64)


class Segment(_Answer):
    """What one person does during one segment."""

    start_s: float = Field(description="Seconds from the sequence's first frame.")
    end_s: float
    label: str
    score: Share
    probabilities: dict[str, float]


class SequenceResult(_Answer):
    """The segments of one sequence; none where too little of the person was seen."""

    segments: list[Segment]


class RecognizeResponse(_Answer):
    """What was recognised, in the order of the sequences."""

    model: str
    results: list[SequenceResult]
