"""`VideoInfo` and `Frame`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import StructureError
from activity.structures import Frame, VideoInfo


def info(**change: Any) -> VideoInfo:
    fields: dict[str, Any] = {
        "path": Path("hall.mp4"),
        "width": 320,
        "height": 240,
        "frame_rate_hz": 25.0,
        "frames": None,
        "duration_s": None,
        "codec": "h264",
    }
    return VideoInfo(**{**fields, **change})


def test_a_container_need_not_know_its_length() -> None:
    assert (info().frames, info().duration_s, info().rotation_deg) == (None, None, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "hall.mp4: expected a size of at least 1x1, got 0x240"),
        ({"height": -1}, "320x-1"),
        ({"frame_rate_hz": 0}, "expected a frame rate above 0, got 0"),
        ({"frame_rate_hz": math.nan}, "expected a frame rate above 0, got nan"),
        ({"rotation_deg": 45}, "expected a rotation of 0, 90, 180 or 270, got 45"),
    ],
)
def test_facts_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        info(**change)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (4320, 7680)])
def test_a_frame_knows_its_size(height: int, width: int) -> None:
    frame = Frame(0, 0.0, np.zeros((height, width, 3), np.uint8))
    assert (frame.width, frame.height) == (width, height)


@pytest.mark.parametrize(
    ("index", "time_s", "image", "message"),
    [
        (-1, 0.0, np.zeros((2, 2, 3), np.uint8), "index: expected 0 or more, got -1"),
        (0, math.nan, np.zeros((2, 2, 3), np.uint8), "time_s: expected a finite time, got nan"),
        (
            0,
            0.0,
            np.zeros((2, 2, 3), np.float32),
            r"image: expected uint8 of shape \[H, W, 3\], got float32 \[2, 2, 3\]",
        ),
        (0, 0.0, np.zeros((2, 2), np.uint8), r"got uint8 \[2, 2\]"),
        (0, 0.0, np.zeros((2, 2, 4), np.uint8), r"got uint8 \[2, 2, 4\]"),
        (0, 0.0, np.zeros((0, 2, 3), np.uint8), "image: expected at least 1x1 pixel"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(
    index: int, time_s: float, image: npt.NDArray[np.uint8], message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        Frame(index, time_s, image)
