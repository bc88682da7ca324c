"""Tracking by box and pose together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import ConfigurationError, StructureError
from activity.structures import Poses, Track
from activity.tracking.history import FrameOrder, TrackHistory
from activity.tracking.motion import BoxMotion
from activity.tracking.similarity import assign, person_similarity

_DUPLICATE: Final = 0.7
_SIZE_RATIO: Final = 0.6


@dataclass(slots=True)
class _Person:
    """Someone who is followed.

    Attributes:
        motion: Where the person is expected.
        keypoints: [17, 3], as last seen.
        seen_box: [4], as last seen.
        seen_s: When last seen.
        hits: In how many frames seen.
        track_id: 0 until confirmed.
    """

    motion: BoxMotion
    keypoints: npt.NDArray[np.float32]
    seen_box: npt.NDArray[np.float32]
    seen_s: float
    hits: int = 1
    track_id: int = 0
    history: TrackHistory = field(default_factory=TrackHistory)

    def expected_keypoints(self) -> npt.NDArray[np.float64]:
        """[17, 3], the last pose moved and scaled to where the person is expected."""
        expected = self.keypoints.astype(np.float64)
        x0, y0, x1, y1 = self.motion.box
        a0, b0, a1, b1 = (float(value) for value in self.seen_box)
        scale = (y1 - y0) / max(b1 - b0, 1.0)
        expected[:, 0] = (x0 + x1) / 2 + (expected[:, 0] - (a0 + a1) / 2) * scale
        expected[:, 1] = (y0 + y1) / 2 + (expected[:, 1] - (b0 + b1) / 2) * scale
        return expected


class PoseTracker:
    """Gives people ids that stay the same from frame to frame, online, in one pass.

    Poses are assigned to the people followed so far in three steps, each an optimal assignment:

    1. poses of at least `high_score` to everyone, by box overlap and pose similarity together;
    2. weaker poses, at least `low_score`, to those left: a person half hidden scores low but is still
       there (Zhang et al., "ByteTrack", 2022);
    3. strong poses still left to people out of sight for a while, by distance from where they are
       expected, as far as the motion model's own uncertainty allows.

    A strong pose that remains starts a new person, unless it doubles one that was just assigned. A person
    is confirmed, and gets an id, after `confirm_hits` frames; the frames before then belong to the track
    too, although `update` said 0 for them. In a clip of fewer frames than that, the clip's length is
    enough. Who is not confirmed is dropped. Nothing is shared between two trackers.

    Args:
        frame_rate_hz: Nominal rate at which frames come; the times given with them are what counts.
        max_gap_s: How long a person may be unseen and keep the id.
        confirm_hits: Frames in which a person must be seen.
        high_score: Least score of a pose that can start a person.
        low_score: Least score of a pose that can continue one.
        pose_weight: Share of the pose in the similarity, 0 to 1; the box has the rest.
        least_similarity: People and poses of at least `high_score` less alike than this are not assigned.
        weak_similarity: The same for weaker poses, many of which are nobody.
        coasting_s: Time in which the speed of an unseen person falls to 1/e.

    Raises:
        ConfigurationError: If a setting is out of bounds.
    """

    def __init__(
        self,
        *,
        frame_rate_hz: float,
        max_gap_s: float = 1.2,
        confirm_hits: int = 3,
        high_score: float = 0.2,
        low_score: float = 0.08,
        pose_weight: float = 0.8,
        least_similarity: float = 0.2,
        weak_similarity: float = 0.35,
        coasting_s: float = 0.6,
    ) -> None:
        for name, value, low, high in (
            ("frame_rate_hz", frame_rate_hz, 1e-6, 1e6),
            ("max_gap_s", max_gap_s, 0, 3600),
            ("confirm_hits", confirm_hits, 1, 1e6),
            ("high_score", high_score, 0, 1),
            ("low_score", low_score, 0, high_score),
            ("pose_weight", pose_weight, 0, 1),
            ("least_similarity", least_similarity, 1e-6, 1),
            ("weak_similarity", weak_similarity, 1e-6, 1),
            ("coasting_s", coasting_s, 1e-6, 3600),
        ):
            if not low <= value <= high:
                raise ConfigurationError(f"{name}: expected {low} to {high}, got {value}")
        self._period_s = 1 / frame_rate_hz
        self._max_gap_s = max_gap_s
        self._confirm_hits = confirm_hits
        self._high_score, self._low_score = high_score, low_score
        self._pose_weight, self._least_similarity = pose_weight, least_similarity
        self._weak_similarity = weak_similarity
        self._coasting_s = coasting_s
        self._order = FrameOrder()
        self._people: list[_Person] = []
        self._finished: list[tuple[int, TrackHistory]] = []
        self._next_id = 1
        self._ended = False

    def update(self, *, frame_index: int, time_s: float, poses: Poses) -> npt.NDArray[np.int64]:
        """Take in the people of the next frame.

        Args:
            frame_index: Index of the decoded frame; must increase.
            time_s: Its time in seconds; must increase.
            poses: The P people seen in it.

        Returns:
            [P] track ids in the order of `poses`, from 1; 0 for a person not (yet) confirmed.

        Raises:
            StructureError: If frames are out of order, or `finish` was called before.
        """
        if self._ended:
            raise StructureError("expected no frame after finish(); make a new tracker for a new clip")
        elapsed_s = self._order.advance(frame_index, time_s)
        self._forget(time_s)
        for person in self._people:
            person.motion.predict(
                elapsed_s, unseen=time_s - person.seen_s > 1.5 * max(elapsed_s, self._period_s)
            )
        owners = self._assign(poses, time_s)
        ids = np.zeros(len(poses), np.int64)
        for index, person in owners.items():
            person.keypoints, person.seen_box = poses.keypoints[index], poses.boxes[index]
            person.seen_s = time_s
            person.history.append(frame_index, time_s, poses, index)
            person.hits = len(person.history)
            if person.track_id == 0 and person.hits >= self._confirm_hits:
                self._confirm(person)
            ids[index] = person.track_id
        return ids

    def finish(self) -> list[Track]:
        """End the clip.

        Returns:
            The tracks of everyone confirmed, in order of their ids.
        """
        self._ended = True
        for person in self._people:
            if person.track_id == 0 and person.hits >= min(self._confirm_hits, self._order.frames):
                self._confirm(person)
            self._put_away(person)
        self._people = []
        return [
            history.to_track(track_id)
            for track_id, history in sorted(self._finished, key=lambda pair: pair[0])
        ]

    def _assign(self, poses: Poses, time_s: float) -> dict[int, _Person]:
        """Who each pose is: index of the pose to the person, known or new."""
        owners: dict[int, _Person] = {}
        strong = [int(i) for i in np.flatnonzero(poses.scores >= self._high_score)]
        weak = [
            int(i)
            for i in np.flatnonzero((poses.scores < self._high_score) & (poses.scores >= self._low_score))
        ]
        self._match(poses, strong, owners, least=self._least_similarity)
        self._match(poses, weak, owners, least=self._weak_similarity)
        self._match_by_distance(poses, strong, owners)
        for index, person in owners.items():
            person.motion.correct(poses.boxes[index])
        for index in strong:
            if index not in owners and not self._doubles(poses, index, owners):
                owners[index] = self._begin(poses, index, time_s)
        return owners

    def _match(
        self, poses: Poses, candidates: list[int], owners: dict[int, _Person], *, least: float
    ) -> None:
        """Assign free candidates to free people by box and pose."""
        free = self._without(owners)
        indices = [index for index in candidates if index not in owners]
        if not free or not indices:
            return
        similarity = person_similarity(
            np.stack([person.motion.box for person in free]),
            np.stack([person.expected_keypoints() for person in free]),
            poses.boxes[indices],
            poses.keypoints[indices],
            pose_weight=self._pose_weight,
        )
        for row, column in assign(similarity, least=least):
            owners[indices[column]] = free[row]

    def _without(self, owners: dict[int, _Person]) -> list[_Person]:
        taken = {id(person) for person in owners.values()}
        return [person for person in self._people if id(person) not in taken]

    def _match_by_distance(self, poses: Poses, candidates: list[int], owners: dict[int, _Person]) -> None:
        """Assign free candidates to free people near enough to where they are expected, and as large."""
        free = [person for person in self._without(owners) if person.track_id]
        indices = [index for index in candidates if index not in owners]
        closeness = np.zeros((len(free), len(indices)))
        for row, person in enumerate(free):
            x0, y0, x1, y1 = person.motion.box
            height = y1 - y0
            reach = min(0.5 * height + person.motion.uncertainty_px, 1.5 * height)
            for column, index in enumerate(indices):
                box = poses.boxes[index].astype(np.float64)
                distance = math.hypot((box[0] + box[2] - x0 - x1) / 2, (box[1] + box[3] - y0 - y1) / 2)
                ratio = min(height, box[3] - box[1]) / max(height, box[3] - box[1], 1e-9)
                if ratio >= _SIZE_RATIO:
                    closeness[row, column] = max(0.0, 1 - distance / reach)
        for row, column in assign(closeness, least=1e-6):
            owners[indices[column]] = free[row]

    def _doubles(self, poses: Poses, index: int, owners: dict[int, _Person]) -> bool:
        """Whether a pose is a second copy of one that already has an owner."""
        others = list(owners)
        if not others:
            return False
        one = slice(index, index + 1)
        similarity = person_similarity(
            poses.boxes[one],
            poses.keypoints[one],
            poses.boxes[others],
            poses.keypoints[others],
            pose_weight=self._pose_weight,
        )
        return bool(similarity.max() >= _DUPLICATE)

    def _begin(self, poses: Poses, index: int, time_s: float) -> _Person:
        box = poses.boxes[index]
        person = _Person(
            motion=BoxMotion(box, coasting_s=self._coasting_s),
            keypoints=poses.keypoints[index],
            seen_box=box,
            seen_s=time_s,
        )
        self._people.append(person)
        return person

    def _confirm(self, person: _Person) -> None:
        person.track_id = self._next_id
        self._next_id += 1

    def _forget(self, time_s: float) -> None:
        """Let go of people unseen for too long: of the unconfirmed sooner, in two frames."""
        kept = []
        for person in self._people:
            gap_s = self._max_gap_s if person.track_id else min(self._max_gap_s, 2.5 * self._period_s)
            if time_s - person.seen_s <= gap_s + 1e-9:
                kept.append(person)
            else:
                self._put_away(person)
        self._people = kept

    def _put_away(self, person: _Person) -> None:
        if person.track_id:
            person.history.compact()
            self._finished.append((person.track_id, person.history))
