"""What the stages found, as the rules look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from activity.structures import ActivityScore, HolderLink, Track

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing in one frame.

    Attributes:
        time_s: Presentation time in seconds.
        score: Of the network, in [0, 1].
        box: x0, y0, x1, y1 in pixels; `None` where it could not be located.
    """

    time_s: float
    score: float
    box: Box | None


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One weapon, or one fire, for as long as it stayed.

    Attributes:
        sightings: In order of time, at least one.
        holders: For a weapon, who holds it in each of the sightings; empty for a fire.
        needed: In how many sightings one person must hold a weapon to be its holder: as many as it took to count.
    """

    sightings: Sequence[Sighting]
    holders: Sequence[HolderLink] = ()
    needed: int = 1

    @property
    def score(self) -> float:
        """Mean of the better half of the scores: a few poor frames do not hide a clear object."""
        scores = sorted((sighting.score for sighting in self.sightings), reverse=True)
        half = scores[: max(1, (len(scores) + 1) // 2)]
        return min(1.0, sum(half) / len(half))

    def holder(self) -> tuple[int | None, float]:
        """Who holds it in most sightings, and in which share of them; nobody where that are fewer than `needed`.

        A box that nobody can hold, being as large as the person or near no hand, is a weapon less likely, and helps
        no other sighting to make somebody a holder.
        """
        tally: dict[int | None, int] = {}
        for link in self.holders:
            tally[link.track_id] = tally.get(link.track_id, 0) + 1
        if not tally:
            return None, 0.0
        best = max(tally, key=lambda track_id: (tally[track_id], track_id is not None))
        if tally[best] < self.needed:
            return None, 0.0
        return best, tally[best] / len(self.holders)


@dataclass(frozen=True, slots=True)
class PostureHint:
    """Weak evidence from keypoints: a holder's arm that points at somebody, or a posture like that of armed people.

    Attributes:
        kind: ``aiming`` or ``armed_posture``.
        track_id: Whose.
        start_s: Begin in seconds.
        end_s: End in seconds.
        strength: In [0, 1].
        text: A sentence for the explanation.
    """

    kind: str
    track_id: int
    start_s: float
    end_s: float
    strength: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class SceneFindings:
    """Everything that rules may ask for.

    Attributes:
        width: Pixels across of the frames that boxes refer to.
        height: Pixels down.
        tracks: The people.
        activities: What each does, by segment.
        weapons: Weapons that stayed.
        fires: Fires that stayed.
        hints: Weak evidence from keypoints.
    """

    width: int
    height: int
    tracks: Sequence[Track]
    activities: Sequence[ActivityScore]
    weapons: Sequence[Episode] = ()
    fires: Sequence[Episode] = ()
    hints: Sequence[PostureHint] = field(default_factory=tuple)
