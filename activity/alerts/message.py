"""What a sink is told: one message on one incident, the same on every attempt to deliver it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self, get_args

from pydantic import TypeAdapter, ValidationError

from activity.errors import StructureError
from activity.structures import SceneAlert

MessageKind = Literal["alert", "update", "cancel"]
MessageStatus = Literal["actual", "exercise", "test", "draft"]

_IDENTIFIER = re.compile(r"[^\s,<&]{1,200}")  # what CAP 1.2 allows an identifier to hold, section 3.2.1


@dataclass(frozen=True, slots=True)
class ClipReference:
    """Which clip an alert speaks of.

    Attributes:
        path: The clip's path or name as the user gave it.
        sha256: Hex digest of the clip's bytes.
        started_at: When the first frame was taken, with a time zone, where that is known.
    """

    path: str
    sha256: str
    started_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.started_at is not None:
            _check_zone("clip.started_at", self.started_at)


@dataclass(frozen=True, slots=True)
class CameraReference:
    """Where the clip was taken.

    Attributes:
        camera_id: The camera's name in the service.
        description: The place in words that a patrol understands.
        latitude: WGS 84 degrees, or `None` where it is not known; goes with `longitude`.
        longitude: WGS 84 degrees.
        radius_m: How far from that point the incident may be.
    """

    camera_id: str
    description: str
    latitude: float | None = None
    longitude: float | None = None
    radius_m: float = 50.0

    def __post_init__(self) -> None:
        if (self.latitude is None) != (self.longitude is None):
            raise StructureError(f"camera {self.camera_id}: latitude and longitude go together")
        for name, value, bound in (("latitude", self.latitude, 90), ("longitude", self.longitude, 180)):
            if value is not None and not (math.isfinite(value) and abs(value) <= bound):
                raise StructureError(
                    f"camera {self.camera_id}: expected a {name} within {bound}, got {value}"
                )
        if not (math.isfinite(self.radius_m) and self.radius_m > 0):
            raise StructureError(f"camera {self.camera_id}: expected radius_m above 0, got {self.radius_m}")


@dataclass(frozen=True, slots=True)
class MessageReference:
    """An earlier message that this one updates or cancels.

    Attributes:
        identifier: Its identifier.
        sent_at: When it was sent, with a time zone.
    """

    identifier: str
    sent_at: datetime

    def __post_init__(self) -> None:
        _check_identifier(self.identifier)
        _check_zone("reference.sent_at", self.sent_at)


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message on one incident.

    Attributes:
        identifier: Unique to this message and the same on every attempt, so that a receiver can drop repeats.
        incident_id: Names the incident; all messages on it share this.
        kind: First word on an incident, a correction of it, or its withdrawal.
        status: ``actual`` asks for action; ``test``, ``exercise`` and ``draft`` do not.
        sent_at: When the message was made, with a time zone.
        alert: What is alleged, and why.
        clip: Where it was seen.
        confirmed: Whether a person has confirmed the incident.
        camera: Where the clip was taken, if that is known.
        references: Earlier messages that this one updates or cancels; none for an alert.
        url: Where the incident can be looked at, if there is such a page.
        note: A person's words to the receiver, such as why the incident was dismissed.

    Raises:
        StructureError: On an identifier with spaces, commas or markup, an unknown word, a time without a zone,
            or references that do not go with the kind.
    """

    identifier: str
    incident_id: str
    kind: MessageKind
    status: MessageStatus
    sent_at: datetime
    alert: SceneAlert
    clip: ClipReference
    confirmed: bool = False
    camera: CameraReference | None = None
    references: tuple[MessageReference, ...] = ()
    url: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        _check_identifier(self.identifier)
        _check_identifier(self.incident_id)
        for name, value, choices in (
            ("kind", self.kind, get_args(MessageKind)),
            ("status", self.status, get_args(MessageStatus)),
        ):
            if value not in choices:
                raise StructureError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
        _check_zone("sent_at", self.sent_at)
        if (self.kind == "alert") == bool(self.references):
            raise StructureError(
                f"message {self.identifier}: an update or cancel names the messages it refers to, an alert names none; "
                f"got {self.kind} with {len(self.references)}"
            )

    @classmethod
    def of_clip(cls, alert: SceneAlert, *, clip: ClipReference, sent_at: datetime) -> Self:
        """The message of an alert outside the service: nobody has confirmed it, so it is a ``test``.

        Its identifier is a digest of clip and alert: the same alert of the same clip is the same message.
        """
        content = json.dumps([clip.sha256, dataclasses.asdict(alert)], sort_keys=True)
        identifier = hashlib.sha256(content.encode()).hexdigest()[:32]
        return cls(identifier, identifier, "alert", "test", sent_at, alert, clip)

    @property
    def started_at(self) -> datetime | None:
        """When the incident began, where the clip's own time is known."""
        return self._moment(self.alert.start_s)

    @property
    def ended_at(self) -> datetime | None:
        """When the incident ended, where the clip's own time is known."""
        return self._moment(self.alert.end_s)

    def _moment(self, offset_s: float) -> datetime | None:
        begin = self.clip.started_at
        return None if begin is None else begin + timedelta(seconds=offset_s)

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON can hold them; `from_json` reads it back."""
        return dict(_ADAPTER.dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, content: object) -> AlertMessage:
        """Read what `to_json` gave.

        Raises:
            StructureError: If a field is missing, unknown or out of range.
        """
        try:
            return _ADAPTER.validate_python(content)
        except ValidationError as error:
            raise StructureError(f"not an alert message: {error.errors(include_url=False)[0]}") from error


_ADAPTER: TypeAdapter[AlertMessage] = TypeAdapter(AlertMessage)


def _check_identifier(text: str) -> None:
    if not _IDENTIFIER.fullmatch(text):
        raise StructureError(
            f"identifier: expected 1 to 200 characters without space, comma, < and &, got {text!r}"
        )


def _check_zone(name: str, moment: datetime) -> None:
    if moment.utcoffset() is None:
        raise StructureError(f"{name}: expected a time with a zone, got {moment.isoformat()}")
