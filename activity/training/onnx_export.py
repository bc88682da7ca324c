"""Networks as ONNX files: any input that is a multiple of 32, facts inside, no trace of the machine, whole or not at all."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from activity.errors import OutputError

if TYPE_CHECKING:
    import onnx


def export_network(
    network: nn.Module,
    path: Path,
    *,
    size: tuple[int, int],
    any_size: bool,
    output_names: Sequence[str],
    metadata: Mapping[str, str],
) -> Path:
    """Write a network of images [1, 3, H, W] to `path`.

    Args:
        network: In evaluation mode afterwards.
        path: The ``.onnx`` file; it appears whole or not at all.
        size: Rows and columns of the image that it is traced with.
        any_size: Whether the file takes any multiples of 32 up to 8192, or `size` only.
        output_names: Of its outputs.
        metadata: What inference needs to know.

    Raises:
        OutputError: If the file cannot be written.
    """
    rows, columns = torch.export.Dim("rows", min=1, max=256), torch.export.Dim("columns", min=1, max=256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, *size),),
            input_names=["images"],
            output_names=list(output_names),
            dynamic_shapes={"images": {2: 32 * rows, 3: 32 * columns}} if any_size else None,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # noqa: S101  # `f` is not given
    return write_model(program.model_proto, path, metadata=metadata)


def write_model(model: onnx.ModelProto, path: Path, *, metadata: Mapping[str, str]) -> Path:
    """Write an ONNX model with these facts and without the exporting machine's.

    Raises:
        OutputError: If the file cannot be written.
    """
    import onnx  # noqa: PLC0415  # only training needs it

    forget_the_exporting_machine(model)
    onnx.helper.set_model_props(model, dict(metadata))
    partial = path.with_suffix(".partial.onnx")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(partial))
        os.replace(partial, path)  # noqa: PTH105  # atomic on every platform
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def forget_the_exporting_machine(model: onnx.ModelProto) -> None:
    """Drop the stack trace that torch's exporter leaves at every node: paths of this machine, a fifth of the file."""
    for graph in (model.graph, *model.functions):
        for part in (graph, *graph.node, *getattr(graph, "initializer", ()), *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
