"""Settings of the service, read from YAML and checked at the edge; `ServiceSettings()` runs on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from activity.config import Settings, read_yaml, state_folder
from activity.service.deliveries.settings import AlertSettings
from activity.service.evidence.signing import KEY_FILE

MIB: Final = 1024 * 1024
SETTINGS_FILE: Final = "service.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(_Section):
    """Where the service listens, and what it believes of those who call."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on; 0.0.0.0 is every network of the machine.",
    )
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/]+(/[^\s]*)?$",
        description="How others reach the service, for links in alerts; null takes the address it listens on.",
    )
    secure_cookies: bool = Field(
        False, description="Send the session cookie over https only; needs a proxy that speaks it."
    )
    session_hours: float = Field(12.0, gt=0, le=720, description="Hours until a person must log in again.")
    receive_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Seconds that a request's body may keep the service waiting, in all and beyond what "
        "slowest_bytes_per_s allows; after that it is answered with 408.",
    )
    slowest_bytes_per_s: int = Field(
        4096, ge=1, le=2**30, description="Bytes a second that a body must come with, on average."
    )
    idempotency_hours: float = Field(
        24.0, gt=0, le=720, description="Hours for which an Idempotency-Key gives the same answer."
    )


class LimitSettings(_Section):
    """What one clip or one request may take."""

    max_upload_bytes: int = Field(
        2048 * MIB, ge=1024, le=1024**4, description="Largest clip that is accepted, in bytes."
    )
    max_body_bytes: int = Field(
        32 * MIB, ge=1024, le=1024**3, description="Largest JSON body that is accepted, in bytes."
    )
    max_frame_pixels: int = Field(
        8192 * 8192,
        ge=4096,
        le=2**31,
        description="Largest frame that is decoded, width times height in pixels.",
    )
    max_frames: int = Field(1_000_000, ge=1, le=10**9, description="Most frames that a clip may have.")
    max_duration_s: float = Field(
        4 * 3600.0, gt=0, le=7 * 86400, description="Longest clip that is analysed, in seconds."
    )
    job_time_s: float = Field(
        4 * 3600.0,
        ge=1,
        le=7 * 86400,
        description="Longest time that one try of a job's step may take, in seconds.",
    )
    job_memory_mib: int = Field(
        6144, ge=256, le=1024 * 1024, description="Most memory that the process of one step may take, in MiB."
    )
    max_segments: int = Field(256, ge=1, le=4096, description="Most segments in one request for recognition.")


class QueueSettings(_Section):
    """The line of jobs."""

    max_unfinished: int = Field(
        200, ge=1, le=1_000_000, description="Jobs that wait or run at most; more are refused with 429."
    )
    retry_after_s: int = Field(
        30, ge=1, le=3600, description="Seconds that a refused client is asked to wait."
    )
    workers: int = Field(
        1, ge=0, le=64, description="Jobs that this process runs at a time; 0 leaves all to workers."
    )
    attempts: int = Field(3, ge=1, le=20, description="How often a step is tried before its job fails.")


class BatchSettings(_Section):
    """Micro-batching of recognition requests: those that come close together go through the network as one."""

    max_segments: int = Field(64, ge=1, le=1024, description="Segments that go through the network at once.")
    wait_ms: float = Field(
        4.0, ge=0, le=1000, description="How long the first of a batch waits for others, in ms."
    )
    max_waiting: int = Field(
        1024, ge=1, le=100_000, description="Segments that wait at most; more are refused with 429."
    )


class RetentionSettings(_Section):
    """How long clips are kept."""

    default_days: int | None = Field(
        None,
        ge=0,
        le=36500,
        description="Days after which a clip is deleted, unless its camera says; null keeps it.",
    )


class EvidenceSettings(_Section):
    """Evidence that leaves the service."""

    signing_key: Path | None = Field(
        None,
        description="PEM file of the Ed25519 key that signs bundles, the same on every machine that serves; null takes "
        "evidence.key in the state folder, and makes it at the first start.",
    )


class ServiceSettings(_Section):
    """Everything that `activity serve` and `activity worker` can be told."""

    database: str | None = Field(
        None,
        description="postgresql://user@host/name, or sqlite:////file; null takes a file in the state folder.",
    )
    storage: str | None = Field(
        None, description="A folder, or an address such as s3://bucket/path; null takes the state folder."
    )
    http: HttpSettings = Field(default_factory=HttpSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    queue: QueueSettings = Field(default_factory=QueueSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    evidence: EvidenceSettings = Field(default_factory=EvidenceSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Who is told of incidents.")
    analysis: Annotated[Settings, Field(description="The settings of every analysis.")] = Field(
        default_factory=Settings
    )

    @property
    def database_url(self) -> str:
        """Where the tables are: `database`, or a file in the state folder."""
        return self.database or f"sqlite:///{state_folder() / 'activity.sqlite'}"

    @property
    def storage_url(self) -> str:
        """Where the files are: `storage`, or a folder in the state folder."""
        return self.storage or str(state_folder() / "files")

    @property
    def signing_key_file(self) -> Path:
        """Where the key that signs evidence is: `evidence.signing_key`, or a file in the state folder."""
        return self.evidence.signing_key or state_folder() / KEY_FILE


def load_service_settings(path: Path | None = None) -> ServiceSettings:
    """Read the service's settings.

    Args:
        path: A YAML file; `None` takes `service.yaml` in the state folder where there is one.

    Raises:
        ConfigurationError: If the file cannot be read, or a value is unknown or out of bounds.
    """
    if path is None:
        path = state_folder() / SETTINGS_FILE
        if not path.exists():
            return ServiceSettings()
    return read_yaml(path, ServiceSettings)
