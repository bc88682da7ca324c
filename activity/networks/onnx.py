"""ONNX files as callable models, with every failure of ONNX Runtime translated into a `CheckpointError`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from activity.errors import CheckpointError, ConfigurationError

_NUMPY_TYPES = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(double)": np.dtype(np.float64),
    "tensor(int64)": np.dtype(np.int64),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(uint8)": np.dtype(np.uint8),
}


class OnnxModel:
    """One network on the CPU, read whole into memory from one file.

    Args:
        path: The ``.onnx`` file.
        threads: Threads that one call may use.
        content: The network's bytes where they are in memory already; `path` is then only what errors call it.
        spinning: Let threads wait for the next operation in a loop. That answers sooner on an idle machine; a thread
            that spins between two frames steals the core from the decoder and the tracker.

    Attributes:
        path: The file.
        sha256: Hexadecimal digest of the file's bytes, for reports.
        metadata: The file's own key-value text, such as class names; empty where it has none.
        input_shapes: Shape of each input by name; `None` marks an axis of any length.
        output_names: Names of the outputs, in the order of the graph.

    Raises:
        CheckpointError: If the file is missing, damaged, or no ONNX network.
        ConfigurationError: If `threads` is below 1.
    """

    def __init__(
        self, path: Path | str, *, threads: int = 1, content: bytes | None = None, spinning: bool = False
    ) -> None:
        if threads < 1:
            raise ConfigurationError(f"threads: expected 1 or more, got {threads}")
        self.path = Path(path)
        if content is None:
            try:
                content = self.path.read_bytes()
            except OSError as error:
                raise CheckpointError(
                    f"{self.path}: cannot be read ({error.strerror}); name an .onnx file"
                ) from error
        self.sha256 = hashlib.sha256(content).hexdigest()
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
        try:
            self._session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has no common base of its own
            raise CheckpointError(
                f"{self.path}: expected an ONNX network, got {len(content)} bytes that ONNX Runtime refuses "
                f"({_first_line(error)}); fetch or train the checkpoint again"
            ) from error
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.input_shapes: dict[str, tuple[int | None, ...]] = {
            node.name: tuple(n if isinstance(n, int) and n > 0 else None for n in node.shape)
            for node in self._session.get_inputs()
        }
        self.output_names: tuple[str, ...] = tuple(node.name for node in self._session.get_outputs())
        self._input_types = {node.name: _NUMPY_TYPES.get(node.type) for node in self._session.get_inputs()}

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, npt.NDArray[Any]]:
        """Compute every output.

        Args:
            inputs: One array for each name of `input_shapes`, of the type and shape that the file names.

        Returns:
            The outputs by name.

        Raises:
            CheckpointError: If the inputs are not those of this network, or it fails on them.
        """
        if inputs.keys() != self.input_shapes.keys():
            raise CheckpointError(
                f"{self.path}: the network reads {sorted(self.input_shapes)}, got {sorted(inputs)}; "
                "it is not of the kind asked for"
            )
        for name, array in inputs.items():
            self._check_input(name, array)
        try:
            outputs = self._session.run(list(self.output_names), dict(inputs))
        except Exception as error:
            shapes = {name: list(array.shape) for name, array in inputs.items()}
            raise CheckpointError(
                f"{self.path}: the network failed on inputs of shape {shapes} ({_first_line(error)})"
            ) from error
        return dict(zip(self.output_names, outputs, strict=True))

    def _check_input(self, name: str, array: npt.NDArray[np.generic]) -> None:
        shape, dtype = self.input_shapes[name], self._input_types[name]
        fits = len(shape) == array.ndim and all(
            want in (None, got) for want, got in zip(shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise CheckpointError(
                f"{self.path}: input {name!r} has shape [{wanted}] in the file, got {list(array.shape)}; "
                "use a checkpoint made for this input"
            )
        if dtype is not None and array.dtype != dtype:
            raise CheckpointError(f"{self.path}: input {name!r} is {dtype} in the file, got {array.dtype}")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
