"""An application in this process, on a fresh database and folder, with a key for each role and some incidents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from activity.config import Settings, embedded_checkpoint
from activity.recognition.recognizer import Recognizer
from activity.service.api import create_app
from activity.service.database import Clip, Database, Job, Role, StepOutput
from activity.service.database.repository.incidents import add_incidents
from activity.service.database.repository.jobs import add_job, finish_job
from activity.service.evidence.signing import SigningKey
from activity.service.models import describe_models
from activity.service.recognition import SegmentRecognizer
from activity.service.runtime import Service
from activity.service.security.keys import create_key
from activity.service.settings import ServiceSettings
from activity.service.storage import open_storage
from activity.structures import Evidence, SceneAlert

DEMO = Path(__file__).parents[3] / "docs/demo/demo.mp4"


@dataclass
class Api:
    """An application with a client of each role; `anybody` has no credentials."""

    service: Service
    app: FastAPI
    anybody: TestClient
    keys: dict[Role, str]
    viewer: TestClient
    analyst: TestClient
    admin: TestClient

    def client(self, key: str) -> TestClient:
        return TestClient(self.app, headers={"Authorization": f"Bearer {key}"})

    def finished_job(self, *, alerts: int = 1, name: str = "entrance.mp4") -> tuple[str, list[str]]:
        """A job that succeeded, with its clip, its report and its incidents; returns their ids."""
        with self.service.database.write() as session:
            clip = Clip(
                storage_key=f"clips/{name.partition('.')[0]}/file.mp4",
                original_name=name,
                sha256="a" * 64,
                size_bytes=10,
                uploaded_by="key:test",
            )
            session.add(clip)
            session.flush()
            job = add_job(session, clip_id=clip.id, submitted_by="key:test")
            incidents = add_incidents(
                session,
                job,
                [
                    SceneAlert(
                        rule="Fighting",
                        label="Fighting",
                        agency="police",
                        severity="severe",
                        start_s=float(number),
                        end_s=number + 1.5,
                        score=0.9,
                        track_ids=(1, 2),
                        explanation=(Evidence("activity", "Two people fight.", 0.9),),
                    )
                    for number in range(alerts)
                ],
            )
            session.add(
                StepOutput(
                    job_id=job.id,
                    step="report",
                    files={
                        "report.json": {
                            "key": f"jobs/{job.id}/report.json",
                            "sha256": "b" * 64,
                            "size_bytes": 10,
                        },
                        "observations.npz": {
                            "key": f"jobs/{job.id}/o.npz",
                            "sha256": "c" * 64,
                            "size_bytes": 10,
                        },
                    },
                )
            )
            finish_job(session, job.id, "succeeded")
        content = self.service.upload_folder / "content"
        content.parent.mkdir(exist_ok=True)
        content.write_bytes(b"0123456789")
        self.service.storage.put(f"jobs/{job.id}/report.json", content)
        self.service.storage.put(clip.storage_key, content)
        return job.id, [incident.id for incident in incidents]

    def jobs(self) -> int:
        with self.service.database.read() as session:
            return session.query(Job).count()


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer.load(embedded_checkpoint("recognizer_fighting.safetensors"), threads=1)


@pytest.fixture
def open_api(tmp_path: Path, recognizer: Recognizer) -> Iterator[Callable[..., Api]]:
    """Opens an application with settings that differ from the usual, such as ``limits={"max_upload_bytes": 2048}``."""
    databases: list[Database] = []
    clients: list[TestClient] = []

    def open_it(**settings: object) -> Api:
        chosen = ServiceSettings.model_validate(settings)
        folder = tmp_path / f"service-{len(databases)}"
        database = Database.open(f"sqlite:///{folder / 'activity.sqlite'}")
        databases.append(database)
        service = Service(
            settings=chosen,
            database=database,
            storage=open_storage(chosen.storage or str(folder / "files")),
            recognizer=SegmentRecognizer(recognizer, chosen.batch, name="recognizer_fighting"),
            models=describe_models(Settings()),
            signing_key=SigningKey.make(),
            upload_folder=folder / "uploads",
        )
        keys: dict[Role, str] = {}
        with database.write() as session:
            for role in ("viewer", "analyst", "admin"):
                keys[role] = create_key(session, name=role, role=role, created_by="system")[1]
        app = create_app(service)
        anybody = TestClient(app, raise_server_exceptions=False)
        anybody.__enter__()  # starts the application's lifespan
        clients.append(anybody)
        role_clients = {
            role: TestClient(app, headers={"Authorization": f"Bearer {key}"}) for role, key in keys.items()
        }
        for client in role_clients.values():
            client.portal = anybody.portal  # one event loop for all, as in a real server
        return Api(
            service,
            app,
            anybody,
            keys,
            viewer=role_clients["viewer"],
            analyst=role_clients["analyst"],
            admin=role_clients["admin"],
        )

    yield open_it
    for client in clients:
        client.__exit__(None, None, None)
    for database in databases:
        database.close()


@pytest.fixture
def api(open_api: Callable[..., Api]) -> Api:
    return open_api()


@pytest.fixture(scope="session")
def demo() -> bytes:
    return DEMO.read_bytes()
