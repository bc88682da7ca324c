"""The engine of durable jobs (DBOS), behind the few things that we ask of it.

One engine lives in a process at a time: DBOS keeps it in a global.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final, cast

from dbos import DBOS, DBOSConfig
from dbos._serialization import Serializer
from sqlalchemy import URL

_APPLICATION: Final = "activity"
_QUEUE: Final = "clips"
_WORKFLOW: Final = "analyze_clip"
_VERSION: Final = "1"
"""Of the order of steps: jobs that were begun under another version are not taken over."""

_LOWEST_PRIORITY: Final = 2**31 - 1


class JsonSerializer(Serializer):
    """Keeps arguments and results as JSON, where DBOS would pickle them."""

    def serialize(self, data: Any) -> str:
        """Write; an exception becomes its text."""
        return json.dumps({"error": repr(data)} if isinstance(data, BaseException) else {"value": data})

    def deserialize(self, serialized_data: str) -> Any:
        """Read; an exception comes back as a `RuntimeError` with its text."""
        data = json.loads(serialized_data)
        return RuntimeError(data["error"]) if "error" in data else data["value"]

    def name(self) -> str:
        """What the rows are marked with."""
        return "activity_json"


class DurableEngine:
    """Runs ``analyze(job_id)`` for every job that is enqueued, by whichever worker is free, and again if one dies.

    Args:
        url: The database of the tables; the engine's own lie beside them.
        worker_id: Of this process, unlike any other's.
        jobs_at_a_time: How many this process runs; the latest worker's number holds for all.
        poll_s: How often a free worker looks for jobs.
    """

    def __init__(self, url: URL, *, worker_id: str, jobs_at_a_time: int, poll_s: float) -> None:
        self._url = _engine_url(url)
        self._worker_id = worker_id
        self._jobs_at_a_time = jobs_at_a_time
        self._poll_s = poll_s

    def start(self, analyze: Callable[[str, Callable[[str, Callable[[], bool]], bool]], None]) -> None:
        """Begin to take jobs.

        Args:
            analyze: Called with a job's id and a function ``step(name, work)``, which does `work` unless this job has
                done it before, and returns what it returned.
        """
        config: DBOSConfig = {
            "name": _APPLICATION,
            "system_database_url": self._url,
            "application_version": _VERSION,
            "executor_id": self._worker_id,
            "serializer": JsonSerializer(),
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        if self._url.startswith("sqlite"):
            with closing(sqlite3.connect(self._url.removeprefix("sqlite:///"))) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        DBOS(config=config)

        def analyze_clip(job_id: str) -> None:
            analyze(job_id, lambda name, work: DBOS.run_step({"name": name}, work))

        DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)(analyze_clip)
        DBOS.launch()
        DBOS.register_queue(
            _QUEUE,
            worker_concurrency=self._jobs_at_a_time,
            polling_interval_sec=self._poll_s,
            on_conflict="always_update",
        )

    def enqueue(self, job_id: str, *, turn: int) -> None:
        """Hand over a job, once however often this is called; smaller turns go first."""
        DBOS.enqueue_workflow_with_options(
            {
                "workflow_name": _WORKFLOW,
                "queue_name": _QUEUE,
                "workflow_id": job_id,
                "app_version": _VERSION,
                "priority": min(max(1, turn), _LOWEST_PRIORITY),
            },
            job_id,
        )

    def take_over(self, dead_workers: list[str]) -> None:
        """Let the jobs of workers that are no more go on elsewhere."""
        DBOS._recover_pending_workflows(dead_workers)

    def is_over(self, job_id: str) -> bool | None:
        """Whether the engine will do nothing more for this job; `None` if it does not know it."""
        status = DBOS.get_workflow_status(job_id)
        return None if status is None else status.status not in ("ENQUEUED", "PENDING", "DELAYED")

    def stop(self, *, grace_s: int) -> None:
        """Take no more jobs, and wait for those that end by themselves within `grace_s`."""
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=grace_s)


def _engine_url(url: URL) -> str:
    """SQLite: a file beside the tables', so that the two do not wait for each other; PostgreSQL: a schema of its own."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{cast('str', url.database)}-jobs"
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
