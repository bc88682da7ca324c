"""What is set up and watched: cameras, webhooks, deliveries, keys, sessions, models, health."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AnyHttpUrl, ConfigDict, Field

from activity.client.schemas.values import (
    LINE_PATTERN,
    Answer,
    DeliveryState,
    Id,
    Label,
    Line,
    Moment,
    Request,
    Role,
    Share,
)
from activity.structures import Agency, Severity


class Zone(Request):
    """A polygon on a camera's picture."""

    name: Label
    use: Literal["named", "watch", "ignore"] = Field(
        default="named",
        description="named: rules may ask for it. watch: only what happens in one of these counts. ignore: what happens "
        "there does not count.",
    )
    polygon: list[tuple[Share, Share]] = Field(
        min_length=3,
        max_length=200,
        description="Corners, x and y as shares of the picture's width and height.",
    )


class CameraRequest(Request):
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
        default={},
        max_length=100,
        description="Label to the least probability that raises an alert.",
        json_schema_extra={"additionalProperties": False},  # pydantic bounds names by patternProperties alone
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


class CameraList(Answer):
    """All cameras by name."""

    items: list[Camera]


class WebhookRequest(Request):
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


class Webhook(Answer):
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


class WebhookList(Answer):
    """All webhooks."""

    items: list[Webhook]


class Delivery(Answer):
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


class DeliveryPage(Answer):
    """Messages, newest first."""

    items: list[Delivery]
    next: str | None = Field(description="The `cursor` of the page after this one; null on the last.")


class AuditHead(Answer):
    """The newest entry of the audit log."""

    sequence: int = Field(description="Its number, from 1; 0 for an empty log.")
    hash: str = Field(description="Its SHA-256, which covers all entries before it.", examples=["0" * 64])
    at: Moment | None


class EvidenceKey(Answer):
    """The key that signs evidence bundles."""

    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="32 bytes as hexadecimal digits.", examples=["0" * 64])
    pem: str = Field(description="The same as PEM (SubjectPublicKeyInfo).")


class KeyRequest(Request):
    """An API key to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "night shift", "role": "analyst"}]})
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=LINE_PATTERN)]
    role: Role


class Key(Answer):
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


class KeyList(Answer):
    """All API keys."""

    items: list[Key]


class Session(Answer):
    """Who is asking."""

    name: str = Field(examples=["key:admin"])
    role: Role
    csrf_token: str | None = Field(description="What a browser's changes send back as `X-CSRF-Token`.")


class Model(Answer):
    """A network of the pipeline."""

    name: str
    role: str = Field(description="What it does: detection, pose, recognition.")
    file: str | None
    sha256: str | None
    note: str


class ModelList(Answer):
    """The networks that analyses use."""

    items: list[Model]


class Health(Answer):
    """Whether the service can work, part by part."""

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str] = Field(
        examples=[{"database": "ok", "storage": "ok", "queue": "3 unfinished jobs"}]
    )
