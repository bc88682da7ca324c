"""Someone who is followed: where expected, as last seen, and how dressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.tracking.appearance import appearance_similarity
from activity.tracking.history import TrackHistory
from activity.tracking.motion import BoxMotion

_CUT_RATIO: Final = 0.7
"""A box lower than this share of the expected height, from one frame to the next, is that of a person partly hidden:
nobody falls or crouches that fast."""
_CUT_FOR_S: Final = 1.0
"""How long a cut box is completed before it is believed."""
_APPEARANCE_MEMORY: Final = 0.9
_DRESS_WEIGHT: Final = 0.8
_OTHER_DRESS, _SAME_DRESS = 0.6, 0.95
"""Similarity of appearance of people dressed differently, and of one person at two times: seldom less, seldom more."""


@dataclass(slots=True)
class FollowedPerson:
    """Someone who is followed.

    Attributes:
        motion: Where the person is expected.
        keypoints: [17, 3], as last seen.
        seen_box: [4], where the whole person was when last seen, hidden parts included.
        seen_s: When last seen.
        first_s: When first seen.
        appearance: [D], see `describe_appearance`; empty where no picture was given.
        track_id: 0 until confirmed.
    """

    motion: BoxMotion
    keypoints: npt.NDArray[np.float32]
    seen_box: npt.NDArray[np.floating]
    seen_s: float
    first_s: float
    appearance: npt.NDArray[np.float32]
    track_id: int = 0
    history: TrackHistory = field(default_factory=TrackHistory)
    _cut_since_s: float | None = None
    _seen_alone: bool = False

    def expected_keypoints(self) -> npt.NDArray[np.float64]:
        """[17, 3], the last pose moved and scaled to where the person is expected."""
        expected = self.keypoints.astype(np.float64)
        x0, y0, x1, y1 = self.motion.box
        a0, b0, a1, b1 = (float(value) for value in self.seen_box)
        scale = (y1 - y0) / max(b1 - b0, 1.0)
        expected[:, 0] = (x0 + x1) / 2 + (expected[:, 0] - (a0 + a1) / 2) * scale
        expected[:, 1] = (y0 + y1) / 2 + (expected[:, 1] - (b0 + b1) / 2) * scale
        return expected

    def see(
        self, box: npt.NDArray[np.floating], keypoints: npt.NDArray[np.float32], *, time_s: float
    ) -> None:
        """Take in a box [4] and a pose [17, 3] that are this person's.

        A box that is suddenly too low is completed to the expected height, from whichever of its upper and lower
        edge is where it was expected: else a person who is half hidden for a moment would seem to shrink and to
        jump, and would not be known when whole again.
        """
        self.motion.correct(self._completed(np.asarray(box, np.float64), time_s))
        self.keypoints, self.seen_box, self.seen_s = keypoints, self.motion.box, time_s

    def dress(self, appearance: npt.NDArray[np.float32], *, alone: bool) -> None:
        """Take in how the person looks; where others overlap, only until something better is known."""
        if not self.appearance.any():
            self.appearance = appearance
        elif alone or not self._seen_alone:
            mixed = _APPEARANCE_MEMORY * self.appearance + (1 - _APPEARANCE_MEMORY) * appearance
            self.appearance = (mixed / max(float(np.linalg.norm(mixed)), 1e-9)).astype(np.float32)
        self._seen_alone |= alone

    def _completed(self, box: npt.NDArray[np.float64], time_s: float) -> npt.NDArray[np.float64]:
        expected = self.motion.box
        height = float(expected[3] - expected[1])
        if box[3] - box[1] >= _CUT_RATIO * height:
            self._cut_since_s = None
            return box
        if self._cut_since_s is None:
            self._cut_since_s = time_s
        if time_s - self._cut_since_s > _CUT_FOR_S:
            self._cut_since_s = None
            return box
        whole = box.copy()
        if abs(box[1] - expected[1]) <= abs(box[3] - expected[3]):
            whole[3] = box[1] + height
        else:
            whole[1] = box[3] - height
        return whole


def dress_factor(people: list[FollowedPerson], dress: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """[A, B], 1 where people and poses are dressed alike, down to 1 - `_DRESS_WEIGHT`; 1 where nothing is known."""
    factor = np.ones((len(people), len(dress)))
    known_columns = np.flatnonzero(dress.any(axis=1))
    for row, person in enumerate(people):
        if person.appearance.any() and len(known_columns):
            alike = appearance_similarity(person.appearance[None], dress[known_columns])[0]
            share = np.clip((alike - _OTHER_DRESS) / (_SAME_DRESS - _OTHER_DRESS), 0, 1)
            factor[row, known_columns] = 1 - _DRESS_WEIGHT * (1 - share)
    return factor
