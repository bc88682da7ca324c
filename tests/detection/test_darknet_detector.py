"""OpenCV's reading of Darknet files against the formulas of Darknet itself, on a network that the test writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from activity.detection import DarknetDetector, open_detector
from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.lookahead import work_ahead
from tests.detection.small_networks import DARKNET_ANCHORS as ANCHORS
from tests.detection.small_networks import DARKNET_LABELS as LABELS
from tests.detection.small_networks import DARKNET_SIZE as SIZE
from tests.detection.small_networks import write_darknet


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, list[dict[str, torch.Tensor]]]:
    """The files of a random network, and its parameters."""
    return write_darknet(tmp_path)


def expected_rows(
    image: npt.NDArray[np.uint8], layers: list[dict[str, torch.Tensor]]
) -> npt.NDArray[np.float64]:
    """[N, 5 + C]: centre, width and height as shares, objectness, class probabilities, as Darknet computes them."""
    x = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    for index, layer in enumerate(layers):
        x = functional.conv2d(
            x, layer["weight"], stride=2 if index < 2 else 1, padding=layer["weight"].shape[2] // 2
        )
        if index < 2:
            mean, deviation = layer["mean"][:, None, None], torch.sqrt(layer["var"])[:, None, None] + 1e-6
            x = (x - mean) / deviation * layer["scale"][:, None, None]
        x = x + layer["bias"][:, None, None]
        if index < 2:
            x = functional.leaky_relu(x, 0.1)
        if index == 0:
            x = functional.max_pool2d(x, 2, 2)
    rows, columns = x.shape[2:]
    raw = x.reshape(3, 7, rows, columns).double()
    found = []
    for anchor, cell in zip(ANCHORS, raw, strict=True):
        for r in range(rows):
            for c in range(columns):
                tx, ty, tw, th, to, *classes = cell[:, r, c].tolist()
                centre = ((1 / (1 + np.exp(-tx)) + c) / columns, (1 / (1 + np.exp(-ty)) + r) / rows)
                shape = (np.exp(tw) * anchor[0] / SIZE[1], np.exp(th) * anchor[1] / SIZE[0])
                found.append([*centre, *shape, *(1 / (1 + np.exp(-np.array([to, *classes]))))])
    return np.array(found)


def test_boxes_and_scores_are_those_of_darknets_own_formulas(
    files: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    path, layers = files
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    detector = open_detector(path, score_threshold=0.3, iou_threshold=1.0)
    assert isinstance(detector, DarknetDetector)
    assert detector.labels == LABELS
    found = detector.detect(image)
    rows = expected_rows(image, layers)
    classes = rows[:, 5:].argmax(1)
    scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + classes]
    order = np.argsort(-scores)
    order = order[scores[order] >= 0.3]
    assert len(order) >= 10
    assert len(found) == len(order)
    np.testing.assert_allclose(found.scores, scores[order], atol=1e-4)
    assert found.labels == tuple(LABELS[c] for c in classes[order])
    halves = rows[order, 2:4] / 2
    corners = np.concatenate([rows[order, :2] - halves, rows[order, :2] + halves], 1) * [96, 64, 96, 64]
    np.testing.assert_allclose(found.boxes, np.clip(corners, 0, [96, 64, 96, 64]), atol=0.02)


def test_threads_that_ask_at_once_get_the_boxes_of_their_own_image(
    files: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    detector = open_detector(files[0], score_threshold=0.3, iou_threshold=1.0)
    images = np.random.default_rng(2).integers(0, 256, (60, *SIZE, 3), dtype=np.uint8)
    with work_ahead(detector.detect, images, workers=4) as results:
        at_once = [found for _, found in results]
    for image, found in zip(images, at_once, strict=True):
        np.testing.assert_array_equal(found.boxes, detector.detect(image).boxes)


def test_boxes_are_in_pixels_of_the_image_and_duplicates_go(
    files: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    detector = DarknetDetector(
        files[0].with_suffix(".cfg"), files[0], labels=LABELS, score_threshold=0.2, iou_threshold=0.3
    )
    image = np.random.default_rng(1).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    every = DarknetDetector(
        files[0].with_suffix(".cfg"), files[0], labels=LABELS, score_threshold=0.2, iou_threshold=1.0
    ).detect(image)
    small, large = detector.detect(image), detector.detect(image.repeat(2, 0).repeat(2, 1))
    assert 0 < len(small) < len(every)
    assert large.boxes.max() > 96
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) >= 0
    with pytest.raises(StructureError, match="image: expected uint8"):
        detector.detect(np.zeros((4, 4), np.uint8))


def test_files_that_do_not_belong_together_are_refused(
    files: tuple[Path, list[dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    path = files[0]
    configuration = path.with_suffix(".cfg")
    with pytest.raises(CheckpointError, match="3 classes give rows of 8 numbers, the network gave \\[7\\]"):
        DarknetDetector(configuration, path, labels=("a", "b", "c"))
    cut = tmp_path / "cut.weights"
    cut.write_bytes(path.read_bytes()[:200])
    with pytest.raises(
        CheckpointError,
        match=r"cut\.weights: the configuration asks for 4200 bytes of weights, the file has 200",
    ):
        DarknetDetector(configuration, cut, labels=LABELS)
    with pytest.raises(CheckpointError, match=r"absent\.weights: cannot be read"):
        DarknetDetector(configuration, tmp_path / "absent.weights", labels=LABELS)
    odd = tmp_path / "odd.cfg"
    odd.write_text("[convolutional]\nwidth=3\n")
    with pytest.raises(CheckpointError, match=r"odd\.cfg: expected width and height in a section \[net\]"):
        DarknetDetector(odd, path, labels=LABELS)
    with pytest.raises(ConfigurationError, match="iou_threshold"):
        DarknetDetector(configuration, path, labels=LABELS, iou_threshold=2)
