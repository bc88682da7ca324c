from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper

from activity.detection import FireClassifier, find_burning
from activity.detection.fire import flame_box
from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.structures import Detections, FireFinding

Image = npt.NDArray[np.uint8]
RED = np.array([255, 0, 0], np.uint8)


def write_redness(path: Path, *, rows: int | None = None, metadata: dict[str, str] | None = None) -> Path:
    """A classifier whose activation is the mean redness of 16x16 pixels, and whose probability is its maximum."""
    size: list[int | str] = [rows, rows] if rows else ["rows", "columns"]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])
    outputs = [
        helper.make_tensor_value_info("probability", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("activation", TensorProto.FLOAT, [1, None, None]),
    ]
    red = helper.make_tensor("red", TensorProto.FLOAT, [1, 3, 1, 1], [1 / 255, 0, 0])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Conv", ["images", "red"], ["redness"]),
        helper.make_node("AveragePool", ["redness"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Squeeze", ["pooled", "axis"], ["activation"]),
        helper.make_node("ReduceMax", ["activation"], ["probability"], axes=[1, 2], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "redness", [images], outputs, [red, axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    stated = {"threshold": "0.5", "input_long_side": "320"} if metadata is None else metadata
    helper.set_model_props(model, stated)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def redness(tmp_path: Path) -> Path:
    return write_redness(tmp_path / "redness.onnx")


def test_red_corner_is_found_where_it_is(redness: Path) -> None:
    image = np.zeros((180, 320, 3), np.uint8)
    image[:60, 240:] = RED
    finding = FireClassifier(redness).classify(image)
    assert finding.probability == pytest.approx(1, abs=1e-4)
    assert finding.activation_map.shape == (12, 20)  # 180 rows are stretched over 192
    assert finding.box is not None
    np.testing.assert_allclose(finding.box, [240, 0, 320, 60], atol=5)


@pytest.mark.parametrize("size", [(1, 1), (7, 900), (900, 7), (480, 640)])
def test_any_picture_fits_and_black_does_not_burn(redness: Path, size: tuple[int, int]) -> None:
    finding = FireClassifier(redness).classify(np.zeros((*size, 3), np.uint8))
    assert finding.probability == 0
    assert finding.box is None


def test_picture_is_read_as_rgb(redness: Path) -> None:
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 2] = 255
    assert FireClassifier(redness).classify(blue).probability == 0


def test_threshold_of_the_file_gives_way_to_one_that_is_asked(redness: Path) -> None:
    image = np.full((64, 64, 3), (153, 0, 0), np.uint8)  # a redness of 0.6
    assert FireClassifier(redness).threshold == 0.5
    assert FireClassifier(redness).classify(image).box is not None
    assert FireClassifier(redness, threshold=0.7).classify(image).box is None
    with pytest.raises(ConfigurationError, match=r"threshold: expected a value in \[0, 1\], got 1.5"):
        FireClassifier(redness, threshold=1.5)


def test_file_of_fixed_size_needs_no_other(tmp_path: Path) -> None:
    path = write_redness(tmp_path / "fixed.onnx", rows=128, metadata={"threshold": "0.5"})
    finding = FireClassifier(path).classify(np.full((90, 160, 3), RED, np.uint8))
    assert finding.activation_map.shape == (8, 8)
    assert finding.box is not None
    np.testing.assert_allclose(finding.box, [0, 0, 160, 90])


def test_file_that_does_not_say_its_size_or_threshold_is_refused(tmp_path: Path) -> None:
    path = write_redness(tmp_path / "silent.onnx", metadata={"threshold": "0.5"})
    with pytest.raises(CheckpointError, match="'input_long_side'"):
        FireClassifier(path)
    path = write_redness(tmp_path / "odd.onnx", metadata={"threshold": "high", "input_long_side": "320"})
    with pytest.raises(CheckpointError, match="'threshold', got 'high'"):
        FireClassifier(path)


def test_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(CheckpointError, match=r"other\.onnx: expected the input 'images'"):
        FireClassifier(tmp_path / "other.onnx")


def test_what_is_no_picture_is_refused(redness: Path) -> None:
    classifier = FireClassifier(redness)
    for wrong in (np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(StructureError, match="image: expected uint8"):
            classifier.classify(wrong)  # type: ignore[arg-type]


def test_box_follows_the_loudest_flames_only() -> None:
    cells = np.zeros((4, 8), np.float32)
    cells[2, 1] = 0.9
    cells[0, 6] = 0.7  # as hot as half the loudest, but apart
    cells[3, 4] = 0.3
    box = flame_box(cells, height=400, width=800)
    assert box is not None
    assert 50 <= box[0] <= 100
    assert 200 <= box[2] <= 250
    assert 150 <= box[1] <= 200
    assert 300 <= box[3] <= 350
    assert flame_box(np.zeros((3, 3), np.float32), height=30, width=30) is None


def finding_at(rows: slice, columns: slice) -> FireFinding:
    cells = np.zeros((10, 10), np.float32)
    cells[rows, columns] = 1
    return FireFinding(0.9, cells, flame_box(cells, height=100, width=100))


def test_car_with_the_flames_in_its_box_burns_and_the_one_beside_it_does_not() -> None:
    detections = Detections(
        np.array([[10, 20, 60, 80], [60, 20, 100, 80], [0, 0, 100, 100], [20, 30, 40, 50]], np.float32),
        np.full(4, 0.9, np.float32),
        ("car", "car", "person", "weapon"),
    )
    burning = find_burning(finding_at(slice(3, 5), slice(2, 4)), detections, height=100, width=100)
    assert [(entry.label, entry.detection, entry.share) for entry in burning] == [
        ("car", 0, 1.0),
        ("person", 2, 1.0),  # the larger box of equal shares; a weapon is not asked for
    ]


def test_half_of_the_flames_in_a_box_is_half_a_share() -> None:
    person = Detections(np.array([[25, 0, 100, 100]], np.float32), np.array([0.8], np.float32), ("person",))
    finding = finding_at(slice(0, 1), slice(2, 3))  # pixels 20 to 30 across
    assert find_burning(finding, person, height=100, width=100)[0].share == pytest.approx(0.5)
    assert find_burning(finding, person, height=100, width=100, least_share=0.6) == ()


def test_without_fire_or_without_objects_nothing_burns() -> None:
    person = Detections(np.array([[0, 0, 100, 100]], np.float32), np.array([0.8], np.float32), ("person",))
    quiet = FireFinding(0.1, np.ones((10, 10), np.float32), None)
    assert find_burning(quiet, person, height=100, width=100) == ()
    assert find_burning(finding_at(slice(0, 1), slice(0, 1)), Detections.empty(), height=100, width=100) == ()
