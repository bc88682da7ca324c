"""What Prometheus is told of this process and of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from activity.service.database import Database, Delivery, Incident, Job

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one application; two applications in a process do not share them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "activity_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "activity_http_request_seconds",
            "Time until an answer was complete.",
            ("method", "route"),
            registry=self._registry,
        )
        self.uploaded_bytes = Counter(
            "activity_uploaded_bytes", "Bytes of the clips that were accepted.", registry=self._registry
        )
        self.batch_requests = Histogram(
            "activity_recognition_batch_requests",
            "Requests that went through the recogniser together.",
            buckets=_SIZES,
            registry=self._registry,
        )

    def watch(self, database: Database) -> None:
        """Add what is counted in the database each time that Prometheus asks."""
        self._registry.register(_DatabaseCounts(database))

    def render(self) -> bytes:
        """All metrics as text."""
        return generate_latest(self._registry)


class _DatabaseCounts(Collector):
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with self._database.read() as session:
            jobs = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
            incidents = session.execute(select(Incident.state, func.count()).group_by(Incident.state)).all()
            deliveries = session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()
        for name, text, rows in (
            ("activity_jobs", "Jobs by state.", jobs),
            ("activity_incidents", "Incidents by state.", incidents),
            ("activity_deliveries", "Alerts to be delivered, by state.", deliveries),
        ):
            family = GaugeMetricFamily(name, text, labels=["state"])
            for state, count in rows:
                family.add_metric([state], count)
            yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: a registry that gets a list asks the database only when Prometheus asks."""
        return []
