"""What incidents and reviews cause to be told: to whom, in which words, and never "actual" too early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from activity.service.database import Database, Delivery, Incident, Webhook, now
from activity.service.database.repository.incidents import add_review
from activity.service.deliveries import AlertSettings, DeliveryWorker, on_incidents, plan_raised, plan_review
from activity.service.deliveries.outbox import claim

MakeSettings = Callable[..., AlertSettings]
AddIncident = Callable[..., Incident]


def review(database: Database, incident: Incident, settings: AlertSettings, **decision: Any) -> None:
    with database.write() as session:
        stored = session.get_one(Incident, incident.id)
        plan_review(session, stored, add_review(session, stored, reviewer="key:bo", **decision), settings)


def deliver(database: Database, settings: AlertSettings, sinks: Any) -> None:
    DeliveryWorker(database, settings, sinks=sinks, public_url="https://cctv.example.org/").run_once()


def told(sinks: Any, name: str) -> list[tuple[str, str, str, bool]]:
    return [(m.kind, m.status, m.alert.label, m.confirmed) for m in sinks[name].taken]


def test_a_new_incident_is_planned_once_however_often_it_is_stored(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    settings = alert_settings()
    incident = add_incident(settings)
    with database.write() as session:
        on_incidents(settings)(session, [session.get_one(Incident, incident.id)])
    deliver(database, settings, fake_sinks)
    deliver(database, settings, fake_sinks)
    assert told(fake_sinks, "first") == [("alert", "test", "Fighting", False)]
    assert told(fake_sinks, "second") == []
    message = fake_sinks["first"].taken[0]
    assert message.url == f"https://cctv.example.org/incidents/{incident.id}"
    assert message.clip.path == "gate.mp4"
    assert message.started_at is not None
    assert message.camera is not None
    assert message.camera.description.startswith("Gate ")


def test_a_patrol_is_told_where_the_camera_is(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    incident = add_incident(alert_settings())
    with database.read() as session:
        camera = session.get_one(Incident, incident.id).camera
        assert camera is not None
    place = {"description": "north side, by the lifts", "latitude": 48.1, "longitude": 11.5}
    deliver(database, alert_settings(places={camera.name: place}), fake_sinks)
    (message,) = fake_sinks["first"].taken
    assert message.camera is not None
    assert message.camera.description == f"{camera.name}: north side, by the lifts"
    assert (message.camera.latitude, message.camera.longitude) == (48.1, 11.5)


def test_a_confirmation_updates_who_knew_and_alerts_who_did_not(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    settings = alert_settings(status="actual")
    incident = add_incident(settings)
    deliver(database, settings, fake_sinks)
    review(database, incident, settings, decision="confirmed", note="two men, no weapon")
    deliver(database, settings, fake_sinks)
    assert told(fake_sinks, "first") == [
        ("alert", "draft", "Fighting", False),
        ("update", "actual", "Fighting", True),
    ]
    assert told(fake_sinks, "second") == [("alert", "actual", "Fighting", True)]
    first, update = fake_sinks["first"].taken
    assert [reference.identifier for reference in update.references] == [first.identifier]
    assert update.note == "two men, no weapon"


@pytest.mark.parametrize("status", ["test", "exercise", "actual"])
@pytest.mark.parametrize("unconfirmed_as_actual", [False, True])
def test_nothing_is_actual_before_a_person_confirms_unless_the_operator_says_so(  # noqa: PLR0917 - fixtures
    database: Database,
    add_incident: AddIncident,
    alert_settings: MakeSettings,
    fake_sinks: Any,
    status: str,
    unconfirmed_as_actual: bool,
) -> None:
    settings = alert_settings(status=status, unconfirmed_as_actual=unconfirmed_as_actual)
    add_incident(settings)
    deliver(database, settings, fake_sinks)
    (message,) = fake_sinks["first"].taken
    expected = {"test": "test", "exercise": "exercise", "actual": "draft"}[status]
    assert message.status == ("actual" if status == "actual" and unconfirmed_as_actual else expected)
    assert not message.confirmed


@pytest.mark.parametrize(
    "decision",
    [{"decision": "dismissed", "reason": "friends at play"}, {"decision": "corrected", "label": "Normal"}],
)
def test_a_dismissal_is_told_only_to_those_who_heard_of_the_incident(
    database: Database,
    add_incident: AddIncident,
    alert_settings: MakeSettings,
    fake_sinks: Any,
    decision: dict[str, str],
) -> None:
    settings = alert_settings(status="actual")
    incident = add_incident(settings)
    deliver(database, settings, fake_sinks)
    review(database, incident, settings, **decision)
    deliver(database, settings, fake_sinks)
    assert told(fake_sinks, "first") == [
        ("alert", "draft", "Fighting", False),
        ("cancel", "draft", "Fighting", False),
    ]
    assert fake_sinks["second"].attempts == []
    assert "A person says" in fake_sinks["first"].taken[1].note


def test_an_incident_that_was_dismissed_in_time_is_never_told(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    settings = alert_settings()
    incident = add_incident(settings)
    review(database, incident, settings, decision="dismissed", reason="a dance")
    deliver(database, settings, fake_sinks)
    assert fake_sinks["first"].attempts == []
    with database.read() as session:
        assert [row.state for row in session.query(Delivery)] == ["withdrawn", "withdrawn"]


def test_an_actual_alert_is_taken_back_as_actual(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    settings = alert_settings(status="actual")
    incident = add_incident(settings)
    for decision in ({"decision": "confirmed"}, {"decision": "dismissed", "reason": "mistaken"}):
        review(database, incident, settings, **decision)
        deliver(database, settings, fake_sinks)
    assert told(fake_sinks, "second") == [
        ("alert", "actual", "Fighting", True),
        ("cancel", "actual", "Fighting", False),
    ]


def test_every_correction_is_told_with_all_that_went_before(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    settings = alert_settings()
    incident = add_incident(settings)
    deliver(database, settings, fake_sinks)
    for label in ("Robbery", "Assault"):
        review(database, incident, settings, decision="corrected", label=label)
        deliver(database, settings, fake_sinks)
    assert [m.alert.label for m in fake_sinks["first"].taken] == ["Fighting", "Robbery", "Assault"]
    assert [len(m.references) for m in fake_sinks["first"].taken] == [0, 1, 2]
    assert told(fake_sinks, "second")[0] == ("alert", "test", "Robbery", True)


def test_only_the_last_word_is_said_to_a_receiver_that_was_away(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any, failure: Any
) -> None:
    settings = alert_settings(retry={"first_delay_s": 60})
    incident = add_incident(settings)
    fake_sinks["first"].failures = [failure["away"]()]
    deliver(database, settings, fake_sinks)
    review(database, incident, settings, decision="confirmed")
    deliver(database, settings, fake_sinks)
    assert [m.kind for m in fake_sinks["first"].taken] == [
        "update"
    ]  # the attempt that failed may have arrived
    with database.write() as session:
        session.query(Delivery).filter_by(event="raised").one().next_attempt_at = now()
    deliver(database, settings, fake_sinks)
    assert len(fake_sinks["first"].attempts) == 2
    with database.read() as session:
        states = {(row.sink, row.event): row.state for row in session.query(Delivery)}
    assert states["first", "raised"] == "withdrawn"


def test_a_review_is_planned_once(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    settings = alert_settings()
    incident = add_incident(settings)
    with database.write() as session:
        stored = session.get_one(Incident, incident.id)
        one = add_review(session, stored, reviewer="key:bo", decision="confirmed")
        assert len(plan_review(session, stored, one, settings)) == 2
        assert plan_review(session, stored, one, settings) == []
        numbers = {
            row.sink: row.number for row in session.query(Delivery).filter_by(event=f"review:{one.id}")
        }
    assert numbers == {"first": 1, "second": 0}


@pytest.mark.parametrize(
    ("route", "goes"),
    [
        ({}, True),
        ({"agencies": ["fire_department"]}, False),
        ({"agencies": ["police", "fire_department"]}, True),
        ({"least_severity": "severe"}, True),
        ({"least_severity": "extreme"}, False),
        ({"labels": ["Robbery"]}, False),
        ({"labels": ["Fighting"]}, True),
        ({"cameras": ["elsewhere"]}, False),
    ],
)
def test_routes_choose_by_agency_severity_label_and_camera(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, route: Any, goes: bool
) -> None:
    settings = alert_settings(routes=[{"sinks": ["first"], "when": "raised", **route}])
    incident = add_incident()
    with database.write() as session:
        rows = plan_raised(session, session.get_one(Incident, incident.id), settings)
        assert bool(rows) is goes


def test_a_camera_is_named_by_name_or_id(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    incident = add_incident()
    with database.write() as session:
        stored = session.get_one(Incident, incident.id)
        assert stored.camera is not None
        for name, sink in ((stored.camera.id, "first"), (stored.camera.name, "second")):
            settings = alert_settings(routes=[{"sinks": [sink], "when": "raised", "cameras": [name]}])
            assert len(plan_raised(session, stored, settings)) == 1


def test_webhooks_of_the_api_hear_what_they_asked_for(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    with database.write() as session:
        wanted = [
            Webhook(url="https://a.example", secret="x", created_by="x", **fields)  # noqa: S106
            for fields in (
                {},
                {"agencies": ["police"], "severities": ["severe", "extreme"]},
                {"agencies": ["fire_department"]},
                {"severities": ["minor"]},
                {"active": False},
            )
        ]
        session.add_all(wanted)
    incident = add_incident()
    with database.write() as session:
        stored = session.get_one(Incident, incident.id)
        rows = plan_raised(session, stored, alert_settings(routes=[]))
    # in the order of their ids, which those of one millisecond draw by lot
    assert sorted(row.sink for row in rows) == sorted(f"webhook:{webhook.id}" for webhook in wanted[:2])


def test_each_receiver_of_a_list_is_a_sink_of_its_own(database: Database, add_incident: AddIncident) -> None:
    settings = AlertSettings.model_validate(
        {
            "sinks": {"duty": {"type": "sms", "to": ["+15550101", "+15550102", "+15550101"]}},
            "twilio": {"account_sid": "AC1", "password": "x", "sender": "+15550100"},
            "routes": [{"sinks": ["duty"], "when": "raised"}],
        }
    )
    incident = add_incident()
    with database.write() as session:
        rows = plan_raised(session, session.get_one(Incident, incident.id), settings)
    assert [row.sink for row in rows] == ["duty/+15550101", "duty/+15550102"]


def test_a_claimed_message_is_nobody_elses_until_the_lease_is_over(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    add_incident(alert_settings())
    with database.write() as session:
        assert len(claim(session, limit=5, lease_s=0.0)) == 1
    with database.write() as session:
        (again,) = claim(session, limit=5, lease_s=60)
        assert again.attempts == 2
    with database.write() as session:
        assert claim(session, limit=5, lease_s=60) == []


def test_a_later_message_waits_for_the_one_that_is_under_way(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    settings = alert_settings(routes=[{"sinks": ["first"], "when": "raised"}])
    incident = add_incident(settings)
    with database.write() as session:
        assert len(claim(session, limit=5, lease_s=60)) == 1
    review(database, incident, settings, decision="confirmed")
    with database.write() as session:
        assert claim(session, limit=5, lease_s=60) == []
