"""Networks of a few numbers, written by the tests: each kind of file that a detector can be opened from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

YOLO_LABELS = ("person", "weapon", "car")
CELLS_64 = 64 + 16 + 4
YOLOX_METADATA = {
    "labels": json.dumps(["person", "weapon"]),
    "score_thresholds": json.dumps({"person": 0.3, "weapon": 0.5}),
    "input_long_side": "64",
}


def write_yolox(path: Path, cells: np.ndarray, *, metadata: dict[str, str] = YOLOX_METADATA) -> Path:
    """An ONNX file that reads a 64 x 64 input and says `cells`, whatever it sees."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, *cells.shape])
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "one"], ["scalar"]),
        helper.make_node("Add", ["cells", "scalar"], ["output"]),
    ]
    constants = {
        "zero": np.zeros(1, np.float32),
        "one": np.ones(1, np.int64),
        "cells": cells[None].astype(np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "says",
        [images],
        [output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


def write_yolo(
    path: Path,
    output: npt.NDArray[np.float32],
    *,
    size: tuple[int, int] = (64, 96),
    metadata: dict[str, str] | None = None,
) -> Path:
    """A network that gives `output` whatever it sees."""
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])
    result = helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(output.shape))
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["constant", "nothing"], ["output0"]),
    ]
    constants = [
        numpy_helper.from_array(output, "constant"),
        numpy_helper.from_array(np.float32(0), "zero"),
    ]
    graph = helper.make_graph(nodes, "constant", [images], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(
        model, {"names": str(dict(enumerate(YOLO_LABELS)))} if metadata is None else metadata
    )
    onnx.save(model, str(path))
    return path


def write_free_yolo(path: Path) -> Path:
    """A network in the layout of YOLOv8 that takes any size; a weapon of 8x8 fills each white cell at stride 8."""
    rows = len(YOLO_LABELS) + 4
    nodes, constants, levels = [], [numpy_helper.from_array(np.array([1, rows, -1]), "shape")], []
    for stride in (8, 16, 32):
        weight, bias = np.zeros((rows, 3, 1, 1), np.float32), np.zeros(rows, np.float32)
        bias[:4] = 4, 4, 8, 8
        if stride == 8:
            weight[5] = 0.9 / 3
        constants += [
            numpy_helper.from_array(weight, f"w{stride}"),
            numpy_helper.from_array(bias, f"b{stride}"),
        ]
        nodes += [
            helper.make_node(
                "AveragePool", ["images"], [f"p{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2
            ),
            helper.make_node("Conv", [f"p{stride}", f"w{stride}", f"b{stride}"], [f"c{stride}"]),
            helper.make_node("Reshape", [f"c{stride}", "shape"], [f"r{stride}"]),
        ]
        levels.append(f"r{stride}")
    nodes.append(helper.make_node("Concat", levels, ["output0"], axis=2))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "height", "width"])
    result = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, rows, "cells"])
    graph = helper.make_graph(nodes, "free", [images], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"names": str(dict(enumerate(YOLO_LABELS)))})
    onnx.save(model, str(path))
    return path


DARKNET_LABELS = ("person", "weapon")
DARKNET_SIZE = (64, 96)  # rows, columns
DARKNET_ANCHORS = ((10.0, 14.0), (23.0, 27.0), (37.0, 58.0))
DARKNET_CONFIGURATION = """
[net]
batch=1
width=96   # columns
height=64
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
size=1
stride=1
pad=1
filters=21
activation=linear

[yolo]
mask = 0,1,2
anchors = 10,14, 23,27, 37,58
classes=2
num=3
"""
_CHANNELS = ((3, 8, 3), (8, 8, 3), (8, 21, 1))


def write_darknet(folder: Path) -> tuple[Path, list[dict[str, torch.Tensor]]]:
    """Darknet's three files of a random network; returns that of the weights, and the parameters."""
    random = np.random.default_rng(2)
    layers, stored = [], [np.array([0, 2, 5], np.int32).tobytes(), np.array([0], np.int64).tobytes()]
    for index, (inputs, filters, kernel) in enumerate(_CHANNELS):
        weight = random.normal(0, (2 / (inputs * kernel**2)) ** 0.5, (filters, inputs, kernel, kernel))
        layer = {"bias": random.normal(0, 0.3, filters)}
        if index < 2:
            layer |= {
                "scale": random.uniform(0.5, 1.5, filters),
                "mean": random.normal(0, 0.1, filters),
                "var": random.uniform(0.5, 1.5, filters),
            }
        layer["weight"] = weight
        stored += [np.asarray(values, np.float32).tobytes() for values in layer.values()]
        layers.append({name: torch.tensor(values, dtype=torch.float32) for name, values in layer.items()})
    path = folder / "tiny.weights"
    path.with_suffix(".cfg").write_text(DARKNET_CONFIGURATION)
    path.with_suffix(".names").write_text("person\nweapon\n")
    path.write_bytes(b"".join(stored))
    return path, layers
