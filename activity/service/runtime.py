"""What the routes work with: one object that holds the open database, the storage and the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activity.report import ModelInfo
from activity.service.database import Database
from activity.service.evidence.signing import SigningKey
from activity.service.metrics import Metrics
from activity.service.recognition import SegmentRecognizer
from activity.service.settings import ServiceSettings
from activity.service.storage import Storage


@dataclass(frozen=True, slots=True)
class Service:
    """An opened service.

    Attributes:
        settings: What the operator configured.
        database: Clips, jobs, incidents, keys.
        storage: The files.
        recognizer: Names activities of keypoint sequences; started with the application.
        models: What is known of the networks that analyses use.
        upload_folder: Where uploads lie until they are whole.
        signing_key: Signs evidence bundles.
        metrics: What Prometheus is told.
    """

    settings: ServiceSettings
    database: Database
    storage: Storage
    recognizer: SegmentRecognizer
    models: Sequence[ModelInfo]
    upload_folder: Path
    signing_key: SigningKey
    metrics: Metrics = field(default_factory=Metrics)
