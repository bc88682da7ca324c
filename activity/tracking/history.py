"""The poses of one person, stored compactly while the clip runs."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import KEYPOINT_COUNT, Poses, Track

_ROW: Final = KEYPOINT_COUNT * 3 + 4 + 1  # keypoints, box, score
_FIRST_ROWS: Final = 16


class TrackHistory:
    """A growing table of observations: 240 bytes for each, in three arrays that double when full."""

    __slots__ = ("_frames", "_length", "_rows", "_times_s")

    def __init__(self) -> None:
        self._length = 0
        self._rows = np.empty((_FIRST_ROWS, _ROW), np.float32)
        self._times_s = np.empty(_FIRST_ROWS, np.float64)
        self._frames = np.empty(_FIRST_ROWS, np.int64)

    def __len__(self) -> int:
        return self._length

    @property
    def mean_score(self) -> float:
        """Of all observations."""
        return float(self._rows[: self._length, -1].mean())

    def append(self, frame_index: int, time_s: float, poses: Poses, person: int) -> None:
        """Add one person of a frame."""
        if self._length == len(self._rows):
            self._resize(2 * self._length)
        row = self._rows[self._length]
        row[:-5] = poses.keypoints[person].reshape(-1)
        row[-5:-1] = poses.boxes[person]
        row[-1] = poses.scores[person]
        self._times_s[self._length] = time_s
        self._frames[self._length] = frame_index
        self._length += 1

    def extend(self, later: TrackHistory) -> None:
        """Add all observations of another history, which begins after this one ends."""
        while self._length + len(later) > len(self._rows):
            self._resize(2 * len(self._rows))
        end = self._length + len(later)
        self._rows[self._length : end] = later._rows[: len(later)]
        self._times_s[self._length : end] = later._times_s[: len(later)]
        self._frames[self._length : end] = later._frames[: len(later)]
        self._length = end

    def compact(self) -> None:
        """Give back the rows that were kept ready for more."""
        self._resize(self._length)

    def to_track(self, track_id: int) -> Track:
        """The observations so far, as a track."""
        rows = self._rows[: self._length]
        return Track(
            track_id=track_id,
            frame_indices=self._frames[: self._length],
            times_s=self._times_s[: self._length],
            keypoints=rows[:, :-5].reshape(-1, KEYPOINT_COUNT, 3),
            boxes=rows[:, -5:-1],
            scores=rows[:, -1],
        )

    def _resize(self, length: int) -> None:
        for name in ("_rows", "_times_s", "_frames"):
            old: npt.NDArray[np.generic] = getattr(self, name)
            new = np.empty((length, *old.shape[1:]), old.dtype)
            new[: self._length] = old[: self._length]
            setattr(self, name, new)


class FrameOrder:
    """Checks that frames come in order of index and time."""

    def __init__(self) -> None:
        self.frames = 0
        self._index = -1
        self._time_s = float("-inf")

    def advance(self, frame_index: int, time_s: float) -> float:
        """Return the seconds since the frame before, 0 for the first.

        Raises:
            StructureError: If the frame does not come after the one before in both index and time.
        """
        if frame_index <= self._index or not self._time_s < time_s < float("inf"):
            raise StructureError(
                f"expected frames in order of index and time, got frame {frame_index} at {time_s} s "
                f"after frame {self._index} at {self._time_s} s"
            )
        elapsed_s = time_s - self._time_s if self.frames else 0.0
        self.frames += 1
        self._index, self._time_s = frame_index, time_s
        return elapsed_s
