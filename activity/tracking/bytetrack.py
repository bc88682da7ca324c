"""Tracking by boxes alone, by the `trackers` library."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from activity.errors import ConfigurationError, StructureError
from activity.structures import Poses, Track
from activity.tracking.history import FrameOrder, TrackHistory


class ByteTrackPoseTracker:
    """ByteTrack (Zhang et al., 2022) of the `trackers` library, behind the interface of `PoseTracker`.

    It sees boxes and scores, never joints. A track begins with the frame that confirms it.

    Args:
        frame_rate_hz: Nominal rate at which frames come; the times given with them are what counts.
        max_gap_s: How long a person may be unseen and keep the id.
        confirm_hits: Consecutive frames in which a person must be seen.
        high_score: Least score of a pose that is assigned first.
        start_score: Least score of a pose that can start a person.
        least_iou: Pairs whose boxes overlap less are never assigned.

    Raises:
        ConfigurationError: If a rate, a gap or a count is out of bounds.
    """

    def __init__(
        self,
        *,
        frame_rate_hz: float,
        max_gap_s: float = 1.2,
        confirm_hits: int = 2,
        high_score: float = 0.2,
        start_score: float = 0.2,
        least_iou: float = 0.2,
    ) -> None:
        # imported here because it takes seconds to load, and only those who choose it should wait
        import supervision  # noqa: PLC0415
        from trackers import ByteTrackTracker  # noqa: PLC0415

        if not (math.isfinite(frame_rate_hz) and frame_rate_hz > 0 and max_gap_s >= 0 and confirm_hits >= 1):
            raise ConfigurationError(
                "expected frame_rate_hz above 0, max_gap_s of 0 or more and confirm_hits of 1 or more, "
                f"got {frame_rate_hz}, {max_gap_s} and {confirm_hits}"
            )
        self._detections = supervision.Detections
        self._tracker = ByteTrackTracker(
            lost_track_buffer=max(1, round(max_gap_s * 30)),  # the library counts frames of 30 Hz
            frame_rate=frame_rate_hz,
            track_activation_threshold=start_score,
            minimum_consecutive_frames=confirm_hits,
            minimum_iou_threshold=least_iou,
            high_conf_det_threshold=high_score,
        )
        self._order = FrameOrder()
        self._histories: dict[int, TrackHistory] = {}
        self._ended = False

    def update(
        self,
        *,
        frame_index: int,
        time_s: float,
        poses: Poses,
        image: npt.NDArray[np.uint8] | None = None,  # noqa: ARG002 - it sees boxes alone
    ) -> npt.NDArray[np.int64]:
        """Take in the people of the next frame; arguments, result and errors as of `PoseTracker.update`."""
        if self._ended:
            raise StructureError("expected no frame after finish(); make a new tracker for a new clip")
        self._order.advance(frame_index, time_s)
        given = self._detections(
            xyxy=np.array(poses.boxes, np.float32),
            confidence=np.array(poses.scores, np.float32),
            data={"row": np.arange(len(poses))},
        )
        tracked = self._tracker.update(given, timestamp=time_s)
        ids = np.zeros(len(poses), np.int64)
        for row, number in zip(tracked.data.get("row", ()), tracked.tracker_id, strict=True):
            ids[row] = number + 1  # the library counts from 0 and says -1 for nobody
        for row in np.flatnonzero(ids):
            history = self._histories.setdefault(int(ids[row]), TrackHistory())
            history.append(frame_index, time_s, poses, int(row))
        return ids

    def finish(self) -> list[Track]:
        """End the clip; the tracks of everyone confirmed, in order of their ids."""
        self._ended = True
        return [self._histories[track_id].to_track(track_id) for track_id in sorted(self._histories)]
