from __future__ import annotations

from pathlib import Path

import pytest

from activity.detection import FireClassifier
from activity.structures import FireFinding, box_iou
from activity.video import VideoReader

ROOT = Path(__file__).parents[2]
QUIET_FRAME, BURNING_FRAME = 8, 100
TRUE_FIRE = (477.0, 97.0, 523.0, 163.0)
"""x0, y0, x1, y1 of the flames in the demo clip's frame 100, from docs/demo/truth.json."""


@pytest.fixture(scope="module")
def findings() -> dict[int, FireFinding]:
    classifier = FireClassifier(ROOT / "checkpoints/fire_classifier.onnx")
    found = {}
    with VideoReader(ROOT / "docs/demo/demo.mp4") as reader:
        for frame in reader:
            if frame.index in (QUIET_FRAME, BURNING_FRAME):
                found[frame.index] = classifier.classify(frame.image)
            if frame.index > BURNING_FRAME:
                break
    return found


def test_demo_burns_when_and_where_its_script_says(findings: dict[int, FireFinding]) -> None:
    assert findings[QUIET_FRAME].probability < 0.3
    assert findings[QUIET_FRAME].box is None
    burning = findings[BURNING_FRAME]
    assert burning.probability > 0.7
    assert burning.box is not None
    assert box_iou(burning.box[None], [TRUE_FIRE])[0, 0] > 0.3


def test_activation_map_is_quiet_away_from_the_flames(findings: dict[int, FireFinding]) -> None:
    cells = findings[BURNING_FRAME].activation_map
    rows, columns = cells.shape
    left_half = cells[:, : columns // 2]
    assert rows > 8
    assert left_half.max() < 0.5 < cells.max()
