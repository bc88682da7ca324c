"""Tracking by box and pose together."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import ConfigurationError, StructureError
from activity.structures import Poses, Track, box_iou
from activity.tracking.appearance import describe_people
from activity.tracking.history import FrameOrder, TrackHistory
from activity.tracking.motion import BoxMotion
from activity.tracking.person import FollowedPerson, dress_factor
from activity.tracking.reentry import find_returned
from activity.tracking.similarity import (
    are_alone,
    assign,
    box_containment,
    person_similarity,
)

_DUPLICATE: Final = 0.7
_INSIDE: Final = 0.8
"""A pose whose box lies this far inside another's, or holds it, starts nobody: it may be both in one box."""
_SIZE_RATIO: Final = 0.6
_SAME_BOX_IOU: Final = 0.5  # from here on boxes may be assigned whatever the poses say


class PoseTracker:
    """Gives people ids that stay the same from frame to frame, online, in one pass.

    Poses are assigned to the people followed so far in three steps, each an optimal assignment:

    1. poses of at least `high_score` to everyone, by box overlap and pose similarity together;
    2. weaker poses, at least `low_score`, to those left: a person half hidden scores low but is still
       there (Zhang et al., "ByteTrack", 2022);
    3. strong poses still left to people out of sight for a while, by distance from where they are
       expected, as far as the motion model's own uncertainty allows.

    Where pictures are given, similarities fall where clothes differ in colour: people who cross are told apart by
    it. A strong pose that remains starts a new person, unless it doubles one that was just assigned, or one box
    holds the other. A person is confirmed, and gets an id, after `confirm_hits` frames (the clip's length where that
    is less): the id of a person out of sight who was dressed alike, see `find_returned`, or a new one. The frames
    before then belong to the track too, although `update` said 0 for them. Who is not confirmed is dropped, and at the
    end who was less sure on average than a person's first pose must be: a plant that was taken for somebody now and
    then, and carried on by weak poses. Nothing is shared between two trackers.

    Args:
        frame_rate_hz: Nominal rate at which frames come; the times given with them are what counts.
        max_gap_s: How long a person may be unseen and keep the id, by place alone.
        reentry_s: The same, where the clothes are known again.
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
        reentry_s: float = 4.0,
        confirm_hits: int = 3,
        high_score: float = 0.2,
        low_score: float = 0.08,
        pose_weight: float = 0.6,
        least_similarity: float = 0.2,
        weak_similarity: float = 0.35,
        coasting_s: float = 0.6,
    ) -> None:
        for name, value, low, high in (
            ("frame_rate_hz", frame_rate_hz, 1e-6, 1e6),
            ("max_gap_s", max_gap_s, 0, 3600),
            ("reentry_s", reentry_s, 0, 3600),
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
        self._max_gap_s, self._reentry_s = max_gap_s, reentry_s
        self._confirm_hits = confirm_hits
        self._high_score, self._low_score = high_score, low_score
        self._pose_weight, self._least_similarity = pose_weight, least_similarity
        self._weak_similarity = weak_similarity
        self._coasting_s = coasting_s
        self._order = FrameOrder()
        self._people: list[FollowedPerson] = []
        self._absent: list[FollowedPerson] = []
        self._finished: list[tuple[int, TrackHistory]] = []
        self._next_id = 1
        self._ended = False

    def update(
        self,
        *,
        frame_index: int,
        time_s: float,
        poses: Poses,
        image: npt.NDArray[np.uint8] | None = None,
    ) -> npt.NDArray[np.int64]:
        """Take in the people of the next frame.

        Args:
            frame_index: Index of the decoded frame; must increase.
            time_s: Its time in seconds; must increase.
            poses: The P people seen in it.
            image: The frame, [H, W, 3] uint8, RGB, in whose pixels the poses are; without it people are not told
                apart by their clothes.

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
        dress = describe_people(image, poses, self._low_score)
        owners = self._assign(poses, dress, time_s)
        alone = dict(zip(owners, are_alone(poses.boxes[list(owners)]).tolist(), strict=True))
        ids = np.zeros(len(poses), np.int64)
        for index, person in owners.items():
            person.history.append(frame_index, time_s, poses, index)
            if dress[index].any():
                person.dress(dress[index], alone=alone[index])
            if person.track_id == 0 and len(person.history) >= self._confirm_hits:
                self._confirm(person)
            ids[index] = person.track_id
        return ids

    def finish(self) -> list[Track]:
        """End the clip.

        Returns:
            The tracks of everyone confirmed whose poses score `high_score` or more on average, in order of their ids.
        """
        self._ended = True
        for person in list(self._people):
            if person.track_id == 0 and len(person.history) >= min(self._confirm_hits, self._order.frames):
                self._confirm(person)
        for person in self._people + self._absent:
            self._put_away(person)
        self._people, self._absent = [], []
        return [
            history.to_track(track_id)
            for track_id, history in sorted(self._finished, key=lambda pair: pair[0])
            if history.mean_score >= self._high_score
        ]

    def _assign(
        self, poses: Poses, dress: npt.NDArray[np.float32], time_s: float
    ) -> dict[int, FollowedPerson]:
        """Who each pose is: index of the pose to the person, known or new."""
        owners: dict[int, FollowedPerson] = {}
        strong = [int(i) for i in np.flatnonzero(poses.scores >= self._high_score)]
        weak = [
            int(i)
            for i in np.flatnonzero((poses.scores < self._high_score) & (poses.scores >= self._low_score))
        ]
        self._match(poses, dress, strong, owners, least=self._least_similarity)
        self._match(poses, dress, weak, owners, least=self._weak_similarity)
        self._match_by_distance(poses, dress, strong, owners)
        for index, person in owners.items():
            person.see(poses.boxes[index], poses.keypoints[index], time_s=time_s)
        for index in strong:
            if index not in owners and not self._doubles(poses, index, owners):
                owners[index] = self._begin(poses, index, time_s)
        return owners

    def _match(
        self,
        poses: Poses,
        dress: npt.NDArray[np.float32],
        candidates: list[int],
        owners: dict[int, FollowedPerson],
        *,
        least: float,
    ) -> None:
        """Assign free candidates to free people by box, pose and clothes."""
        free = self._without(owners)
        indices = [index for index in candidates if index not in owners]
        if not free or not indices:
            return
        boxes = np.stack([person.motion.box for person in free])
        similarity = person_similarity(
            boxes,
            np.stack([person.expected_keypoints() for person in free]),
            poses.boxes[indices],
            poses.keypoints[indices],
            pose_weight=self._pose_weight,
        )
        possible = (similarity >= least) | (box_iou(boxes, poses.boxes[indices]) >= _SAME_BOX_IOU)
        similarity = np.where(possible, similarity * dress_factor(free, dress[indices]), 0)
        for row, column in assign(similarity, least=1e-6):
            owners[indices[column]] = free[row]

    def _without(self, owners: dict[int, FollowedPerson]) -> list[FollowedPerson]:
        taken = {id(person) for person in owners.values()}
        return [person for person in self._people if id(person) not in taken]

    def _match_by_distance(
        self,
        poses: Poses,
        dress: npt.NDArray[np.float32],
        candidates: list[int],
        owners: dict[int, FollowedPerson],
    ) -> None:
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
        for row, column in assign(closeness * dress_factor(free, dress[indices]), least=1e-6):
            owners[indices[column]] = free[row]

    def _doubles(self, poses: Poses, index: int, owners: dict[int, FollowedPerson]) -> bool:
        """Whether a pose is a second copy of one that already has an owner, or one's box holds the other's."""
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
        return bool(
            similarity.max() >= _DUPLICATE
            or box_containment(poses.boxes[index], poses.boxes[others]).max() >= _INSIDE
        )

    def _begin(self, poses: Poses, index: int, time_s: float) -> FollowedPerson:
        box = poses.boxes[index]
        person = FollowedPerson(
            motion=BoxMotion(box, coasting_s=self._coasting_s),
            keypoints=poses.keypoints[index],
            seen_box=box,
            seen_s=time_s,
            first_s=time_s,
            appearance=np.zeros(0, np.float32),
        )
        self._people.append(person)
        return person

    def _confirm(self, person: FollowedPerson) -> None:
        """Give a person an id: that of one who was out of sight, or a new one."""
        absent = self._absent + [other for other in self._people if other.track_id]
        known = find_returned(person, absent, longest_s=self._reentry_s)
        if known is None:
            person.track_id = self._next_id
            self._next_id += 1
            return
        known.history.extend(person.history)
        person.track_id, person.history = known.track_id, known.history
        for group in (self._absent, self._people):
            group[:] = [other for other in group if other is not known]

    def _forget(self, time_s: float) -> None:
        """Look no longer for people unseen for too long: for the unconfirmed sooner, in two frames."""
        kept = []
        for person in self._people:
            gap_s = self._max_gap_s if person.track_id else min(self._max_gap_s, 2.5 * self._period_s)
            if time_s - person.seen_s <= gap_s + 1e-9:
                kept.append(person)
            elif person.track_id:
                self._absent.append(person)
        self._people = kept
        for person in [other for other in self._absent if time_s - other.seen_s > self._reentry_s + 1e-9]:
            self._put_away(person)
            self._absent = [other for other in self._absent if other is not person]

    def _put_away(self, person: FollowedPerson) -> None:
        if person.track_id:
            person.history.compact()
            self._finished.append((person.track_id, person.history))
