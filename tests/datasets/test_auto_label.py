from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.datasets.auto_label import auto_label
from activity.datasets.yolo_boxes import read_yolo_boxes
from activity.errors import ConfigurationError, DatasetError, OutputError
from activity.structures import Detections


class ByBrightness:
    """In bright pictures a sure person and a doubtful weapon, in gray ones a doubtful person, in black ones nothing."""

    labels: ClassVar = ("person", "weapon")
    score_thresholds: ClassVar = {"person": 0.2, "weapon": 0.2}

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        if image[0, 0, 0] > 200:
            boxes, scores = [[10, 20, 50, 60], [30, 30, 40, 40]], [0.9, 0.3]
            return Detections(np.array(boxes, np.float32), np.array(scores), ("person", "weapon"))
        if image[0, 0, 0] > 50:
            return Detections(np.array([[0, 0, 10, 10]], np.float32), np.array([0.4]), ("person",))
        return Detections.empty()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, level in (("black", 0), ("bright", 250), ("gray", 128)):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((80, 100, 3), level, np.uint8))
    return folder


def test_sure_boxes_become_labels_and_doubtful_ones_wait_for_a_person(pictures: Path) -> None:
    done: list[tuple[int, int]] = []
    out = pictures.parent
    made = auto_label(
        ByBrightness(), pictures, out, sure_score=0.5, on_picture=lambda *count: done.append(count)
    )
    assert (made.labelled, made.doubtful, made.kept) == ({"person": 1}, {"weapon": 1, "person": 1}, 0)
    black, bright, gray = read_yolo_boxes(out, class_count=2)
    assert len(black.boxes) == len(gray.boxes) == 0
    np.testing.assert_allclose(bright.boxes, [[0.1, 0.25, 0.5, 0.75]], atol=1e-6)
    assert bright.classes.tolist() == [0]
    assert (out / "classes.txt").read_text() == "person\nweapon\n"
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_review_names_every_box_and_every_picture_the_doubtful_ones_first(pictures: Path) -> None:
    out = pictures.parent / "out"
    auto_label(ByBrightness(), pictures, out, sure_score=0.5)
    with (out / "review.csv").open(newline="") as file:
        rows = [(row["picture"], row["label"], row["verdict"]) for row in csv.DictReader(file)]
    assert rows == [
        ("bright.png", "person", "sure"),
        ("bright.png", "weapon", "doubtful"),
        ("gray.png", "person", "doubtful"),
        ("black.png", "", "nothing found"),
    ]
    shown = cv2.imread(str(out / "review/bright.jpg"))
    assert shown is not None
    assert shown.shape == (80, 100, 3)
    assert shown[40, 10, 1] > shown[40, 10, 0] + 60  # a green edge


def test_what_a_person_has_reviewed_is_kept(pictures: Path) -> None:
    out = pictures.parent / "out"
    (out / "labels").mkdir(parents=True)
    (out / "labels/bright.txt").write_text("1 0.5 0.5 0.1 0.1\n")
    made = auto_label(ByBrightness(), pictures, out, sure_score=0.5)
    assert (made.kept, made.labelled) == (1, {})
    assert (out / "labels/bright.txt").read_text() == "1 0.5 0.5 0.1 0.1\n"


def test_only_the_asked_classes_are_labelled_and_numbered_as_asked(pictures: Path) -> None:
    out = pictures.parent / "out"
    made = auto_label(ByBrightness(), pictures, out, sure_score=0.2, labels=("weapon",))
    assert made.labelled == {"weapon": 1}
    assert (out / "labels/bright.txt").read_text().startswith("0 0.35")


def test_wrong_wishes_are_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="classes of \\['person', 'weapon'\\]"):
        auto_label(ByBrightness(), pictures, tmp_path / "out", sure_score=0.5, labels=("dog",))
    with pytest.raises(ConfigurationError, match="a score in"):
        auto_label(ByBrightness(), pictures, tmp_path / "out", sure_score=1.5)
    with pytest.raises(DatasetError, match="expected a folder of images"):
        auto_label(ByBrightness(), tmp_path / "absent", tmp_path / "out", sure_score=0.5)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot hold the labels"):
        auto_label(ByBrightness(), pictures, tmp_path / "file/out", sure_score=0.5)
    (pictures / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"broken\.jpg: cannot be read"):
        auto_label(ByBrightness(), pictures, tmp_path / "out", sure_score=0.5)


def test_command_compares_with_hand_labels(pictures: Path) -> None:
    root = pictures.parent
    (root / "labels").mkdir()
    (root / "labels/bright.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    asked = ["data", "auto-label", str(root), "--out", str(root / "auto"), "--compare", "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["pictures"] == 3
    assert figures["agreement"]["recall"] == 0  # nobody stands before a white wall
