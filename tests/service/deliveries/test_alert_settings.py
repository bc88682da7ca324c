"""Settings of alerts: what is refused at the start rather than found out at night, and where secrets come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from activity.alerts import JsonLinesSink
from activity.alerts.cap import CapFolderSink, CapHttpSink
from activity.alerts.mail import EmailSink
from activity.alerts.twilio import TwilioCallSink, TwilioSmsSink
from activity.alerts.webhook import WebhookSink, new_secret
from activity.errors import ConfigurationError
from activity.service.database import Database, Webhook
from activity.service.deliveries import AlertSettings, Sinks

MAIL = {"type": "email", "to": ["a@example.org"], "sender": "b@example.org", "host": "localhost"}
TWILIO = {"account_sid": "AC1", "password": "x", "sender": "+15550100"}


def test_by_default_nothing_leaves_and_all_is_a_test() -> None:
    settings = AlertSettings()
    assert (settings.status, settings.unconfirmed_as_actual) == ("test", False)
    assert (settings.sinks, settings.routes) == ({}, ())


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ({"routes": [{"sinks": ["nowhere"]}]}, "nowhere"),
        ({"sinks": {"c": {"type": "cap_folder", "folder": "x"}}}, "alerts.cap"),
        ({"sinks": {"m": MAIL | {"attach_cap": True}}}, "alerts.cap"),
        ({"sinks": {"s": {"type": "sms", "to": ["+15550101"]}}}, "alerts.twilio"),
        (
            {
                "sinks": {"s": {"type": "call", "to": ["+15550101"]}},
                "twilio": TWILIO | {"sender": "MG1"},
            },
            "number",
        ),
        ({"sinks": {"s": {"type": "sms", "to": ["0800"]}}, "twilio": TWILIO}, "to"),
        ({"sinks": {"m": MAIL | {"to": ["a@b\r\nBcc: c@d"]}}}, "to"),
        ({"sinks": {"p": {"type": "pigeon"}}}, "pigeon"),
        ({"sinks": {"Über": MAIL}}, "pattern"),
        ({"status": "draft"}, "status"),
        ({"places": {"Gate 3": {"description": "north", "latitude": 48.1}}}, "together"),
        ({"allowed_networks": ["10.0.0.1/8"]}, "networks"),
        ({"sinks": {"m": MAIL | {"password": "env:ACTIVITY_NO_SUCH_VARIABLE"}}}, "ACTIVITY_NO_SUCH_VARIABLE"),
        ({"sinks": {"m": MAIL | {"password": "file:/no/such/file"}}}, "/no/such/file"),
    ],
)
def test_what_cannot_work_is_refused(content: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        AlertSettings.model_validate(content)


def test_secrets_come_from_the_environment_or_a_file_and_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIVITY_TEST_SECRET", "hunter2")
    (tmp_path / "secret").write_text("hunter3\n")
    settings = AlertSettings.model_validate(
        {
            "sinks": {"m": MAIL | {"password": "env:ACTIVITY_TEST_SECRET"}},
            "twilio": TWILIO | {"password": f"file:{tmp_path / 'secret'}"},
        }
    )
    mail = settings.sinks["m"]
    assert mail.type == "email"
    assert mail.password is not None
    assert mail.password.get_secret_value() == "hunter2"
    assert settings.twilio is not None
    assert settings.twilio.password.get_secret_value() == "hunter3"
    assert "hunter" not in repr(settings) + settings.model_dump_json()


def test_every_kind_of_sink_is_made(database: Database, tmp_path: Path) -> None:
    settings = AlertSettings.model_validate(
        {
            "sinks": {
                "file": {"type": "json_lines", "path": str(tmp_path / "a.jsonl")},
                "hook": {"type": "webhook", "url": "https://example.org", "secrets": [new_secret()]},
                "folder": {"type": "cap_folder", "folder": str(tmp_path)},
                "gateway": {"type": "cap_http", "url": "https://example.org", "token": "t"},
                "mail": MAIL | {"attach_cap": True},
                "text": {"type": "sms", "to": ["+15550101"]},
                "voice": {"type": "call", "to": ["+15550101"]},
            },
            "cap": {"sender": "a@b"},
            "twilio": TWILIO,
        }
    )
    sinks = Sinks(settings)
    with database.write() as session:
        webhook = Webhook(url="https://example.org", secret=new_secret(), created_by="x")
        session.add(webhook)
        session.flush()
        for key, kind in (
            ("file", JsonLinesSink),
            ("hook", WebhookSink),
            ("folder", CapFolderSink),
            ("gateway", CapHttpSink),
            ("mail/a@example.org", EmailSink),
            ("text/+15550101", TwilioSmsSink),
            ("voice/+15550101", TwilioCallSink),
            (f"webhook:{webhook.id}", WebhookSink),
        ):
            assert isinstance(sinks.find(session, key), kind)
        webhook.active = False
        assert sinks.find(session, f"webhook:{webhook.id}") is None
        assert sinks.find(session, "webhook:unknown") is None
        assert sinks.find(session, "unknown") is None


def test_a_service_with_a_damaged_secret_does_not_start() -> None:
    content = {"sinks": {"hook": {"type": "webhook", "url": "https://example.org", "secrets": ["whsec_no"]}}}
    with pytest.raises(ConfigurationError, match="secret"):
        Sinks(AlertSettings.model_validate(content))


def test_the_example_of_the_manual_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual = (Path(__file__).parents[3] / "docs/alert-delivery.md").read_text(encoding="utf-8")
    (tmp_path / "cap").write_text("token")
    for name in ("SMTP_PASSWORD", "TWILIO_SECRET"):
        monkeypatch.setenv(name, "x")
    example = manual.split("```yaml\n")[1].split("```")[0].replace("/run/secrets/cap", str(tmp_path / "cap"))
    settings = AlertSettings.model_validate(yaml.safe_load(example.replace("AC...", "AC1"))["alerts"])
    assert len(settings.sinks) == 5
    assert [route.when for route in settings.routes] == ["raised", "confirmed", "confirmed"]
    Sinks(settings)
