"""ONNX graphs written node by node, for networks whose layers are merged before they run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, load_model_from_string, numpy_helper

OPSET: Final = 20
IR_VERSION: Final = 10
CONTRIB_DOMAIN: Final = "com.microsoft"
"""Operators that ONNX Runtime brings beside the standard's."""


class OnnxGraph:
    """A graph with one float input and one float output, whose first axis has any length.

    Args:
        name: The graph's name.
        input_name: The input.
        input_shape: Its axes after the first.
    """

    def __init__(self, name: str, *, input_name: str, input_shape: Sequence[int]) -> None:
        self.input = input_name
        self._name = name
        self._input_shape = tuple(input_shape)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._shared: dict[tuple[int, ...], str] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def constant(self, values: npt.ArrayLike) -> str:
        """Store an array, real numbers as float32 and whole ones as int64; returns its name."""
        array = np.asarray(values)
        kind = np.float32 if np.issubdtype(array.dtype, np.floating) else np.int64
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, dtype=kind, order="C"), name))
        return name

    def apply(self, operator: str, *inputs: str, contrib: bool = False, **attributes: Any) -> str:
        """Add a node; returns the name of its output.

        Args:
            operator: Of ONNX, or of `CONTRIB_DOMAIN` where `contrib` says so.
            inputs: Names that `constant`, `apply` or the attribute `input` gave.
            contrib: Whether the operator is ONNX Runtime's own.
            attributes: The operator's attributes.
        """
        output = f"{operator.lower()}{len(self._nodes)}"
        domain = CONTRIB_DOMAIN if contrib else ""
        self._nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, domain=domain, **attributes)
        )
        return output

    def reshape(self, value: str, *shape: int) -> str:
        """Change the shape; -1 stands for what is left."""
        if shape not in self._shared:
            self._shared[shape] = self.constant(np.array(shape, dtype=np.int64))
        return self.apply("Reshape", value, self._shared[shape])

    def layer_norm(
        self, value: str, scale: npt.NDArray[np.float32], bias: npt.NDArray[np.float32], *, epsilon: float
    ) -> str:
        """Normalise the last axis."""
        constants = (self.constant(scale), self.constant(bias))
        return self.apply("LayerNormalization", value, *constants, axis=-1, epsilon=epsilon)

    def linear(
        self, value: str, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32] | None = None
    ) -> str:
        """Multiply the last axis by a matrix and add a bias.

        Args:
            value: [R, W], or [P, R, W].
            weight: [W, N]; or [P, W, N], one matrix for each of P rows of `value`.
            bias: [N], or [P, 1, N].
        """
        if weight.ndim == 2:
            extra = () if bias is None else (self.constant(bias),)
            return self.apply("Gemm", value, self.constant(weight), *extra)
        product = self.apply("MatMul", value, self.constant(weight))
        return product if bias is None else self.apply("Add", product, self.constant(bias))

    def serialize(
        self, output: str, *, output_name: str, output_shape: Sequence[int], metadata: Mapping[str, str]
    ) -> bytes:
        """The whole model as the bytes of an ``.onnx`` file.

        Args:
            output: The value that the graph computes.
            output_name: What callers know it by.
            output_shape: Its axes after the first.
            metadata: Text that the file carries.
        """
        nodes = [*self._nodes, helper.make_node("Identity", [output], [output_name])]
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])]
            for name, shape in ((self.input, self._input_shape), (output_name, output_shape))
        ]
        graph = helper.make_graph(nodes, self._name, *ends, initializer=self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB_DOMAIN, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="activity"
        )
        helper.set_model_props(model, dict(metadata))
        content: bytes = model.SerializeToString(deterministic=True)
        return content


def to_int8(content: bytes) -> bytes:
    """Two-dimensional weights as 8-bit integers, one scale a column; what they multiply is rounded as it comes.

    That is dynamic quantisation. Batched products and attention stay in float32.

    Args:
        content: An ONNX file's bytes, as `OnnxGraph.serialize` gives them.

    Returns:
        An ONNX file's bytes, about a quarter as long; its outputs are near those of `content`, not equal to them.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415  (takes a second to import)

    model = load_model_from_string(content)
    model.metadata_props.add(
        key="onnx.quant.pre_process", value="onnxruntime.quant"
    )  # nothing is left to fold
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in model.graph.node if node.op_type != "Gemm"],
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        return path.read_bytes()
