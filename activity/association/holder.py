"""The plug point of holder association."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from activity.structures import Detections, HolderLink, Poses


class HolderFinder(Protocol):
    """Links each weapon of a frame to the person who holds it, with the evidence for every candidate."""

    def find(
        self,
        *,
        frame_index: int,
        time_s: float,
        weapons: Detections,
        people: Poses,
        track_ids: npt.NDArray[np.int64],
    ) -> list[HolderLink]:
        """Return one link for each weapon, in the order of `weapons`.

        Args:
            frame_index: The decoded frame.
            time_s: Its presentation time in seconds.
            weapons: The weapons seen in it, boxes in pixels.
            people: The people seen in it, keypoints in pixels.
            track_ids: [P], the track of each person; 0 for a person without a confirmed track.
        """
        ...
