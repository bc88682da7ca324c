from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity.datasets.yolo_boxes import read_yolo_boxes
from activity.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for stem in ("b", "a"):
        (tmp_path / "images" / f"{stem}.jpg").write_bytes(b"")
    return tmp_path


def test_boxes_become_corners_in_the_order_of_the_names(folder: Path) -> None:
    (folder / "labels/a.txt").write_text("1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.2 0.2\n")
    first, second = read_yolo_boxes(folder, class_count=2)
    assert (first.path.name, second.path.name) == ("a.jpg", "b.jpg")
    assert first.classes.tolist() == [1, 0]
    np.testing.assert_allclose(first.boxes, [[0.4, 0.3, 0.6, 0.7], [0, 0, 0.2, 0.2]], atol=1e-6)


def test_image_without_labels_has_no_objects(folder: Path) -> None:
    entries = read_yolo_boxes(folder, class_count=2)
    assert [entry.boxes.shape for entry in entries] == [(0, 4), (0, 4)]


def test_polygon_becomes_the_box_around_it_cut_at_the_border(folder: Path) -> None:
    (folder / "labels/a.txt").write_text("0 0.5 0.2 0.9 0.6 0.3 1.01\n")
    np.testing.assert_allclose(read_yolo_boxes(folder, class_count=1)[0].boxes, [[0.3, 0.2, 0.9, 1.0]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("0 0.5 0.5 0.2", "3 values", id="a number short"),
        pytest.param("0 0.1 0.1 0.2 0.2 0.3", "5 values", id="half a point"),
        pytest.param("person 0.5 0.5 0.2 0.2", "could not convert", id="a name"),
        pytest.param("2 0.5 0.5 0.2 0.2", "a class from 0 to 1", id="unknown class"),
        pytest.param("0.5 0.5 0.5 0.2 0.2", "a class from 0 to 1", id="half a class"),
        pytest.param("0 120 80 40 40", "no share", id="pixels"),
        pytest.param("0 0.5 0.5 0 0.2", "the box is empty", id="no width"),
        pytest.param("0 nan 0.5 0.2 0.2", "no share", id="NaN"),
    ],
)
def test_bad_line_is_named_with_file_and_number(folder: Path, line: str, message: str) -> None:
    (folder / "labels/a.txt").write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    with pytest.raises(DatasetError, match=rf"a\.txt:2: .*{message}"):
        read_yolo_boxes(folder, class_count=2)


def test_folder_of_another_layout_is_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="expected the folders images/ and labels/"):
        read_yolo_boxes(folder / "images", class_count=2)
    (folder / "labels/orphan.txt").write_text("")
    with pytest.raises(DatasetError, match=r"orphan\.txt: no image of this name"):
        read_yolo_boxes(folder, class_count=2)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    with pytest.raises(DatasetError, match="found none"):
        read_yolo_boxes(tmp_path, class_count=2)
