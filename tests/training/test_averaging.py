"""The mean of networks: the mean weights in the same graph, and nothing that is not alike."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from activity.cli import app
from activity.errors import CheckpointError, ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.training.averaging import average_networks


def network(
    path: Path, *, weight: Sequence[float], name: str = "weight", operator: str = "Mul", shape: int = -1
) -> Path:
    """Multiplies three numbers by three weights."""
    values = helper.make_tensor_value_info("values", TensorProto.FLOAT, [3])
    products = helper.make_tensor_value_info("products", TensorProto.FLOAT, [3])
    graph = helper.make_graph(
        [
            helper.make_node(operator, ["values", name], ["scaled"]),
            helper.make_node("Reshape", ["scaled", "shape"], ["products"]),
        ],
        "three",
        [values],
        [products],
        [
            numpy_helper.from_array(np.array(weight, np.float32), name),
            numpy_helper.from_array(np.array([shape]), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"kind": "three", "commit": "before"})
    onnx.save(model, str(path))
    return path


def test_the_mean_of_three_networks_by_hand(tmp_path: Path) -> None:
    paths = [
        network(tmp_path / f"{number}.onnx", weight=weight)
        for number, weight in enumerate(([1, 2, 3], [3, 2, 4], [5, 2, -1]))
    ]
    mean = OnnxModel(average_networks(paths, tmp_path / "new/mean.onnx"))
    answer = mean.run({"values": np.array([1, 10, 100], np.float32)})["products"]
    np.testing.assert_allclose(answer, [3, 20, 200])
    assert mean.metadata["kind"] == "three"
    assert mean.metadata["commit"] != "before"
    assert mean.metadata["averaged_of"].split() == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    ]


def test_the_mean_of_a_network_with_itself_is_itself(tmp_path: Path) -> None:
    path = network(tmp_path / "a.onnx", weight=[0.1, 1e-30, 3e30])
    mean, original = (
        onnx.load(str(file)) for file in (average_networks([path, path], tmp_path / "mean.onnx"), path)
    )
    assert [node.op_type for node in mean.graph.node] == [node.op_type for node in original.graph.node]
    for own, theirs in zip(mean.graph.initializer, original.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(own), numpy_helper.to_array(theirs))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"operator": "Add"}, "other operations"),
        ({"name": "other"}, "other operations"),
        ({"weight": [1.0]}, r"weight of shape \[1\] instead of \[3\]"),
        ({"shape": 3}, "another shape, which is no weight"),
    ],
)
def test_networks_that_differ_in_more_than_weights_are_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    first = network(tmp_path / "a.onnx", weight=[1, 2, 3])
    other = network(tmp_path / "b.onnx", **({"weight": [3, 2, 1]} | changes))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=rf"b\.onnx: expected the network of .*a\.onnx.*{told}"):
        average_networks([first, other], tmp_path / "mean.onnx")
    assert not (tmp_path / "mean.onnx").exists()


def test_what_is_no_network_is_named(tmp_path: Path) -> None:
    first = network(tmp_path / "a.onnx", weight=[1, 2, 3])
    (tmp_path / "b.onnx").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match=r"b\.onnx: expected an ONNX network"):
        average_networks([first, tmp_path / "b.onnx"], tmp_path / "mean.onnx")
    with pytest.raises(CheckpointError, match=r"c\.onnx: cannot be read"):
        average_networks([first, tmp_path / "c.onnx"], tmp_path / "mean.onnx")
    with pytest.raises(ConfigurationError, match="two or more networks to average, got 1"):
        average_networks([first], tmp_path / "mean.onnx")


def test_the_command_writes_the_mean(tmp_path: Path) -> None:
    paths = [network(tmp_path / f"{n}.onnx", weight=[n, 0, 1]) for n in (1, 2)]
    call = ["train", "average", *map(str, paths), "--out", str(tmp_path / "mean.onnx")]
    assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    stored = onnx.load(str(tmp_path / "mean.onnx")).graph.initializer[0]
    np.testing.assert_allclose(numpy_helper.to_array(stored), [1.5, 0, 1])
