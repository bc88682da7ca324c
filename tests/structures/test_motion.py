from __future__ import annotations

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import MOTION_MEASURES, SceneMotion


def motion(rows: int = 4) -> SceneMotion:
    measures = np.arange(rows * len(MOTION_MEASURES), dtype=np.float32).reshape(rows, -1)
    return SceneMotion(np.arange(rows) / 10 + 0.1, measures)


def test_a_window_takes_its_start_and_leaves_its_end() -> None:
    part = motion().between(0.2, 0.4)
    assert part.times_s.tolist() == pytest.approx([0.2, 0.3])
    assert part.measures[0, 0] == len(MOTION_MEASURES)


def test_no_row_is_a_motion_too() -> None:
    assert len(motion().between(5, 6)) == 0
    assert len(SceneMotion(np.empty(0), np.empty((0, len(MOTION_MEASURES)), np.float32))) == 0


@pytest.mark.parametrize(
    ("times_s", "measures", "words"),
    [
        ([0.1], np.zeros((1, 3)), r"measures: expected shape \[1, 17\]"),
        ([0.1, 0.1], np.zeros((2, 17)), "strictly increasing"),
        ([0.1], np.full((1, 17), np.nan), "NaN"),
        ([0.1], np.full((1, 17), -1.0), "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(times_s: list[float], measures: np.ndarray, words: str) -> None:
    with pytest.raises(StructureError, match=words):
        SceneMotion(np.array(times_s), measures.astype(np.float32))
