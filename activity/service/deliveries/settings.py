"""Settings of alerts: where they go, which of them, and when one may ask for action."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from activity.alerts.addresses import AddressPolicy
from activity.errors import ConfigurationError
from activity.structures import Agency, Severity


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _read_secret(value: object) -> object:
    """``env:NAME`` and ``file:PATH`` stand for what the variable or the file holds."""
    if not isinstance(value, str):
        return value
    scheme, _, name = value.partition(":")
    if scheme == "env":
        found = os.environ.get(name)
        if not found:
            raise ValueError(f"the environment variable {name} is not set")
        return found
    if scheme == "file":
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{name} cannot be read: {error}") from error
    return value


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
Phone = Annotated[str, Field(pattern=r"^\+[1-9]\d{4,14}$")]


class JsonLinesSettings(_Section):
    """A file to which alerts are appended."""

    type: Literal["json_lines"]
    path: Path = Field(description="The file; several workers on one machine may share it.")


class WebhookSettings(_Section):
    """A URL to which signed alerts are posted."""

    type: Literal["webhook"]
    url: Secret = Field(description="Where to, http or https.")
    secrets: tuple[Secret, ...] = Field(
        min_length=1, max_length=4, description="Signing secrets (whsec_...); the newest first."
    )


class CapFolderSettings(_Section):
    """A folder that gets one CAP 1.2 file a message."""

    type: Literal["cap_folder"]
    folder: Path = Field(description="Made if it is missing.")


class CapHttpSettings(_Section):
    """A gateway to which CAP 1.2 messages are posted."""

    type: Literal["cap_http"]
    url: Secret = Field(description="Where to, http or https.")
    token: Secret | None = Field(None, description="Sent as a bearer token.")


class EmailSettings(_Section):
    """Mailboxes."""

    type: Literal["email"]
    to: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = Field(
        min_length=1, max_length=50, description="Each gets a mail of its own."
    )
    sender: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", description="The From address.")
    host: str = Field(min_length=1, description="The SMTP server.")
    port: int = Field(587, ge=1, le=65535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none is for a server on this machine."
    )
    username: str | None = Field(None, description="For servers that want a login.")
    password: Secret | None = Field(None, description="For servers that want a login.")
    attach_cap: bool = Field(False, description="Attach the message as CAP 1.2.")


class SmsSettings(_Section):
    """Telephones that get a text."""

    type: Literal["sms"]
    to: tuple[Phone, ...] = Field(min_length=1, max_length=50, description="Numbers such as +15550199.")


class CallSettings(_Section):
    """Telephones that are called."""

    type: Literal["call"]
    to: tuple[Phone, ...] = Field(min_length=1, max_length=50, description="Numbers such as +15550199.")
    language: str = Field("en-US", description="Of the voice.")


class AppriseSettings(_Section):
    """A service that the apprise library knows; needs the extra ``notify``."""

    type: Literal["apprise"]
    url: Secret = Field(description="Apprise's URL of the service.")


SinkSettings = Annotated[
    JsonLinesSettings
    | WebhookSettings
    | CapFolderSettings
    | CapHttpSettings
    | EmailSettings
    | SmsSettings
    | CallSettings
    | AppriseSettings,
    Field(discriminator="type"),
]


class CapSettings(_Section):
    """Who speaks in CAP messages."""

    sender: str = Field(
        pattern=r"^[^\s,<&]+$", description="Unique worldwide, such as activity@cctv.example.org."
    )
    name: str = Field("activity", min_length=1, description="The sender for people to read.")
    addresses: tuple[str, ...] = Field((), description="Intended receivers; makes messages Private.")
    contact: str | None = Field(None, description="Whom to call back.")
    language: str = Field("en-US", pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$", description="Of the text.")
    valid_hours: float = Field(24.0, gt=0, le=8760, description="How long a message stands, in hours.")


class TwilioSettings(_Section):
    """The account that texts and calls."""

    account_sid: str = Field(pattern=r"^AC\w+$", description="The account.")
    username: str | None = Field(None, description="SID of an API key (SK...); null takes the account's.")
    password: Secret = Field(description="The API key's secret, or the account's token.")
    sender: str = Field(
        min_length=2, description="Number that texts and calls, or messaging service (MG...)."
    )
    base_url: str = Field("https://api.twilio.com", pattern=r"^https?://", description="Where the API is.")


class RouteSettings(_Section):
    """Which incidents go to which sinks. A filter that is empty lets all through."""

    sinks: tuple[str, ...] = Field(min_length=1, description="Names of sinks.")
    when: Literal["raised", "confirmed"] = Field(
        "confirmed", description="Tell at once, or only what a person has confirmed or corrected."
    )
    agencies: tuple[Agency, ...] = Field((), description="Only incidents for these agencies.")
    least_severity: Severity = Field("minor", description="Only incidents at least this grave.")
    labels: tuple[str, ...] = Field((), description="Only these activities.")
    cameras: tuple[str, ...] = Field((), description="Only these cameras, by name or id.")

    def matches(self, *, agency: str, severity: Severity, label: str, cameras: tuple[str, ...]) -> bool:
        """Whether an incident goes this way; `cameras` are the names by which its camera is known."""
        grades = get_args(Severity)
        return (
            (not self.agencies or agency in self.agencies)
            and grades.index(severity) >= grades.index(self.least_severity)
            and (not self.labels or label in self.labels)
            and (not self.cameras or bool(set(cameras) & set(self.cameras)))
        )


class PlaceSettings(_Section):
    """Where a camera is, for those who are sent there."""

    description: str = Field(min_length=1, max_length=200, description="In words that a patrol understands.")
    latitude: float | None = Field(None, ge=-90, le=90, description="WGS 84 degrees.")
    longitude: float | None = Field(None, ge=-180, le=180, description="WGS 84 degrees.")
    radius_m: float = Field(
        50.0, gt=0, le=100_000, description="How far from there the incident may be, in metres."
    )

    @model_validator(mode="after")
    def _whole_point(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        return self


class RetrySettings(_Section):
    """How deliveries are tried again."""

    attempts: int = Field(
        20, ge=1, le=1000, description="Then the delivery is dead, for a person to look at."
    )
    first_delay_s: float = Field(2.0, gt=0, le=3600, description="After the first failure, in seconds.")
    longest_delay_s: float = Field(
        600.0,
        gt=0,
        le=86400,
        description="Delays double up to this, in seconds; a receiver may ask for more.",
    )
    lease_s: float = Field(
        30.0, ge=0.1, le=3600, description="Another worker takes over after this, in seconds, if one dies."
    )
    parallel: int = Field(4, ge=1, le=64, description="Deliveries that one worker has under way.")


class AlertSettings(_Section):
    """Who is told of incidents, and in what words."""

    status: Literal["test", "exercise", "actual"] = Field(
        "test", description="What messages call themselves; only actual asks for action."
    )
    unconfirmed_as_actual: bool = Field(
        False,
        description="Let actual messages leave before a person has confirmed; otherwise they are drafts until then.",
    )
    sinks: dict[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")], SinkSettings] = Field(
        default_factory=dict, description="Destinations by name."
    )
    routes: tuple[RouteSettings, ...] = Field((), description="Which incidents go where.")
    places: dict[str, PlaceSettings] = Field(
        default_factory=dict, description="Where cameras are, by their name or id."
    )
    webhooks_when: Literal["raised", "confirmed"] = Field(
        "raised", description="When webhooks that were added over the API are told."
    )
    allowed_networks: tuple[str, ...] = Field(
        (), description="Networks, besides the public internet, that webhooks of the API may reach."
    )
    cap: CapSettings | None = Field(None, description="Needed by CAP sinks.")
    twilio: TwilioSettings | None = Field(None, description="Needed by sinks of type sms and call.")
    retry: RetrySettings = Field(default_factory=RetrySettings)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for number, route in enumerate(self.routes):
            if unknown := set(route.sinks) - set(self.sinks):
                raise ValueError(f"routes[{number}]: no sinks of the names {', '.join(sorted(unknown))}")
        for name, sink in self.sinks.items():
            wants_cap = sink.type in ("cap_folder", "cap_http") or (sink.type == "email" and sink.attach_cap)
            if wants_cap and self.cap is None:
                raise ValueError(f"sinks.{name}: CAP messages need the section alerts.cap")
            if sink.type in ("sms", "call") and self.twilio is None:
                raise ValueError(f"sinks.{name}: texts and calls need the section alerts.twilio")
            if sink.type == "call" and self.twilio is not None and not self.twilio.sender.startswith("+"):
                raise ValueError(f"sinks.{name}: calls need a number as alerts.twilio.sender")
        try:
            AddressPolicy.parse(self.allowed_networks)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self
