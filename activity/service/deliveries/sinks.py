"""From a sink's name in the outbox to the sink itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from pydantic import SecretStr
from sqlalchemy.orm import Session

from activity.alerts import AlertSink, JsonLinesSink
from activity.alerts.addresses import ANY_ADDRESS, AddressPolicy
from activity.alerts.apprise_sink import AppriseSink
from activity.alerts.cap import CapFolderSink, CapHttpSink, CapSender
from activity.alerts.mail import EmailSink
from activity.alerts.twilio import TwilioAccount, TwilioCallSink, TwilioSmsSink
from activity.alerts.webhook import WebhookSink
from activity.errors import ConfigurationError
from activity.service.database.tables import Webhook
from activity.service.deliveries.settings import AlertSettings, SinkSettings, TwilioSettings

WEBHOOK_PREFIX = "webhook:"


class Sinks:
    """Every destination of the settings, and the webhooks of the database.

    A sink of the settings is called by its name, ``control-room``, and one of several receivers by name and receiver,
    ``duty-officers/+15550199``; a webhook of the database is called ``webhook:ID``.

    Raises:
        ConfigurationError: If a sink cannot be made, so that the service does not start with a gap.
    """

    def __init__(self, settings: AlertSettings) -> None:
        self._policy = AddressPolicy.parse(settings.allowed_networks)
        self._cap = None
        if settings.cap is not None:
            self._cap = CapSender(
                settings.cap.sender,
                name=settings.cap.name,
                addresses=settings.cap.addresses,
                contact=settings.cap.contact,
                language=settings.cap.language,
                valid_for=timedelta(hours=settings.cap.valid_hours),
            )
        self._account = None if settings.twilio is None else _twilio_account(settings.twilio)
        self._sinks = {
            key: self._make(sink, receiver)
            for name, sink in settings.sinks.items()
            for key, receiver in receivers(name, sink)
        }

    def find(self, session: Session, key: str) -> AlertSink | None:
        """The sink of this name; `None` where it is gone from the settings, or is a webhook that was switched off."""
        if not key.startswith(WEBHOOK_PREFIX):
            return self._sinks.get(key)
        webhook = session.get(Webhook, key.removeprefix(WEBHOOK_PREFIX))
        if webhook is None or not webhook.active:
            return None
        return WebhookSink(webhook.url, signing_secrets=[webhook.secret], policy=self._policy)

    def _make(self, sink: SinkSettings, receiver: str) -> AlertSink:  # noqa: PLR0911 - one return a kind
        match sink.type:
            case "json_lines":
                return JsonLinesSink(sink.path)
            case "webhook":
                return WebhookSink(
                    sink.url.get_secret_value(), signing_secrets=_plain(sink.secrets), policy=ANY_ADDRESS
                )
            case "cap_folder":
                return CapFolderSink(sink.folder, sender=self._cap_sender())
            case "cap_http":
                return CapHttpSink(
                    sink.url.get_secret_value(),
                    sender=self._cap_sender(),
                    policy=ANY_ADDRESS,
                    token=None if sink.token is None else sink.token.get_secret_value(),
                )
            case "email":
                return EmailSink(
                    receiver,
                    sender=sink.sender,
                    host=sink.host,
                    port=sink.port,
                    security=sink.security,
                    username=sink.username,
                    password=None if sink.password is None else sink.password.get_secret_value(),
                    cap=self._cap_sender() if sink.attach_cap else None,
                )
            case "sms":
                return TwilioSmsSink(receiver, account=self._twilio())
            case "call":
                return TwilioCallSink(receiver, account=self._twilio(), language=sink.language)
            case "apprise":
                return AppriseSink(sink.url.get_secret_value())

    def _cap_sender(self) -> CapSender:
        if self._cap is None:
            raise ConfigurationError("alerts: a CAP sink needs the section alerts.cap")
        return self._cap

    def _twilio(self) -> TwilioAccount:
        if self._account is None:
            raise ConfigurationError("alerts: texts and calls need the section alerts.twilio")
        return self._account


def receivers(name: str, sink: SinkSettings) -> Iterator[tuple[str, str]]:
    """The outbox name and the address of each receiver of a sink: each is tried again by itself."""
    if sink.type in ("email", "sms", "call"):
        yield from ((f"{name}/{receiver}", receiver) for receiver in dict.fromkeys(sink.to))
    else:
        yield name, ""


def _twilio_account(settings: TwilioSettings) -> TwilioAccount:
    return TwilioAccount(
        account_sid=settings.account_sid,
        username=settings.username or settings.account_sid,
        password=settings.password.get_secret_value(),
        sender=settings.sender,
        base_url=settings.base_url,
    )


def _plain(secrets: Sequence[SecretStr]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]
