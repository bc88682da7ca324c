"""What stays counts: sightings in single frames become one object through time, if there are enough of them.

Olmos et al. ("Automatic handgun detection alarm in videos using deep learning", 2017) raise an alarm after five successive
true positives. Detectors miss frames, so here k sightings within n frames do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from activity.fusion.findings import Box, Sighting

_REACH: Final = 1.5
"""How far the middle of a box may move between two sightings, in its greater sides, per `_REACH_S`."""

_REACH_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Persistence:
    """When sightings count.

    Attributes:
        needed: k, how many sightings.
        window_s: Length in seconds of a window that must hold them.
        max_gap_s: Sightings of one object are no further apart.
    """

    needed: int
    window_s: float
    max_gap_s: float

    def holds(self, times_s: Sequence[float]) -> bool:
        """Whether some window holds enough of these times, which are in order."""
        k = self.needed
        return any(
            times_s[i + k - 1] - times_s[i] <= self.window_s + 1e-9 for i in range(len(times_s) - k + 1)
        )


@dataclass(slots=True)
class _Trail:
    """The sightings of one object so far, and which of all sightings they are."""

    members: list[int] = field(default_factory=list)


def link_sightings(sightings: Sequence[Sighting], persistence: Persistence) -> list[list[int]]:
    """Link sightings over frames, nearest first.

    Args:
        sightings: In order of time; several may share a frame. Those without a box are taken for one object.
        persistence: When an object counts.

    Returns:
        For each object that stayed long enough, the indices of its sightings; objects in order of their begin.
    """
    open_trails: list[_Trail] = []
    trails: list[_Trail] = []
    start = 0
    while start < len(sightings):
        time_s = sightings[start].time_s
        end = start
        while end < len(sightings) and sightings[end].time_s == time_s:
            end += 1
        open_trails = [
            trail
            for trail in open_trails
            if time_s - sightings[trail.members[-1]].time_s <= persistence.max_gap_s
        ]
        pairs = [
            (cost, position, index)
            for position, trail in enumerate(open_trails)
            for index in range(start, end)
            if (cost := _cost(sightings[trail.members[-1]], sightings[index])) is not None
        ]
        taken_trails: set[int] = set()
        taken: set[int] = set()
        for _, position, index in sorted(pairs):
            if position in taken_trails or index in taken:
                continue
            taken_trails.add(position)
            taken.add(index)
            open_trails[position].members.append(index)
        for index in range(start, end):
            if index not in taken:
                trail = _Trail([index])
                open_trails.append(trail)
                trails.append(trail)
        start = end
    return [
        trail.members for trail in trails if persistence.holds([sightings[i].time_s for i in trail.members])
    ]


def _cost(before: Sighting, after: Sighting) -> float | None:
    """Distance of the boxes' middles in sides of the greater box, or `None` where it is too far."""
    if before.box is None or after.box is None:
        return 0.0
    side = max(_side(before.box), _side(after.box), 1.0)
    first, second = _middle(before.box), _middle(after.box)
    distance = math.dist(first, second) / side
    reach = _REACH * max(1.0, min((after.time_s - before.time_s) / _REACH_S, 3.0))
    return distance if distance <= reach else None


def _side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
