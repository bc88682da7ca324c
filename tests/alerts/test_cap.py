"""CAP 1.2: valid by the schema in every combination, and every element as the standard defines it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activity.alerts import AlertMessage, CameraReference, ClipReference, MessageReference
from activity.alerts.addresses import ANY_ADDRESS
from activity.alerts.cap import NAMESPACE, CapFolderSink, CapHttpSink, CapSender, cap_document
from activity.errors import ConfigurationError, OutputError
from activity.structures import Evidence, SceneAlert

Make = Callable[..., AlertMessage]
SENDER = CapSender("activity@cctv.example.org", contact="+1 555 0100")
EARLIER = (
    MessageReference("0190aa", datetime(2026, 3, 1, 13, tzinfo=UTC)),
    MessageReference("0190ab", datetime(2026, 3, 1, 14, tzinfo=UTC)),
)


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).with_name("cap_1_2.xsd"))


def text_of(document: bytes, path: str) -> str | None:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
    return ET.fromstring(document).findtext(steps)  # noqa: S314 - our own document


def test_every_kind_status_place_and_scope_is_valid(message: Make, schema: xmlschema.XMLSchema) -> None:
    cameras = (None, CameraReference("c", "Gate"), CameraReference("c", "Gate", -90.0, 180.0))
    senders = (SENDER, CapSender("a", addresses=("Police Control", "fire@example.org")))
    clips = (
        ClipReference("a.mp4", "ab" * 32),
        ClipReference("a.mp4", "ab" * 32, datetime(2026, 3, 1, tzinfo=UTC)),
    )
    count = 0
    for kind, status, camera, sender, clip, confirmed in itertools.product(
        ("alert", "update", "cancel"),
        ("actual", "exercise", "test", "draft"),
        cameras,
        senders,
        clips,
        (True, False),
    ):
        references = () if kind == "alert" else EARLIER
        made = message(
            kind=kind, status=status, camera=camera, clip=clip, confirmed=confirmed, references=references
        )
        schema.validate(cap_document(made, sender).decode())
        count += 1
    assert count == 3 * 4 * 3 * 2 * 2 * 2


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=st.text(max_size=40), note=st.text(max_size=40), seconds=st.integers(0, 2**31))
def test_no_text_makes_it_invalid(
    message: Make, schema: xmlschema.XMLSchema, words: str, note: str, seconds: int
) -> None:
    alert = SceneAlert(
        "r", words or "x", "fire_department", "minor", 0, 1, 0.1, (), (Evidence("fire", words, 0.1),)
    )
    sent_at = datetime(1980, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    made = message(alert=alert, note=note, sent_at=sent_at, camera=CameraReference("c", words))
    schema.validate(cap_document(made, SENDER).decode())


def test_the_schema_refuses_what_the_standard_forbids(message: Make, schema: xmlschema.XMLSchema) -> None:
    good = cap_document(message(), SENDER).decode()
    for wrong in (
        good.replace("<status>Test</status>", "<status>test</status>"),
        good.replace("12:00:30-00:00</sent>", "12:00:30Z</sent>"),
        good.replace("<scope>Restricted</scope>", ""),
        good.replace("<identifier>0190aa", "<identifier>0190 aa"),
        good.replace("<circle>48.137000,11.575000 0.050", "<circle>48.137000 11.575000 0.050"),
        good.replace("<urgency>", "<urgency>Very "),
    ):
        assert wrong != good
        assert not schema.is_valid(wrong)


def test_unless_told_otherwise_it_is_a_test_for_few(message: Make) -> None:
    document = cap_document(message(), SENDER)
    assert text_of(document, "status") == "Test"
    assert text_of(document, "msgType") == "Alert"
    assert text_of(document, "scope") == "Restricted"
    assert text_of(document, "restriction") == "For police use only."
    assert text_of(document, "sent") == "2026-03-01T12:00:30-00:00"
    assert text_of(document, "info/onset") == "2026-03-01T12:00:02-00:00"
    assert text_of(document, "info/expires") == "2026-03-02T12:00:30-00:00"
    assert text_of(document, "info/category") == "Security"
    assert text_of(document, "info/urgency") == "Immediate"
    assert text_of(document, "info/certainty") == "Likely"
    assert text_of(document, "info/area/circle") == "48.137000,11.575000 0.050"


def test_a_message_to_named_addresses_is_private(message: Make) -> None:
    document = cap_document(message(), CapSender("a@b", addresses=("Police Control", "fire@example.org")))
    assert text_of(document, "scope") == "Private"
    assert text_of(document, "addresses") == '"Police Control" fire@example.org'


def test_a_withdrawal_names_every_message_that_went_before(message: Make) -> None:
    document = cap_document(message(kind="cancel", references=EARLIER, note="two friends play"), SENDER)
    assert text_of(document, "msgType") == "Cancel"
    assert text_of(document, "references") == (
        "activity@cctv.example.org,0190aa,2026-03-01T13:00:00-00:00 "
        "activity@cctv.example.org,0190ab,2026-03-01T14:00:00-00:00"
    )
    assert text_of(document, "incidents") == "inc7"
    assert text_of(document, "note") == "two friends play"
    assert (text_of(document, "info/urgency"), text_of(document, "info/certainty")) == ("Past", "Unlikely")
    assert text_of(document, "info/responseType") == "AllClear"


def test_certainty_and_urgency_follow_confirmation_and_age(message: Make) -> None:
    confirmed = cap_document(message(confirmed=True, status="actual"), SENDER)
    assert text_of(confirmed, "info/certainty") == "Observed"
    late = message(sent_at=datetime(2026, 3, 1, 12, 16, tzinfo=UTC))
    assert text_of(cap_document(late, SENDER), "info/urgency") == "Past"
    undated = message(clip=ClipReference("a", "b"))
    assert text_of(cap_document(undated, SENDER), "info/urgency") == "Unknown"


def test_a_sender_with_a_comma_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sender"):
        CapSender("activity, Munich")


def test_a_repeated_message_is_one_file(message: Make, tmp_path: Path, schema: xmlschema.XMLSchema) -> None:
    sink = CapFolderSink(tmp_path / "out", sender=SENDER)
    sink.send(message())
    sink.send(message())
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "0190aa.xml"
    schema.validate(file.read_text(encoding="utf-8"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="CAP"):
        CapFolderSink(tmp_path / "file", sender=SENDER).send(message())


def test_an_identifier_cannot_leave_the_folder(message: Make, tmp_path: Path) -> None:
    CapFolderSink(tmp_path / "out", sender=SENDER).send(message(identifier="../../etc/x"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["______etc_x.xml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_gateway_gets_the_document_and_the_token(message: Make, http_server: Any) -> None:
    server = http_server
    sink = CapHttpSink(f"{server.url}/cap", sender=SENDER, policy=ANY_ADDRESS, token="t0")  # noqa: S106
    sink.send(message())
    (request,) = server.requests
    assert request.body == cap_document(message(), SENDER)
    assert request.headers["content-type"] == "application/cap+xml"
    assert request.headers["authorization"] == "Bearer t0"
