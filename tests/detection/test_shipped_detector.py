from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from activity.detection import YoloxDetector
from activity.structures import box_iou
from activity.video import VideoReader

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "checkpoints/detector_person_weapon.onnx"
PETS = ROOT / "../shared/data/tracking"


def test_shipped_checkpoint_knows_people_and_weapons_and_has_a_card() -> None:
    detector = YoloxDetector(CHECKPOINT)
    assert detector.labels == ("person", "weapon")
    assert CHECKPOINT.stat().st_size < 5_000_000
    assert "AP50" in CHECKPOINT.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.real_data
def test_shipped_checkpoint_finds_most_people_of_a_camera_that_no_training_saw() -> None:
    people: dict[int, list[list[float]]] = {}
    with (PETS / "gt.txt").open(newline="") as file:
        for row in csv.reader(file):
            number, _, x, y, width, height = (float(value) for value in row[:6])
            people.setdefault(int(number) - 1, []).append([x, y, x + width, y + height])
    detector = YoloxDetector(CHECKPOINT)
    hits = right = found_count = true_count = 0
    with VideoReader(PETS / "pets09-s2l1.avi") as reader:
        for frame in reader:
            if frame.index > 60:
                break
            if frame.index % 10:
                continue
            found = detector.detect(frame.image).of("person")
            overlap = box_iou(np.array(people[frame.index], np.float64), found.boxes) >= 0.5
            hits += int(overlap.any(1).sum())
            right += int(overlap.any(0).sum())
            true_count += overlap.shape[0]
            found_count += overlap.shape[1]
    assert true_count > 20
    assert hits / true_count >= 0.75
    assert right / found_count >= 0.7
