from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel


@pytest.fixture
def doubling_model(tmp_path: Path) -> Path:
    """An ONNX file that returns its [any, 2] input added to itself, with one line of metadata."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"labels": "person,weapon"})
    path = tmp_path / "doubling.onnx"
    onnx.save(model, str(path))
    return path


def test_outputs_come_by_name(doubling_model: Path) -> None:
    outputs = OnnxModel(doubling_model).run({"x": np.array([[1, 2.5]], np.float32)})
    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(outputs["y"], [[2, 5]])


def test_empty_batch_gives_an_empty_output(doubling_model: Path) -> None:
    assert OnnxModel(doubling_model).run({"x": np.zeros((0, 2), np.float32)})["y"].shape == (0, 2)


def test_facts_of_the_file_are_told(doubling_model: Path) -> None:
    model = OnnxModel(doubling_model, threads=2)
    assert model.sha256 == hashlib.sha256(doubling_model.read_bytes()).hexdigest()
    assert model.metadata == {"labels": "person,weapon"}
    assert model.input_shapes == {"x": (None, 2)}
    assert model.output_names == ("y",)


def test_missing_file_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.onnx: cannot be read"):
        OnnxModel(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty file"),
        pytest.param(b"not a network", id="text"),
        pytest.param(b"\x08\x07\x12\x05onnx.", id="truncated"),
    ],
)
def test_damaged_file_is_a_checkpoint_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged\.onnx: expected an ONNX network"):
        OnnxModel(path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param(
            {"x": np.zeros((1, 3), np.float32)}, r"\[any, 2\] in the file, got \[1, 3\]", id="wrong width"
        ),
        pytest.param({"x": np.zeros(2, np.float32)}, r"got \[2\]", id="wrong rank"),
        pytest.param(
            {"x": np.zeros((1, 2), np.float64)}, "float32 in the file, got float64", id="wrong type"
        ),
        pytest.param({"z": np.zeros((1, 2), np.float32)}, r"reads \['x'\], got \['z'\]", id="wrong name"),
    ],
)
def test_inputs_of_another_network_are_refused(
    doubling_model: Path, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        OnnxModel(doubling_model).run(inputs)


def test_threads_below_one_are_refused(doubling_model: Path) -> None:
    with pytest.raises(ConfigurationError, match="threads: expected 1 or more, got 0"):
        OnnxModel(doubling_model, threads=0)
