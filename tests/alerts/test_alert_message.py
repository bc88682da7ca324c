"""Messages and their words: round trips, refusals, lengths, and that the status is never left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activity.alerts import AlertMessage, CameraReference, ClipReference, MessageReference
from activity.alerts.wording import full_text, headline, short_text, spoken_text
from activity.errors import StructureError

Make = Callable[..., AlertMessage]
EARLIER = MessageReference("0190aa", datetime(2026, 3, 1, 12, tzinfo=UTC))


def test_a_message_comes_back_from_json_as_it_was(message: Make) -> None:
    before = message(kind="update", references=(EARLIER,), confirmed=True, note="seen by the guard")
    assert AlertMessage.from_json(json.loads(json.dumps(before.to_json()))) == before


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"identifier": "two words"}, "identifier"),
        ({"incident_id": ""}, "identifier"),
        ({"identifier": "a,b"}, "identifier"),
        ({"status": "real"}, "status"),
        ({"kind": "warning"}, "kind"),
        ({"sent_at": datetime(2026, 3, 1)}, "sent_at"),
        ({"kind": "cancel"}, "refers"),  # withdraws nothing
        ({"references": (EARLIER,)}, "refers"),  # an alert that answers another
    ],
)
def test_what_a_message_cannot_be(message: Make, changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises(StructureError, match=wrong):
        message(**changes)


@pytest.mark.parametrize(
    "fields",
    [{"latitude": 91.0, "longitude": 0.0}, {"latitude": 1.0}, {"radius_m": 0.0}, {"radius_m": float("nan")}],
)
def test_a_camera_lies_on_the_earth(fields: dict[str, float]) -> None:
    with pytest.raises(StructureError, match="cam"):
        CameraReference("cam", "somewhere", **fields)


def test_damaged_json_is_no_message(message: Make) -> None:
    content = message().to_json() | {"sent_at": "yesterday"}
    with pytest.raises(StructureError, match="sent_at"):
        AlertMessage.from_json(content)


def test_the_incident_lies_at_the_clips_time(message: Make) -> None:
    begin = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert message().started_at == begin + timedelta(seconds=2)
    assert message().ended_at == begin + timedelta(seconds=5.5)
    assert message(clip=ClipReference("a", "b")).started_at is None


def test_the_same_alert_of_the_same_clip_is_the_same_message(message: Make) -> None:
    one = message()
    first = AlertMessage.of_clip(one.alert, clip=one.clip, sent_at=one.sent_at)
    again = AlertMessage.of_clip(one.alert, clip=one.clip, sent_at=one.sent_at + timedelta(days=1))
    other = AlertMessage.of_clip(one.alert, clip=ClipReference("gate.mp4", "cd" * 32), sent_at=one.sent_at)
    assert first.identifier == again.identifier != other.identifier
    assert (first.status, first.confirmed) == ("test", False)


@pytest.mark.parametrize(
    ("changes", "begin"),
    [
        ({}, "TEST ALERT: Fighting (severe), Gate 3"),
        ({"status": "draft"}, "UNCONFIRMED ALERT: "),
        ({"status": "exercise"}, "EXERCISE ALERT: "),
        ({"status": "actual", "confirmed": True}, "ALERT: Fighting"),
        ({"kind": "cancel", "references": (EARLIER,)}, "TEST CANCELLED: "),
    ],
)
def test_every_form_opens_with_status_and_kind(message: Make, changes: dict[str, Any], begin: str) -> None:
    made = message(**changes)
    assert headline(made).startswith(begin)
    assert full_text(made).startswith(begin)
    assert short_text(made).startswith(begin)


def test_words_stay_within_their_length_and_end_with_the_reference(message: Make) -> None:
    camera = CameraReference("cam", "a very long place " * 40)
    made = message(camera=camera, note="n" * 900, url="https://example.org/incidents/inc7")
    assert len(headline(made)) == 160
    assert len(short_text(made)) <= 459
    assert short_text(made).endswith("https://example.org/incidents/inc7 Ref 0190aa")


def test_a_place_cannot_break_a_line(message: Make) -> None:
    made = message(camera=CameraReference("cam", "Gate\r\nBcc: all@example.org\x00"))
    assert "\n" not in headline(made)
    assert "\r" not in full_text(made)


def test_the_text_names_evidence_time_and_clip(message: Make) -> None:
    text = full_text(message())
    for fact in (
        "person 1: Fighting",
        "2026-03-01 12:00:02 UTC",
        "ab" * 32,
        "Confirmed by a person: no",
        "inc7",
    ):
        assert fact in text


def test_the_voice_says_whether_a_person_confirmed(message: Make) -> None:
    assert "No person has confirmed it yet" in spoken_text(message())
    assert "A person has confirmed it" in spoken_text(message(confirmed=True))
    assert "withdrawn" in spoken_text(message(kind="cancel", references=(EARLIER,)))
