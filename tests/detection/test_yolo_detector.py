from __future__ import annotations

import lzma
from pathlib import Path

import cv2
import numpy as np
import pytest

from activity.detection import ObjectDetector, YoloDetector, YoloxDetector, open_detector
from activity.detection.yolo import Layout, fit_centred, read_names, recognize_layout
from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.structures import box_iou
from tests.detection.small_networks import YOLO_LABELS as LABELS
from tests.detection.small_networks import write_yolo

NETWORKS = Path(__file__).parent / "networks"


@pytest.mark.parametrize(("name", "confidence"), [("yolov8", 0.34), ("yolo11", 0.29), ("yolov5u", 0.9)])
def test_exports_of_ultralytics_find_what_its_own_predictor_finds(
    name: str, confidence: float, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(lzma.decompress((NETWORKS / f"{name}.onnx.xz").read_bytes()))
    noise = np.random.default_rng(7).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(noise, (150, 90), interpolation=cv2.INTER_CUBIC), np.uint8)
    detector = open_detector(path, score_threshold=confidence, iou_threshold=0.5)
    assert isinstance(detector, YoloDetector)
    assert detector.layout is Layout.YOLOV8
    assert detector.labels == LABELS
    found, expected = detector.detect(image), np.load(NETWORKS / f"{name}.npz")
    assert len(expected["boxes"]) >= 10
    assert len(found) == len(expected["boxes"])
    np.testing.assert_allclose(found.scores, expected["scores"], atol=1e-4)
    for label, classes in zip(LABELS, range(3), strict=True):  # equal scores may stand in another order
        own, theirs = found.of(label).boxes, expected["boxes"][expected["classes"] == classes]
        assert len(own) == len(theirs)
        if len(own):
            assert (box_iou(own, theirs).max(1) > 0.995).all()
            assert (box_iou(own, theirs).max(0) > 0.995).all()


CELLS = 8 * 12 + 4 * 6 + 2 * 3  # of 64x96 at strides 8, 16 and 32


def test_layout_of_yolov5_multiplies_objectness_and_class(tmp_path: Path) -> None:
    output = np.zeros((1, 3 * CELLS, 8), np.float32)
    output[0, 100] = [48, 32, 20, 10, 0.9, 0.1, 0.8, 0.2]
    output[0, 200] = [49, 32, 20, 10, 0.5, 0.1, 0.9, 0.2]  # the same weapon, less sure
    output[0, 300] = [49, 32, 20, 10, 0.8, 0.9, 0.1, 0.2]  # a person in the same place
    output[0, 310] = [10, 10, 8, 8, 0.3, 0.5, 0, 0]  # unsure
    detector = YoloDetector(write_yolo(tmp_path / "v5.onnx", output))
    assert detector.layout is Layout.YOLOV5
    found = detector.detect(np.zeros((64, 96, 3), np.uint8))
    assert found.labels == ("weapon", "person")
    np.testing.assert_allclose(found.scores, [0.72, 0.72], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, [[38, 27, 58, 37], [39, 27, 59, 37]])


def test_layout_of_networks_with_suppression_inside_is_read_as_it_stands(tmp_path: Path) -> None:
    output = np.zeros((1, 300, 6), np.float32)
    output[0, 0] = [10, 20, 30, 40, 0.7, 2]
    detector = YoloDetector(write_yolo(tmp_path / "v10.onnx", output))
    assert detector.layout is Layout.END_TO_END
    found = detector.detect(np.zeros((128, 192, 3), np.uint8))  # twice the input
    assert found.labels == ("car",)
    np.testing.assert_allclose(found.boxes, [[20, 40, 60, 80]])


def test_boxes_come_back_from_the_bars_around_a_narrow_image(tmp_path: Path) -> None:
    output = np.zeros((1, 7, CELLS), np.float32)
    output[0, :, 50] = [48, 32, 32, 64, 0, 0, 0.9]  # the middle of the input, all its height
    detector = YoloDetector(write_yolo(tmp_path / "v8.onnx", output))
    found = detector.detect(np.zeros((128, 64, 3), np.uint8))  # fills 32 of 96 columns
    np.testing.assert_allclose(found.boxes, [[0, 0, 64, 128]])
    assert isinstance(detector, ObjectDetector)


@pytest.mark.parametrize(
    ("shape", "classes", "layout"),
    [
        ((1, CELLS, 8), 3, Layout.YOLOX),
        ((1, 3 * CELLS, 8), None, Layout.YOLOV5),
        ((1, 7, CELLS), 3, Layout.YOLOV8),
        ((1, 100, 6), 3, Layout.END_TO_END),
        ((1, CELLS, 9), 3, None),  # four classes, three named
        ((1, 7, CELLS + 1), 3, None),
        ((2, 7, CELLS), 3, None),
        ((7, CELLS), 3, None),
    ],
)
def test_layout_is_told_from_the_shape(
    shape: tuple[int, ...], classes: int | None, layout: Layout | None
) -> None:
    assert recognize_layout(shape, height=64, width=96, classes=classes) is layout


def test_file_of_another_layout_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write_yolo(tmp_path / "x.onnx", np.zeros((1, CELLS, 8), np.float32))
    with pytest.raises(CheckpointError, match="open it with YoloxDetector"):
        YoloDetector(path)
    path = write_yolo(tmp_path / "odd.onnx", np.zeros((1, 3, 5), np.float32))
    with pytest.raises(CheckpointError, match=r"got shape \[1, 3, 5\]; export it again"):
        YoloDetector(path)
    path = write_yolo(tmp_path / "mute.onnx", np.zeros((1, 7, CELLS), np.float32), metadata={})
    with pytest.raises(CheckpointError, match="states no class names; pass `labels`"):
        YoloDetector(path)
    assert YoloDetector(path, labels=LABELS).labels == LABELS


def test_damaged_weights_and_odd_pictures_are_named(tmp_path: Path) -> None:
    path = write_yolo(tmp_path / "nan.onnx", np.full((1, 7, CELLS), np.nan, np.float32))
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        YoloDetector(path).detect(np.zeros((8, 8, 3), np.uint8))
    path = write_yolo(tmp_path / "v8.onnx", np.zeros((1, 7, CELLS), np.float32))
    with pytest.raises(StructureError, match="image: expected uint8"):
        YoloDetector(path).detect(np.zeros((0, 8, 3), np.uint8))
    assert len(YoloDetector(path).detect(np.zeros((1, 1, 3), np.uint8))) == 0
    with pytest.raises(ConfigurationError, match="score_threshold"):
        YoloDetector(path, score_threshold={"dog": 0.5})
    one = YoloDetector(path, score_threshold={"person": 0.5})
    assert one.score_thresholds == {"person": 0.5, "weapon": 0.25, "car": 0.25}
    with pytest.raises(ConfigurationError, match="iou_threshold"):
        YoloDetector(path, iou_threshold=1.5)


def test_file_without_names_is_opened_as_yolox(tmp_path: Path) -> None:
    path = write_yolo(tmp_path / "x.onnx", np.zeros((1, CELLS, 8), np.float32), metadata={})
    detector = open_detector(path, labels=LABELS, score_threshold=0.5)
    assert isinstance(detector, YoloxDetector)
    assert len(detector.detect(np.zeros((64, 96, 3), np.uint8))) == 0
    odd = write_yolo(tmp_path / "odd.onnx", np.zeros((1, 7, CELLS), np.float32), metadata={"names": "person"})
    with pytest.raises(CheckpointError, match="expected class names under 'names', got 'person'"):
        open_detector(odd)


def test_names_are_read_as_exporters_write_them() -> None:
    assert read_names("{0: 'a', 1: 'b'}") == ("a", "b")
    assert read_names("['a']") == ("a",)
    for nothing in (None, "", "{1: 'b'}", "[]", "[1]", "a b", "3"):
        assert read_names(nothing) is None


def test_centred_fit_keeps_the_aspect_and_splits_the_rest() -> None:
    fitted = fit_centred(np.zeros((50, 100, 3), np.uint8), height=64, width=96)
    assert (fitted.scale, fitted.left, fitted.top) == (0.96, 0, 8)
    assert (fitted.image[:8] == 114).all()
    assert (fitted.image[8:56] == 0).all()
    assert (fitted.image[56:] == 114).all()
