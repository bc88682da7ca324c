"""What stays counts: k sightings of n frames, linked over frames."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from activity.fusion.episodes import Persistence, link_sightings
from activity.fusion.findings import Box, Episode, Sighting
from activity.structures import HolderCandidate, HolderLink

FIVE_OF_TEN = Persistence(5, window_s=0.95, max_gap_s=1.0)


def sightings(*times: float, x: float = 100, speed: float = 0.0, score: float = 0.8) -> list[Sighting]:
    return [Sighting(t, score, (x + speed * t, 50, x + speed * t + 20, 62)) for t in times]


def test_five_sightings_in_ten_frames_are_one_object() -> None:
    assert link_sightings(sightings(0.0, 0.1, 0.4, 0.6, 0.9), FIVE_OF_TEN) == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    "times",
    [(), (0.0,), (0.0, 0.1, 0.2, 0.3), (0.0, 0.3, 0.6, 0.9, 1.2)],
    ids=["none", "one", "four", "too thin"],
)
def test_fewer_do_not_count(times: tuple[float, ...]) -> None:
    assert link_sightings(sightings(*times), FIVE_OF_TEN) == []


def test_a_weapon_that_moves_stays_one_and_one_across_the_room_is_another() -> None:
    moving = sightings(0.0, 0.1, 0.2, 0.3, 0.4, speed=150)
    still = sightings(0.0, 0.1, 0.2, 0.3, 0.4, x=400)
    mixed = sorted(moving + still, key=lambda sighting: sighting.time_s)
    trails = link_sightings(mixed, FIVE_OF_TEN)
    assert sorted(len(trail) for trail in trails) == [5, 5]
    for trail in trails:
        lefts = [box[0] for i in trail if (box := mixed[i].box) is not None]
        assert max(lefts) - min(lefts) < 100


def test_flashes_here_and_there_are_no_object() -> None:
    boxes: list[Box] = [(x, 0.0, x + 20, 12.0) for x in (0.0, 300.0, 100.0, 400.0, 200.0, 0.0)]
    assert link_sightings([Sighting(i / 10, 0.9, box) for i, box in enumerate(boxes)], FIVE_OF_TEN) == []


def test_sightings_after_a_long_gap_are_another_object() -> None:
    found = sightings(0.0, 0.1, 0.2, 0.3, 0.4, 5.0, 5.1, 5.2, 5.3, 5.4)
    assert link_sightings(found, FIVE_OF_TEN) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_sightings_without_a_place_are_one_object() -> None:
    found = [Sighting(i / 2, 0.9, None) for i in range(3)]
    assert link_sightings(found, Persistence(2, window_s=1.25, max_gap_s=1.5)) == [[0, 1, 2]]


def test_an_episode_scores_by_its_better_half() -> None:
    assert Episode(sightings(0.0, score=0.7)).score == pytest.approx(0.7)
    mixed = [Sighting(i / 10, score, None) for i, score in enumerate((0.2, 0.9, 0.3, 0.8, 0.1))]
    assert Episode(mixed).score == pytest.approx((0.9 + 0.8 + 0.3) / 3)


def link(time_s: float, holder: int | None) -> HolderLink:
    candidates = () if holder is None else (HolderCandidate(holder, 0.1, 0.02),)
    rule: Literal["none", "iou"] = "none" if holder is None else "iou"
    return HolderLink(0, time_s, np.array([0, 0, 9, 9], np.float32), 0.5, holder, rule, candidates)


@pytest.mark.parametrize(
    ("holders", "expected"),
    [
        ([3, None, None, 3], (None, 0.0)),  # in two of four looks: a bag
        ([3, None, 3, 3], (3, 0.75)),
        ([3, 4, 3, 4, 4], (4, 0.6)),
        ([3, 3], (None, 0.0)),
        ([], (None, 0.0)),
    ],
)
def test_a_holder_holds_as_often_as_a_weapon_must_be_seen(
    holders: list[int | None], expected: tuple[int | None, float]
) -> None:
    links = [link(0.3 * i, holder) for i, holder in enumerate(holders)]
    assert Episode(sightings(*(0.3 * i for i in range(4))), links, needed=3).holder() == expected
