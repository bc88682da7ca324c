"""Text messages and calls against a local stand-in for Twilio: the exact form, and what is known after a crash."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import pytest

from activity.alerts import AlertMessage, CameraReference, TraceableSink
from activity.alerts.twilio import TwilioAccount, TwilioCallSink, TwilioSmsSink
from activity.alerts.wording import short_text
from activity.errors import DeliveryError

Make = Callable[..., AlertMessage]
BEGIN = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)


def account(server: Any, **changes: str) -> TwilioAccount:
    fields = {"account_sid": "AC1", "username": "SK2", "password": "pw", "sender": "+15550100"} | changes
    return TwilioAccount(base_url=server.url, **fields)  # type: ignore[arg-type]


def created(server: Any) -> None:
    server.answers[0].status = 201
    server.answers[0].body = b'{"sid": "SM1", "status": "queued"}'


def test_a_text_is_posted_as_twilio_documents_it(message: Make, http_server: Any) -> None:
    created(http_server)
    TwilioSmsSink("+15550199", account=account(http_server)).send(message())
    (request,) = http_server.requests
    assert (request.method, request.path) == ("POST", "/2010-04-01/Accounts/AC1/Messages.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"SK2:pw").decode()
    assert dict(parse_qsl(request.body.decode(), strict_parsing=True)) == {
        "To": "+15550199",
        "From": "+15550100",
        "Body": short_text(message()),
    }


def test_a_messaging_service_takes_the_place_of_the_number(message: Make, http_server: Any) -> None:
    created(http_server)
    TwilioSmsSink("+15550199", account=account(http_server, sender="MG9")).send(message())
    form = dict(parse_qsl(http_server.requests[0].body.decode()))
    assert form["MessagingServiceSid"] == "MG9"
    assert "From" not in form


def test_a_call_reads_the_alert_out_twice(message: Make, http_server: Any) -> None:
    created(http_server)
    camera = CameraReference("c", "Gate <3> & door")
    TwilioCallSink("+15550199", account=account(http_server)).send(message(camera=camera))
    (request,) = http_server.requests
    assert request.path == "/2010-04-01/Accounts/AC1/Calls.json"
    form = dict(parse_qsl(request.body.decode()))
    assert (form["To"], form["From"]) == ("+15550199", "+15550100")
    say = ET.fromstring(form["Twiml"]).find("Say")  # noqa: S314 - our own document
    assert say is not None
    assert say.get("loop") == "2"
    assert say.text is not None
    assert say.text.startswith("Test alert. Fighting was seen at Gate <3> & door.")


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (401, True), (429, False), (500, False)])
def test_refusals_are_told_apart(message: Make, http_server: Any, status: int, permanent: bool) -> None:
    http_server.answers[0].status = status
    http_server.answers[0].body = b'{"code": 21211, "message": "Invalid To"}'
    with pytest.raises(DeliveryError, match="21211") as caught:
        TwilioSmsSink("+15550199", account=account(http_server)).send(message())
    assert caught.value.permanent is permanent


def test_a_password_is_not_shown() -> None:
    assert "pw" not in repr(TwilioAccount("AC1", "SK2", "pw", "+1"))


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        (None, "delivered", True),
        (None, "queued", True),
        (None, "undelivered", False),
        ("another text. Ref 0190ab", "delivered", False),
    ],
)
def test_a_lost_text_is_looked_for(
    message: Make, http_server: Any, body: str | None, status: str, found: bool
) -> None:
    item = {"body": body or short_text(message()), "status": status}
    http_server.answers[0].body = json.dumps({"messages": [item]}).encode()
    sink = TwilioSmsSink("+15550199", account=account(http_server))
    assert isinstance(sink, TraceableSink)
    assert sink.was_delivered(message(), since=BEGIN) is found
    path, _, query = http_server.requests[0].path.partition("?")
    assert path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert dict(parse_qsl(query)) == {"To": "+15550199", "DateSent>": "2026-03-01", "PageSize": "100"}


@pytest.mark.parametrize(
    ("seconds", "status", "found"),
    [(1, "in-progress", True), (-60, "completed", False), (1, "failed", False)],
)
def test_a_lost_call_is_looked_for_by_its_time(
    message: Make, http_server: Any, seconds: int, status: str, found: bool
) -> None:
    call = {"date_created": format_datetime(BEGIN + timedelta(seconds=seconds)), "status": status}
    http_server.answers[0].body = json.dumps({"calls": [call]}).encode()
    sink = TwilioCallSink("+15550199", account=account(http_server))
    assert sink.was_delivered(message(), since=BEGIN) is found


def test_an_answer_of_another_kind_is_not_taken_for_no(message: Make, http_server: Any) -> None:
    http_server.answers[0].body = b"<html>maintenance</html>"
    with pytest.raises(DeliveryError, match="Messages") as caught:
        TwilioSmsSink("+15550199", account=account(http_server)).was_delivered(message(), since=BEGIN)
    assert not caught.value.permanent
