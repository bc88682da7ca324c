"""Apprise: a message arrives through one of its services, and what it does not know is refused at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from activity.alerts import AlertMessage
from activity.alerts.apprise_sink import AppriseSink
from activity.errors import ConfigurationError, DeliveryError

Make = Callable[..., AlertMessage]


def test_a_message_arrives_through_a_service_of_apprise(message: Make, http_server: Any) -> None:
    AppriseSink(http_server.url.replace("http://", "json://")).send(message())
    content = json.loads(http_server.requests[0].body)
    assert content["title"] == "TEST ALERT: Fighting (severe), Gate 3, north side"
    assert "person 1: Fighting" in content["message"]
    assert content["type"] == "failure"


def test_a_service_that_refuses_is_named_without_its_token(message: Make, http_server: Any) -> None:
    http_server.answers[0].status = 500
    with pytest.raises(DeliveryError, match="json: ") as caught:
        AppriseSink(http_server.url.replace("http://", "json://user:hunter2@")).send(message())
    assert "hunter2" not in str(caught.value)


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nosuchservice"):
        AppriseSink("nosuchservice://token")


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigurationError, match=r"activity\[notify\]"):
        AppriseSink("json://localhost")
