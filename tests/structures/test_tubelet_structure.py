"""`Tubelet`: one segment as the network reads it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import Tubelet


def fields(frames: int = 24) -> dict[str, Any]:
    return {
        "track_id": 1,
        "start_s": 0.0,
        "end_s": 1.0,
        "grids": np.zeros((5, 2, frames, 3, 3)),
        "observed": 0.5,
    }


@pytest.mark.parametrize("frames", [1, 24, 60])
def test_a_tubelet_knows_its_length(frames: int) -> None:
    tubelet = Tubelet(**fields(frames))
    assert tubelet.frames == frames
    assert tubelet.grids.dtype == np.float32
    assert not tubelet.grids.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"grids": np.zeros((4, 2, 24, 3, 3))},
            r"grids: expected shape \[5, 2, any, 3, 3\], got \[4, 2, 24, 3, 3\]",
        ),
        ({"grids": np.zeros((5, 2, 0, 3, 3))}, "grids: expected at least one frame"),
        ({"grids": np.full((5, 2, 1, 3, 3), math.nan)}, "grids: 90 of 90 values are NaN"),
        ({"start_s": 2.0}, "tubelet of track 1: expected finite start_s <= end_s, got 2.0 and 1.0"),
        ({"end_s": math.inf}, "tubelet of track 1"),
        ({"observed": 1.2}, r"observed: expected values in \[0, 1\], got 1.2"),
        ({"observed": math.nan}, "observed"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        Tubelet(**{**fields(), **change})
