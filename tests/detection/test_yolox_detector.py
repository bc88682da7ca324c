from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from activity.detection import COCO_LABELS, ObjectDetector, YoloxDetector
from activity.errors import CheckpointError, ConfigurationError, StructureError
from tests.detection.small_networks import CELLS_64, write_yolox


@pytest.fixture
def two_objects(tmp_path: Path) -> Path:
    """A person of 16 x 32 at (20, 14) and a weapon of 8 x 8 at (36, 12), in a 64 x 64 input."""
    cells = np.zeros((CELLS_64, 7), np.float32)
    cells[1 * 8 + 2] = [0.5, 0.75, np.log(2), np.log(4), 0.9, 0.8, 0.1]  # 0.72 person
    cells[1 * 8 + 3] = [-0.5, 0.75, np.log(2), np.log(4), 0.9, 0.7, 0.1]  # the same box, 0.63
    cells[1 * 8 + 4] = [0.5, 0.5, 0, 0, 0.8, 0.1, 0.75]  # 0.60 weapon
    cells[5 * 8 + 5] = [0.5, 0.5, 0, 0, 0.8, 0.1, 0.5]  # 0.40 weapon: under its threshold
    cells[6 * 8 + 6] = [0.5, 0.5, 0, 0, 0.8, 0.4, 0.1]  # 0.32 person: over its threshold
    return write_yolox(tmp_path / "two.onnx", cells)


def test_detections_are_those_worked_out_by_hand(two_objects: Path) -> None:
    detector = YoloxDetector(two_objects)
    found = detector.detect(np.zeros((128, 128, 3), np.uint8))  # twice the input: boxes double
    assert found.labels == ("person", "weapon", "person")
    np.testing.assert_allclose(found.scores, [0.72, 0.60, 0.32], atol=1e-6)
    # centre (2.5, 1.75) x 8 = (20, 14), size 16 x 32: y from -2, cut at the border
    np.testing.assert_allclose(found.boxes[0], [24, 0, 56, 60], atol=1e-4)
    np.testing.assert_allclose(found.boxes[1], [64, 16, 80, 32], atol=1e-4)


def test_detector_fits_the_protocol_and_tells_its_facts(two_objects: Path) -> None:
    detector = YoloxDetector(two_objects)
    assert isinstance(detector, ObjectDetector)
    assert detector.labels == ("person", "weapon")
    assert detector.score_thresholds == pytest.approx({"person": 0.3, "weapon": 0.5})
    assert len(detector.sha256) == 64


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [
        pytest.param(0.65, ("person",), id="one number for all"),
        pytest.param({"person": 1.0, "weapon": 0.35}, ("weapon", "weapon"), id="one by class"),
        pytest.param(1.0, (), id="nothing is that sure"),
    ],
)
def test_thresholds_can_be_chosen(
    two_objects: Path, threshold: float | dict[str, float], labels: tuple[str, ...]
) -> None:
    found = YoloxDetector(two_objects, score_threshold=threshold).detect(np.zeros((64, 64, 3), np.uint8))
    assert found.labels == labels


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(1, 1, id="one pixel"),
        pytest.param(1, 300, id="one row"),
        pytest.param(4320, 7680, id="8k"),
    ],
)
def test_images_of_any_size_give_boxes_inside_them(two_objects: Path, height: int, width: int) -> None:
    found = YoloxDetector(two_objects).detect(np.zeros((height, width, 3), np.uint8))
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [width, height, width, height]).all()


def test_empty_image_is_refused(two_objects: Path) -> None:
    with pytest.raises(StructureError, match="at least one pixel"):
        YoloxDetector(two_objects).detect(np.zeros((0, 10, 3), np.uint8))


def test_quiet_network_finds_nothing(tmp_path: Path) -> None:
    path = write_yolox(tmp_path / "quiet.onnx", np.zeros((CELLS_64, 7)))
    assert len(YoloxDetector(path).detect(np.zeros((64, 64, 3), np.uint8))) == 0


def test_damaged_or_missing_file_is_a_checkpoint_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"PK\x03\x04")
    for path in (damaged, tmp_path / "absent.onnx"):
        with pytest.raises(CheckpointError, match=path.name):
            YoloxDetector(path)


def test_network_with_other_classes_is_refused(tmp_path: Path) -> None:
    path = write_yolox(tmp_path / "three.onnx", np.zeros((CELLS_64, 8)))
    with pytest.raises(CheckpointError, match=r"2 classes .* \[1, 84, 7\], the network gave \[1, 84, 8\]"):
        YoloxDetector(path).detect(np.zeros((64, 64, 3), np.uint8))


def test_fixed_input_admits_no_other_size(two_objects: Path) -> None:
    for size in ((96, 96), 96, (64, 96)):
        with pytest.raises(
            ConfigurationError, match=r"takes 64x64 only, got .*export the network with a free"
        ):
            YoloxDetector(two_objects, input_size=size)
    for size in ((64, 64), 64):
        assert YoloxDetector(two_objects, input_size=size).input_size(1080, 1920) == (64, 64)


def test_file_that_states_no_thresholds_takes_the_usual_one(two_objects: Path, tmp_path: Path) -> None:
    model = onnx.load(str(two_objects))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "mute.onnx"))
    detector = YoloxDetector(tmp_path / "mute.onnx", labels=("person", "weapon"))
    assert detector.score_thresholds == pytest.approx({"person": 0.3, "weapon": 0.3})


def test_network_that_says_nan_is_refused(tmp_path: Path) -> None:
    path = write_yolox(tmp_path / "nan.onnx", np.full((CELLS_64, 7), np.nan))
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        YoloxDetector(path).detect(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        pytest.param({}, "expected class names under the metadata key 'labels', got None", id="no labels"),
        pytest.param({"labels": "person"}, "metadata 'labels' is no JSON", id="labels are no JSON"),
        pytest.param({"labels": "[]"}, r"got \[\]", id="no label at all"),
    ],
)
def test_file_that_does_not_name_its_classes_is_refused(
    tmp_path: Path, metadata: dict[str, str], message: str
) -> None:
    path = write_yolox(tmp_path / "nameless.onnx", np.zeros((CELLS_64, 7)), metadata=metadata)
    with pytest.raises(CheckpointError, match=message):
        YoloxDetector(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"input_size": 100}, "multiples of 32", id="size"),
        pytest.param({"input_size": (64, 0)}, "multiples of 32", id="no columns"),
        pytest.param({"score_threshold": 1.5}, "score_threshold", id="threshold above 1"),
        pytest.param(
            {"score_threshold": {"persn": 0.5}}, "one for each of", id="a threshold for an unknown class"
        ),
        pytest.param({"iou_threshold": -0.1}, "iou_threshold", id="negative overlap"),
    ],
)
def test_settings_out_of_bounds_are_refused(
    two_objects: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        YoloxDetector(two_objects, **settings)  # type: ignore[arg-type]


def test_coco_names_are_eighty_and_start_with_person() -> None:
    assert len(set(COCO_LABELS)) == 80
    assert (COCO_LABELS[0], COCO_LABELS[43]) == ("person", "knife")
