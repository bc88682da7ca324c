"""The plug point of alert destinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from activity.structures import SceneAlert


@dataclass(frozen=True, slots=True)
class ClipReference:
    """Which clip an alert speaks of.

    Attributes:
        path: The clip's path as the user gave it.
        sha256: Hex digest of the clip's bytes.
    """

    path: str
    sha256: str


class AlertSink(Protocol):
    """A destination of alerts."""

    def send(self, alert: SceneAlert, *, clip: ClipReference) -> None:
        """Deliver one alert.

        Raises:
            OutputError: If it cannot be delivered; the message says where and why.
        """
        ...
