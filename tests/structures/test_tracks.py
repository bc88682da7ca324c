"""`Track`: one person through time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import Track


def fields(length: int = 3) -> dict[str, Any]:
    return {
        "track_id": 7,
        "frame_indices": np.arange(length) * 2,
        "times_s": np.arange(length) * 0.5 + 1,
        "keypoints": np.zeros((length, 17, 3)),
        "boxes": np.tile([0, 0, 4, 8], (length, 1)),
        "scores": np.ones(length),
    }


def test_a_track_starts_and_ends_where_the_person_was_seen() -> None:
    track = Track(**fields(3))
    assert (len(track), track.start_s, track.end_s) == (3, 1.0, 2.0)


def test_a_person_seen_once_has_a_track_of_no_length() -> None:
    track = Track(**fields(1))
    assert (len(track), track.start_s, track.end_s) == (1, 1.0, 1.0)


def test_a_track_cannot_be_changed() -> None:
    given = fields()
    track = Track(**given)
    given["keypoints"][:] = 9
    assert track.keypoints.max() == 0
    for name in ("frame_indices", "times_s", "keypoints", "boxes", "scores"):
        assert not getattr(track, name).flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (fields(0), "track 7: expected at least one frame"),
        ({"frame_indices": [0, 2, 2]}, "frame_indices: expected strictly increasing values, got 2 then 2"),
        ({"frame_indices": [4, 2, 6]}, "frame_indices: expected strictly increasing values, got 4 then 2"),
        ({"times_s": [1, 0.5, 2]}, "times_s: expected strictly increasing values, got 1.0 then 0.5"),
        ({"times_s": [1, math.nan, 2]}, "times_s: 1 of 3 values are NaN"),
        ({"times_s": [1, 2]}, r"times_s: expected shape \[3\], got \[2\]"),
        ({"keypoints": np.zeros((3, 17, 2))}, r"keypoints: expected shape \[3, 17, 3\], got \[3, 17, 2\]"),
        ({"keypoints": np.full((3, 17, 3), 1.5)}, r"keypoints\[..., 2\]: expected values in \[0, 1\]"),
        ({"keypoints": np.full((3, 17, 3), math.nan)}, "keypoints: 153 of 153"),
        ({"boxes": [[0, 0, 1, 1], [2, 0, 1, 1], [0, 0, 1, 1]]}, r"boxes\[1\]: expected x0 <= x1"),
        ({"scores": [0, 0.5, 1.01]}, r"scores: expected values in \[0, 1\]"),
        ({"frame_indices": [[0, 1, 2]]}, r"frame_indices: expected shape \[any\], got \[1, 3\]"),
        ({"frame_indices": [-1, 2, 4]}, "frame_indices: expected 0 or more, got -1"),
        ({"track_id": 0}, "track_id: expected 1 or more, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        Track(**{**fields(), **change})
