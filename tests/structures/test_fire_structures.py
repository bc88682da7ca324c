from __future__ import annotations

import math

import numpy as np
import pytest

from activity.errors import StructureError
from activity.structures import BurningObject, FireFinding


def test_finding_keeps_read_only_arrays_of_its_own() -> None:
    cells = np.array([[0.0, 0.5]], np.float32)
    finding = FireFinding(0.5, cells, np.array([0, 0, 4, 2]))
    cells[0, 0] = 1
    assert finding.activation_map[0, 0] == 0
    assert finding.box is not None
    assert finding.box.dtype == np.float32
    assert not finding.activation_map.flags.writeable
    assert not finding.box.flags.writeable


@pytest.mark.parametrize(
    ("probability", "cells", "box", "reason"),
    [
        (1.1, [[0.0]], None, r"probability: expected values in \[0, 1\]"),
        (math.nan, [[0.0]], None, "probability"),
        (0.5, [[2.0]], None, r"activation_map: expected values in \[0, 1\]"),
        (0.5, [[math.nan]], None, "NaN"),
        (0.5, [0.5], None, r"shape \[any, any\]"),
        (0.5, np.zeros((0, 3)), None, "at least one cell"),
        (0.5, [[0.0]], [4, 0, 0, 2], "x0 <= x1"),
        (0.5, [[0.0]], [4, 0, 2], r"shape \[4\]"),
    ],
)
def test_what_no_classifier_can_mean_is_refused(
    probability: float, cells: list[list[float]], box: list[float] | None, reason: str
) -> None:
    with pytest.raises(StructureError, match=reason):
        FireFinding(probability, np.array(cells), None if box is None else np.array(box))


def test_burning_object_needs_a_name_and_a_share() -> None:
    assert BurningObject("car", 0, 0.7).share == 0.7
    with pytest.raises(StructureError, match="a label"):
        BurningObject("", 0, 0.7)
    with pytest.raises(StructureError, match="share"):
        BurningObject("car", 0, 1.7)
