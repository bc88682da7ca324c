"""The worker: attempts, delays, dead letters, the audit log, and every message once though workers are killed."""

from __future__ import annotations

import collections
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from activity.alerts import AlertMessage
from activity.alerts.webhook import new_secret
from activity.errors import DeliveryError, OutputError
from activity.service.database import Database, Delivery, Incident, now
from activity.service.database.repository.audit import audit_entries
from activity.service.deliveries import AlertSettings, DeliveryWorker, list_deliveries, retry_delivery
from activity.service.deliveries.outbox import claim
from tests.service.deliveries.delivery_process import start
from tests.service.fork_server import context

MakeSettings = Callable[..., AlertSettings]
AddIncident = Callable[..., Incident]


def run_until_settled(database: Database, worker: DeliveryWorker, limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        worker.run_once()
        with database.read() as session:
            if not list_deliveries(session, state="pending"):
                return
        time.sleep(0.005)
    pytest.fail("messages are still pending")


def test_a_failed_attempt_is_repeated_with_the_same_message(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any, failure: Any
) -> None:
    add_incident(alert_settings())
    fake_sinks["first"].failures = [
        failure["away"](),
        OutputError("disk full"),
        ValueError("a bug in a library"),
    ]
    run_until_settled(database, DeliveryWorker(database, alert_settings(), sinks=fake_sinks))
    assert len(fake_sinks["first"].attempts) == 4
    assert all(message == fake_sinks["first"].attempts[0] for message in fake_sinks["first"].attempts)
    assert len(fake_sinks["first"].taken) == 1


def test_after_the_last_attempt_a_message_is_a_dead_letter_that_a_person_can_revive(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any, failure: Any
) -> None:
    incident = add_incident(alert_settings())
    fake_sinks["first"].failures = [failure["away"]() for _ in range(4)]
    worker = DeliveryWorker(database, alert_settings(), sinks=fake_sinks)
    run_until_settled(database, worker)
    with database.write() as session:
        (dead,) = list_deliveries(session, state="dead", incident_id=incident.id)
        assert (dead.attempts, dead.last_error) == (4, "503 away")
        assert retry_delivery(session, dead.id) is not None
        assert retry_delivery(session, dead.id) is None
    run_until_settled(database, worker)
    assert fake_sinks["first"].taken == [fake_sinks["first"].attempts[0]]


def test_a_permanent_refusal_is_not_repeated(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any, failure: Any
) -> None:
    add_incident(alert_settings())
    fake_sinks["first"].failures = [failure["gone"]()]
    run_until_settled(database, DeliveryWorker(database, alert_settings(), sinks=fake_sinks))
    assert len(fake_sinks["first"].attempts) == 1
    with database.read() as session:
        (dead,) = list_deliveries(session, state="dead")
        (entry,) = audit_entries(session, subject=f"incident:{dead.incident_id}")
        assert (entry.action, entry.detail["error"]) == ("alert.dead", "410 gone")


def test_a_delivery_is_in_the_audit_log(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    incident = add_incident(alert_settings())
    DeliveryWorker(database, alert_settings(), sinks=fake_sinks).run_once()
    with database.read() as session:
        (entry,) = audit_entries(session, subject=f"incident:{incident.id}")
        (row,) = list_deliveries(session)
    assert entry.action == "alert.delivered"
    assert entry.detail == {
        "sink": "first",
        "message": row.id,
        "kind": "alert",
        "status": "test",
        "attempts": 1,
    }


@pytest.mark.parametrize(
    ("attempt", "asked_s", "expected_s"),
    [(1, None, 2.0), (2, None, 4.0), (5, None, 32.0), (12, None, 600.0), (1, 90.0, 90.0), (12, 5.0, 600.0)],
)
def test_delays_double_up_to_a_bound_and_heed_the_receiver(  # noqa: PLR0917 - fixtures
    database: Database,
    add_incident: AddIncident,
    alert_settings: MakeSettings,
    fake_sinks: Any,
    attempt: int,
    asked_s: float | None,
    expected_s: float,
) -> None:
    settings = alert_settings(retry={"attempts": 20})
    add_incident(settings)
    with database.write() as session:
        session.query(Delivery).one().attempts = attempt - 1
    fake_sinks["first"].failures = [DeliveryError("503", permanent=False, retry_after_s=asked_s)]
    DeliveryWorker(database, settings, sinks=fake_sinks, jitter=lambda: 1.0).run_once()
    with database.read() as session:
        delay = session.query(Delivery).one().next_attempt_at - now()
    assert timedelta(seconds=expected_s - 2) < delay <= timedelta(seconds=expected_s)


def test_a_sink_that_is_gone_from_the_settings_leaves_a_dead_letter(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings
) -> None:
    add_incident(alert_settings())
    DeliveryWorker(database, AlertSettings()).run_once()
    with database.read() as session:
        (dead,) = list_deliveries(session, state="dead")
    assert dead.last_error == "there is no such sink any more"


@pytest.mark.parametrize("arrived", [True, False])
def test_after_a_crash_a_receiver_that_can_be_asked_is_asked(
    database: Database,
    add_incident: AddIncident,
    alert_settings: MakeSettings,
    fake_sinks: Any,
    arrived: bool,
) -> None:
    class Traceable:
        def __init__(self) -> None:
            self.sent: list[AlertMessage] = []
            self.asked: list[datetime] = []

        def send(self, message: AlertMessage) -> None:
            self.sent.append(message)
            raise KeyboardInterrupt  # the worker dies with the attempt under way

        def was_delivered(self, message: AlertMessage, *, since: datetime) -> bool:
            self.asked.append(since)
            return arrived

    settings = alert_settings(retry={"lease_s": 0.1, "first_delay_s": 0.001})
    add_incident(settings)
    sink = fake_sinks.made["first"] = Traceable()
    with pytest.raises(KeyboardInterrupt):
        DeliveryWorker(database, settings, sinks=fake_sinks).run_once()
    time.sleep(0.15)
    worker = DeliveryWorker(database, settings, sinks=fake_sinks)
    if arrived:
        assert worker.run_once() == 1
    else:
        with pytest.raises(KeyboardInterrupt):
            worker.run_once()
    assert len(sink.sent) == (1 if arrived else 2)
    assert len(sink.asked) == 1
    with database.read() as session:
        assert session.query(Delivery).one().state == ("delivered" if arrived else "pending")


def test_a_slow_receiver_keeps_its_lease_and_holds_up_no_other(
    database: Database, add_incident: AddIncident, alert_settings: MakeSettings, fake_sinks: Any
) -> None:
    release = threading.Event()

    class Slow:
        def send(self, message: AlertMessage) -> None:
            release.wait(5)

    settings = alert_settings(
        routes=[{"sinks": ["first", "second"], "when": "raised"}],
        retry={"lease_s": 0.6, "first_delay_s": 0.001},
    )
    add_incident(settings)
    fake_sinks.made["first"] = Slow()
    stop = threading.Event()
    worker = DeliveryWorker(database, settings, sinks=fake_sinks)
    thread = threading.Thread(target=worker.run, args=(stop,), kwargs={"poll_s": 0.02})
    thread.start()
    try:
        time.sleep(2.0)  # more than three leases
        with database.write() as session:
            assert claim(session, limit=5, lease_s=1) == []
        assert len(fake_sinks["second"].taken) == 1
    finally:
        release.set()
        stop.set()
        thread.join(5)
    with database.read() as session:
        assert {row.sink: (row.state, row.attempts) for row in session.query(Delivery)} == {
            "first": ("delivered", 1),
            "second": ("delivered", 1),
        }


def test_a_worker_with_nothing_to_do_waits_for_no_writer(
    database: Database, alert_settings: MakeSettings
) -> None:
    stop = threading.Event()
    worker = DeliveryWorker(database, alert_settings())
    with database.write():
        thread = threading.Thread(target=worker.run, args=(stop,), kwargs={"poll_s": 0.02})
        thread.start()
        time.sleep(0.1)
        stop.set()
        thread.join(5)  # a writer waits for 30 s
        assert not thread.is_alive()


class Flaky(ThreadingHTTPServer):
    """A receiver that refuses every other call, verifies signatures, and drops repeats of an id as the scheme asks."""

    def __init__(self, secret: str) -> None:
        self.calls = 0
        self.accepted: collections.Counter[tuple[str, str]] = collections.Counter()
        self.lock = threading.Lock()
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                Verifier(secret).verify(body, dict(self.headers.items()))
                with flaky.lock:
                    flaky.calls += 1
                    refused = flaky.calls % 2 == 1
                    if not refused:
                        flaky.accepted[
                            json.loads(body)["data"]["incident_id"], self.headers["webhook-id"]
                        ] += 1
                self.send_response(503 if refused else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def flaky() -> Iterator[tuple[Flaky, str]]:
    secret = new_secret()
    server = Flaky(secret)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server, secret
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_alert_arrives_once_though_workers_are_killed_and_every_other_call_fails(
    database: Database, database_url: str, add_incident: AddIncident, flaky: tuple[Flaky, str], tmp_path: Path
) -> None:
    server, secret = flaky
    file = tmp_path / "alerts.jsonl"
    content = {
        "sinks": {
            "hook": {
                "type": "webhook",
                "url": f"http://127.0.0.1:{server.server_port}/",
                "secrets": [secret],
            },
            "file": {"type": "json_lines", "path": str(file)},
        },
        "routes": [{"sinks": ["hook", "file"], "when": "raised"}],
        "retry": {"first_delay_s": 0.01, "longest_delay_s": 0.05, "lease_s": 1.0, "attempts": 200},
    }
    settings = AlertSettings.model_validate(content)
    incidents = {add_incident(settings).id for _ in range(10)}
    processes = context()
    workers = [start(processes, database_url, content) for _ in range(2)]
    killed = 0
    end = time.monotonic() + 120
    try:
        while time.monotonic() < end:
            with database.read() as session:
                left = len(list_deliveries(session, state="pending", limit=100))
            if left == 0:
                break
            if killed < 3 and left < 20 - 5 * killed:  # kill one in the middle of its work, again and again
                victim = workers.pop(0)
                victim.kill()
                victim.join()
                workers.append(start(processes, database_url, content))
                killed += 1
            time.sleep(0.01)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert killed == 3
    with database.read() as session:
        rows = list_deliveries(session, limit=100)
    assert {row.state for row in rows} == {"delivered"}
    assert len(rows) == 20
    assert {incident for incident, _ in server.accepted} == incidents
    assert (
        len(server.accepted) == 10
    )  # one id an incident, so a repeat after a crash can be told from an alert
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["incident_id"] for line in lines) == sorted(incidents)
