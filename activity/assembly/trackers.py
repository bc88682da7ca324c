"""Makes the tracker that the settings name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from activity.config import Settings
from activity.structures import Poses, Track
from activity.tracking import ByteTrackPoseTracker, PoseTracker


class Tracker(Protocol):
    """What the pipeline asks of a tracker."""

    def update(
        self,
        *,
        frame_index: int,
        time_s: float,
        poses: Poses,
        image: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Take the poses of the next frame [H, W, 3], RGB; returns their track ids [P], 0 while unconfirmed."""
        ...

    def finish(self) -> list[Track]:
        """End all tracks and return them."""
        ...


def make_tracker(settings: Settings, *, frame_rate_hz: float) -> Tracker:
    """Make a fresh tracker, as `settings` ask for it, for frames that come at `frame_rate_hz`."""
    tracking, score = settings.tracking, settings.pose.person_score
    match tracking.tracker:
        case "pose":
            return PoseTracker(
                frame_rate_hz=frame_rate_hz,
                max_gap_s=tracking.max_gap_s,
                high_score=score,
                low_score=score / 2,
            )
        case "bytetrack":
            return ByteTrackPoseTracker(
                frame_rate_hz=frame_rate_hz, max_gap_s=tracking.max_gap_s, high_score=score, start_score=score
            )
