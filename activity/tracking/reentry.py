"""Who comes back: people out of sight are known again by their clothes, near where they can be by now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from activity.tracking.appearance import appearance_similarity
from activity.tracking.person import FollowedPerson

_LEAST_SIMILARITY: Final = 0.8
_LEAST_MARGIN: Final = 0.03
_DISTANCE_COST: Final = 0.05  # of similarity, for each height of distance
_SIZE_RATIO: Final = 0.6
_NEAR: Final = 0.5  # heights, at once
_SPEED: Final = 1.0  # heights a second: a brisk walk


def find_returned(
    newcomer: FollowedPerson, absent: Sequence[FollowedPerson], *, longest_s: float
) -> FollowedPerson | None:
    """Find the one among people out of sight who a newcomer is.

    Candidates were last seen before the newcomer was first seen, by `longest_s` at most, are of about the
    newcomer's size, and can have walked there from where they were expected. The most similar one in dress, less a
    little for distance, is the newcomer, if similar enough and clearly more so than the second: many people are
    dressed alike, and a new id is better than a wrong one.

    Args:
        newcomer: Somebody just confirmed.
        absent: People with ids, not seen now.
        longest_s: How long somebody can have been out of sight.

    Returns:
        One of `absent`, or `None`.
    """
    if not newcomer.appearance.any():
        return None
    scored = []
    x0, y0, x1, y1 = (float(value) for value in newcomer.seen_box)
    for number, person in enumerate(absent):
        gap_s = newcomer.first_s - person.seen_s
        if not 0 < gap_s <= longest_s or not person.appearance.any():
            continue
        a0, b0, a1, b1 = (float(value) for value in person.motion.box)
        height = b1 - b0
        distance = math.hypot((x0 + x1 - a0 - a1) / 2, (y0 + y1 - b0 - b1) / 2) / height
        ratio = min(height, y1 - y0) / max(height, y1 - y0)
        if ratio >= _SIZE_RATIO and distance <= _NEAR + _SPEED * gap_s:
            similarity = appearance_similarity(newcomer.appearance[None], person.appearance[None]).item()
            scored.append((similarity - _DISTANCE_COST * distance, number))
    scored.sort(reverse=True)
    if not scored or scored[0][0] < _LEAST_SIMILARITY:
        return None
    if len(scored) > 1 and scored[0][0] - scored[1][0] < _LEAST_MARGIN:
        return None
    return absent[scored[0][1]]
