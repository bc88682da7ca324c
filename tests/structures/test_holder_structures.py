"""`HolderLink` and `HolderCandidate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import HolderCandidate, HolderLink

CANDIDATES = (HolderCandidate(1, 0.2, 0.05), HolderCandidate(2, 0.0, None))


def link(**change: Any) -> HolderLink:
    fields: dict[str, Any] = {
        "frame_index": 12,
        "time_s": 0.4,
        "weapon_box": [5, 5, 9, 7],
        "weapon_score": 0.6,
        "track_id": 1,
        "rule": "iou",
        "candidates": CANDIDATES,
    }
    return HolderLink(**{**fields, **change})


def test_a_weapon_is_linked_to_one_of_the_candidates() -> None:
    assert link().track_id == 1
    assert link(track_id=2, rule="hand_distance").track_id == 2
    assert not link().weapon_box.flags.writeable


def test_a_weapon_that_nobody_holds_is_linked_to_none() -> None:
    assert link(track_id=None, rule="none", candidates=()).track_id is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"track_id": None}, "rule: 'none' goes with no holder, got 'iou' with track None"),
        ({"rule": "none"}, "rule: 'none' goes with no holder, got 'none' with track 1"),
        ({"track_id": 9}, "track_id: holder 9 is not among the candidates"),
        ({"rule": "guess"}, "rule: expected one of iou, hand_distance, track_vote, none, got 'guess'"),
        ({"weapon_box": [9, 5, 5, 7]}, r"weapon_box\[0\]: expected x0 <= x1"),
        ({"weapon_box": [5, 5, 9, math.nan]}, "weapon_box: 1 of 4"),
        ({"weapon_box": [[5, 5, 9, 7]]}, r"weapon_box: expected shape \[4\]"),
        ({"weapon_score": 2}, "weapon_score: expected values in"),
        ({"time_s": math.nan}, "time_s: expected a finite time, got nan"),
        ({"frame_index": -1}, "frame_index: expected 0 or more, got -1"),
        ({"posture": 1.2}, r"posture: expected values in \[0, 1\]"),
        ({"posture": math.nan}, "posture"),
        ({"track_id": None, "rule": "none", "posture": 0.5}, "posture: got 0.5, but nobody holds"),
    ],
)
def test_a_link_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        link(**change)


@pytest.mark.parametrize(
    ("iou", "hand_distance", "message"),
    [
        (1.5, 0.1, "iou: expected values in"),
        (math.nan, 0.1, "iou"),
        (0.5, -0.1, "hand_distance: expected a finite share of 0 or more, got -0.1"),
        (0.5, math.inf, "hand_distance"),
    ],
)
def test_a_candidate_that_does_not_fit_is_refused(iou: float, hand_distance: float, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        HolderCandidate(1, iou, hand_distance)


def test_links_hold_numpy_boxes_of_32_bit() -> None:
    assert link().weapon_box.dtype == np.float32
