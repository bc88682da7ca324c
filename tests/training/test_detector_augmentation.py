from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from activity.errors import DatasetError
from activity.training.detector.augmentation import Canvas, change_colours, compose, spoil
from activity.training.detector.samples import DetectorSample


def sample(path: Path, boxes: list[list[float]], *, is_gray: bool = False) -> DetectorSample:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    ignored = np.array([[0.8, 0.8, 1, 1]], np.float32)
    return DetectorSample(path, array, np.zeros(len(array), np.int64), ignored, "made up", False, is_gray)


@pytest.mark.parametrize(
    ("offset", "mirrored", "box"),
    [
        pytest.param((10, 0), False, [10 + 25, 10, 10 + 50, 50], id="moved"),
        pytest.param((10, 0), True, [10 + 50, 10, 10 + 75, 50], id="mirrored"),
        pytest.param((-30, 0), False, [0, 10, 20, 50], id="cut to 20 of 25 columns"),
    ],
)
def test_boxes_move_with_their_image(offset: tuple[float, float], mirrored: bool, box: list[float]) -> None:
    canvas = Canvas(100, 150)
    image = np.zeros((100, 100, 3), np.uint8)
    entry = sample(Path("none.jpg"), [[0.25, 0.1, 0.5, 0.5]])
    canvas.place(image, entry, window=(0, 0, 150, 100), offset=offset, mirrored=mirrored)
    np.testing.assert_allclose(canvas.boxes, [box], atol=1e-4)


def test_object_of_which_little_shows_is_ignored_rather_than_learnt() -> None:
    canvas = Canvas(100, 100)
    entry = sample(Path("none.jpg"), [[0.0, 0.0, 0.5, 0.5]])
    # 35 of 50 columns lie left of the canvas: 30 % shows
    canvas.place(
        np.zeros((100, 100, 3), np.uint8), entry, window=(0, 0, 100, 100), offset=(-35, 0), mirrored=False
    )
    assert len(canvas.boxes) == 0
    np.testing.assert_allclose(canvas.ignored, [[0, 0, 15, 50], [45, 80, 65, 100]], atol=1e-4)


def test_image_outside_its_window_leaves_no_trace() -> None:
    canvas = Canvas(100, 100)
    canvas.place(
        np.zeros((10, 10, 3), np.uint8),
        sample(Path("none.jpg"), [[0, 0, 1, 1]]),
        window=(50, 50, 100, 100),
        offset=(0, 0),
        mirrored=False,
    )
    assert (canvas.image == 114).all()
    assert len(canvas.boxes) == 0


@pytest.mark.parametrize("count", [1, 2, 4])
def test_composed_pictures_keep_their_boxes_on_the_objects(tmp_path: Path, count: int) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[30:90, 40:120] = 255
    path = tmp_path / "white.png"
    cv2.imwrite(str(path), image)
    entry = sample(path, [[0.25, 0.25, 0.75, 0.75]])
    for seed in range(5):
        canvas = compose([entry] * count, height=96, width=128, random=np.random.default_rng(seed))
        assert canvas.image.shape == (96, 128, 3)
        for x0, y0, x1, y1 in canvas.boxes.round().astype(int):
            inside = canvas.image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2]
            assert inside.mean() > canvas.image[canvas.image < 100].mean() + 30


def test_same_seed_makes_the_same_picture(tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8))
    entry = sample(path, [], is_gray=True)
    first, second = (compose([entry], height=64, width=64, random=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_changes_keep_size_and_type() -> None:
    gray = np.full((40, 50, 3), 128, np.uint8)
    random = np.random.default_rng(0)
    tinted = 0
    for _ in range(30):
        changed = change_colours(gray, is_gray=True, random=random)
        spoilt = spoil(changed, random=random)
        for result in (changed, spoilt):
            assert result.shape == (40, 50, 3)
            assert result.dtype == np.dtype(np.uint8)
        tinted += int(np.ptp(changed.astype(int), axis=2).max() > 12)
    assert 5 < tinted < 30  # some get colours, some stay gray


def test_missing_image_is_a_dataset_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.jpg"):
        compose([sample(tmp_path / "absent.jpg", [])], height=64, width=64, random=np.random.default_rng(0))
