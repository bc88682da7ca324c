"""The holder of a weapon through time: the frames of one weapon vote, so that one bad frame does not name another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from activity.structures import HolderLink

WINDOW_S: Final = 1.0
"""Frames this far before and after have a say; a weapon may change hands, so not the whole clip does."""

SURE: Final = 0.9
"""A frame whose own evidence is this probable is not overruled."""


def vote_along_track(links: Sequence[HolderLink], *, window_s: float = WINDOW_S) -> list[HolderLink]:
    """Let the frames around each sighting of one weapon vote on who holds it.

    Each frame gives every candidate, and nobody, its probability times a weight that falls linearly to 0 at
    `window_s`. A frame that is unsure by itself takes the winner of the vote, where that person is in view.

    Args:
        links: The sightings of one weapon, in order of time.
        window_s: How far the vote reaches, in seconds.

    Returns:
        The links, those that were overruled with the vote's winner and the rule ``track_vote`` (``none`` where nobody
        won).
    """
    times = np.array([link.time_s for link in links])
    return [
        _voted(link, links, np.clip(1 - np.abs(times - link.time_s) / window_s, 0, None)) for link in links
    ]


def _voted(
    link: HolderLink, links: Sequence[HolderLink], weights: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> HolderLink:
    if link.probability >= SURE or np.count_nonzero(weights) < 2:
        return link
    tally: dict[int | None, float] = {None: 0.0}
    for other, weight in zip(links, weights.tolist(), strict=True):
        if weight <= 0:
            continue
        rest = 1.0
        for candidate in other.candidates:
            tally[candidate.track_id] = tally.get(candidate.track_id, 0.0) + weight * candidate.probability
            rest -= candidate.probability
        tally[None] += weight * max(rest, 0.0)
    present: set[int | None] = {None, *(candidate.track_id for candidate in link.candidates)}
    winner = max(tally, key=lambda track_id: (tally[track_id], track_id is None))
    if winner not in present or winner == link.track_id:
        return link
    return replace(link, track_id=winner, rule="none" if winner is None else "track_vote")
