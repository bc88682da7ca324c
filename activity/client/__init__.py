"""A typed client of the HTTP API, and the types that go over the wire."""

from activity.client.client import Client
from activity.client.schemas import (
    Camera,
    CameraRequest,
    Clip,
    Confirmation,
    Correction,
    Dismissal,
    File,
    Incident,
    Job,
    KeypointSequence,
    Problem,
    RecognizeResponse,
    Review,
    Submission,
    Zone,
)

__all__ = [
    "Camera",
    "CameraRequest",
    "Client",
    "Clip",
    "Confirmation",
    "Correction",
    "Dismissal",
    "File",
    "Incident",
    "Job",
    "KeypointSequence",
    "Problem",
    "RecognizeResponse",
    "Review",
    "Submission",
    "Zone",
]
