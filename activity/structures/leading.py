"""Who speaks for a clip: the label of a clip is that of its incident, and most people in view of one only watch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures.activities import ActivityScore

BACKGROUND: Final = "Normal"
"""Name of the class that stands for "nothing happens"."""

LEADING_PEOPLE: Final = 3
"""How many people speak for a clip: two fight, and a third steadies the mean (chosen by cross-validation)."""

LEADING_RULE: Final = (
    f"mean probabilities of the {LEADING_PEOPLE} people who stand out most; a person's probabilities are the mean "
    f'over the person\'s segments, and people stand out by how improbable "{BACKGROUND}" is for them '
    "(without such a class, by their most probable class)"
)


@dataclass(frozen=True, slots=True, eq=False)
class LeadingPeople:
    """Those who stand out most.

    Attributes:
        classes: C names.
        track_ids: At most `LEADING_PEOPLE`, the first most.
        probabilities: [C], the mean over them.
    """

    classes: tuple[str, ...]
    track_ids: tuple[int, ...]
    probabilities: npt.NDArray[np.float64]


def find_leading_people(activities: Iterable[ActivityScore]) -> LeadingPeople | None:
    """Apply `LEADING_RULE` to segments in any order; `None` where there are none.

    Raises:
        StructureError: If the scores come from recognisers with different classes.
    """
    by_track: dict[int, list[ActivityScore]] = {}
    for activity in activities:
        by_track.setdefault(activity.track_id, []).append(activity)
    if not by_track:
        return None
    kinds = {activity.classes for parts in by_track.values() for activity in parts}
    if len(kinds) > 1:
        raise StructureError(f"activities: expected one set of classes, got {sorted(kinds)}")
    classes = kinds.pop()
    people = {
        track_id: np.stack([part.probabilities for part in parts]).astype(np.float64).mean(axis=0)
        for track_id, parts in by_track.items()
    }
    background = classes.index(BACKGROUND) if BACKGROUND in classes else None

    def salience(track_id: int) -> float:
        mean = people[track_id]
        return float(mean.max() if background is None else 1 - mean[background])

    leading = sorted(people, key=lambda track_id: (-salience(track_id), track_id))[:LEADING_PEOPLE]
    return LeadingPeople(classes, tuple(leading), np.stack([people[track] for track in leading]).mean(axis=0))
