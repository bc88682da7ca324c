"""The client: one object for one service and one key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from activity.client import schemas
from activity.client.transfer import PIECE_BYTES, OnBytes, read_pieces, refusal_of, unreachable
from activity.errors import OutputError, ServiceError
from activity.structures import Severity

OnJob = Callable[[schemas.Job], None]
Answer = TypeVar("Answer", bound=BaseModel)

_REVIEW: Final[TypeAdapter[Any]] = TypeAdapter(schemas.ReviewRequest)


class Client:
    """Speaks to one service; use it as a context manager.

    Args:
        url: Where the service is, such as ``http://127.0.0.1:8000``.
        key: An API key.
        timeout_s: For an answer to begin, and between its pieces.
        transport: How to reach the service; for tests.

    Every method raises `ServiceError` if the service refuses, fails or cannot be reached.

    Example:
        ```python
        with Client("http://127.0.0.1:8000", key) as client:
            submission = client.submit(Path("clip.mp4"))
            job = client.wait(submission.job.id)
            for incident in client.incidents(clip_id=job.clip_id):
                print(incident.label, incident.score)
        ```
    """

    def __init__(
        self, url: str, key: str, *, timeout_s: float = 60.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Clips and jobs

    def submit(
        self,
        clip: Path,
        *,
        camera_id: str | None = None,
        recorded_at: datetime | None = None,
        idempotency_key: str | None = None,
        on_bytes: OnBytes | None = None,
    ) -> schemas.Submission:
        """Upload a clip, a piece at a time, and have it analysed.

        Args:
            clip: A video file.
            camera_id: The camera it comes from.
            recorded_at: When its first frame was recorded.
            idempotency_key: The same key with the same clip gives the first answer again.
            on_bytes: Told of what was sent.
        """
        query: dict[str, str] = {"name": clip.name}
        if camera_id is not None:
            query["camera_id"] = camera_id
        if recorded_at is not None:
            query["recorded_at"] = recorded_at.isoformat()
        try:
            size = clip.stat().st_size
        except OSError as error:
            raise OutputError(f"{clip}: cannot be read: {error.strerror}") from error
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._call(
            schemas.Submission,
            "POST",
            "/v1/clips",
            params=query,
            headers=headers,
            content=read_pieces(clip, size, on_bytes),
        )

    def job(self, job_id: str) -> schemas.Job:
        """Where a job stands."""
        return self._call(schemas.Job, "GET", f"/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> schemas.Job:
        """Ask a job to stop."""
        return self._call(schemas.Job, "POST", f"/v1/jobs/{job_id}/cancel")

    def wait(
        self, job_id: str, *, timeout_s: float | None = None, on_job: OnJob | None = None
    ) -> schemas.Job:
        """Follow a job until it is final; a broken connection is taken up again.

        Raises:
            ServiceError: If it is not final after `timeout_s`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        failures = 0
        while True:
            try:
                for job in self.events(job_id):
                    failures = 0
                    if on_job is not None:
                        on_job(job)
                    if job.is_final:
                        return job
                    if deadline is not None and time.monotonic() > deadline:
                        raise ServiceError(
                            f"job {job_id}: expected an end within {timeout_s:g} s, it is {job.state}",
                            status=None,
                        )
            except ServiceError as error:
                failures += 1
                if error.status is not None or failures > 5 or (deadline and time.monotonic() > deadline):
                    raise
            time.sleep(0.2)

    def events(self, job_id: str) -> Iterator[schemas.Job]:
        """The job each time it changes, as the service tells; ends when the job is final or the connection breaks."""
        try:
            with self._http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
                if response.is_error:
                    response.read()
                    raise refusal_of(response)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield schemas.Job.model_validate_json(line[5:])
        except httpx.HTTPError as error:
            raise unreachable(self._http, error) from error
        except ValidationError as error:
            raise ServiceError(
                f"job {job_id}: the service sent an event that is no job: {error}", status=None
            ) from error

    def files(self, job_id: str) -> list[schemas.File]:
        """The files that a finished job wrote."""
        return self._call(schemas.FileList, "GET", f"/v1/jobs/{job_id}/files").items

    def download(self, href: str, target: Path) -> None:
        """Save a file, such as `File.href` names; whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        part = target.with_name(f".{target.name}.part")
        try:
            with self._http.stream("GET", href) as response:
                if response.is_error:
                    response.read()
                    raise refusal_of(response)
                target.parent.mkdir(parents=True, exist_ok=True)
                with part.open("wb") as stream:
                    for piece in response.iter_bytes(PIECE_BYTES):
                        stream.write(piece)
            part.replace(target)
        except httpx.HTTPError as error:
            raise unreachable(self._http, error) from error
        except OSError as error:
            raise OutputError(f"{target}: cannot be written: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    # Incidents

    def incidents(
        self,
        *,
        occurred_from: datetime | None = None,
        occurred_before: datetime | None = None,
        camera_id: str | None = None,
        clip_id: str | None = None,
        kind: str | None = None,
        severity: Severity | None = None,
        state: schemas.IncidentState | None = None,
    ) -> Iterator[schemas.Incident]:
        """Incidents, newest first, page after page; each filter that is `None` lets all through."""
        query: dict[str, str] = {
            name: value
            for name, value in (
                ("from", occurred_from.isoformat() if occurred_from else None),
                ("before", occurred_before.isoformat() if occurred_before else None),
                ("camera_id", camera_id),
                ("clip_id", clip_id),
                ("kind", kind),
                ("severity", severity),
                ("state", state),
            )
            if value is not None
        }
        while True:
            page = self._call(schemas.IncidentPage, "GET", "/v1/incidents", params=query)
            yield from page.items
            if page.next is None:
                return
            query["cursor"] = page.next

    def incident(self, incident_id: str) -> schemas.Incident:
        """One incident."""
        return self._call(schemas.Incident, "GET", f"/v1/incidents/{incident_id}")

    def evidence(self, incident_id: str) -> list[schemas.File]:
        """The files behind an incident: the clip, its report, the annotated clip."""
        return self._call(schemas.FileList, "GET", f"/v1/incidents/{incident_id}/evidence").items

    def review(
        self, incident_id: str, review: schemas.Confirmation | schemas.Dismissal | schemas.Correction
    ) -> schemas.Incident:
        """Decide what an incident is."""
        body = _REVIEW.dump_python(review, mode="json")
        return self._call(schemas.Incident, "POST", f"/v1/incidents/{incident_id}/review", json=body)

    # Cameras, models, recognition, health

    def cameras(self) -> list[schemas.Camera]:
        """All cameras by name."""
        return self._call(schemas.CameraList, "GET", "/v1/cameras").items

    def add_camera(self, camera: schemas.CameraRequest) -> schemas.Camera:
        """Add a camera."""
        return self._call(schemas.Camera, "POST", "/v1/cameras", json=camera.model_dump(mode="json"))

    def models(self) -> list[schemas.Model]:
        """The networks that analyses use."""
        return self._call(schemas.ModelList, "GET", "/v1/models").items

    def recognize(self, sequences: Sequence[schemas.KeypointSequence]) -> schemas.RecognizeResponse:
        """Name what people do in keypoint sequences, without any clip."""
        request = schemas.RecognizeRequest(sequences=list(sequences))
        return self._call(
            schemas.RecognizeResponse, "POST", "/v1/segments:recognize", json=request.model_dump(mode="json")
        )

    def health(self) -> schemas.Health:
        """Whether the service can work, part by part."""
        return self._call(schemas.Health, "GET", "/v1/health")

    def _call(self, model: type[Answer], method: str, path: str, **options: Any) -> Answer:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise unreachable(self._http, error) from error
        if response.is_error:
            raise refusal_of(response)
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise ServiceError(
                f"{method} {path}: expected a {model.__name__}, the service sent something else: {error}",
                status=None,
            ) from error
