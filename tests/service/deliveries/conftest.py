"""What the tests of the outbox share: an incident in a fresh database, and sinks that record what they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from activity.alerts import AlertMessage, AlertSink
from activity.errors import DeliveryError
from activity.service.database import Camera, Clip, Database, Incident, new_id
from activity.service.database.repository.incidents import add_incidents
from activity.service.database.repository.jobs import add_job
from activity.service.deliveries import AlertSettings, Sinks, plan_raised
from activity.structures import Evidence, SceneAlert

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass
class FakeSink:
    """Takes messages, or fails as told: one entry of `failures` an attempt, `None` for success."""

    failures: list[Exception | None] = field(default_factory=list)
    taken: list[AlertMessage] = field(default_factory=list)
    attempts: list[AlertMessage] = field(default_factory=list)

    def send(self, message: AlertMessage) -> None:
        self.attempts.append(message)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.taken.append(message)


class FakeSinks(Sinks):
    """Sinks by name, made as they are asked for."""

    def __init__(self) -> None:
        self.made: dict[str, AlertSink] = {}

    def find(self, session: Session, key: str) -> AlertSink | None:
        return self[key] if key not in self.made else self.made[key]

    def __getitem__(self, key: str) -> FakeSink:
        sink = self.made.setdefault(key, FakeSink())
        assert isinstance(sink, FakeSink)
        return sink


def away() -> DeliveryError:
    return DeliveryError("503 away", permanent=False)


def gone() -> DeliveryError:
    return DeliveryError("410 gone", permanent=True)


@pytest.fixture
def fake_sinks() -> FakeSinks:
    return FakeSinks()


@pytest.fixture
def failure() -> dict[str, Callable[[], DeliveryError]]:
    """Makers of failures: ``away`` may be tried again, ``gone`` not."""
    return {"away": away, "gone": gone}


def settings(**changes: object) -> AlertSettings:
    """Two files, ``first`` told at once and ``second`` after confirmation."""
    content: dict[str, object] = {
        "sinks": {
            "first": {"type": "json_lines", "path": "first.jsonl"},
            "second": {"type": "json_lines", "path": "second.jsonl"},
        },
        "routes": [{"sinks": ["first"], "when": "raised"}, {"sinks": ["second"]}],
        "retry": {"first_delay_s": 0.001, "longest_delay_s": 0.002, "attempts": 4, "lease_s": 30},
    }
    return AlertSettings.model_validate(content | changes)


@pytest.fixture
def alert_settings() -> Callable[..., AlertSettings]:
    return settings


@pytest.fixture
def add_incident(database: Database) -> Callable[..., Incident]:
    """Stores one more incident at a camera, planned by `settings` if these are given."""

    def add(planned_by: AlertSettings | None = None, **changes: object) -> Incident:
        fields: dict[str, object] = {
            "rule": "activity:Fighting",
            "label": "Fighting",
            "agency": "police",
            "severity": "severe",
            "start_s": 1.0,
            "end_s": 3.0,
            "score": 0.91,
            "track_ids": (1, 2),
            "explanation": (Evidence("activity", "person 1: Fighting", 0.91),),
        }
        with database.write() as session:
            camera = Camera(name=f"Gate {new_id()}")
            session.add(camera)
            session.flush()
            clip = Clip(
                storage_key=f"clips/{new_id()}",
                original_name="gate.mp4",
                sha256="ab" * 32,
                size_bytes=7,
                uploaded_by="key:ann",
                camera_id=camera.id,
                recorded_at=NOON,
            )
            session.add(clip)
            session.flush()
            job = add_job(session, clip_id=clip.id, submitted_by="key:ann")
            (incident,) = add_incidents(session, job, [SceneAlert(**(fields | changes))])  # type: ignore[arg-type]
            if planned_by is not None:
                plan_raised(session, incident, planned_by)
            return incident

    return add
