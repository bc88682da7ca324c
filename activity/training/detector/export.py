"""Write a detector as ONNX, with all that inference needs to know inside."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from activity.errors import OutputError
from activity.networks.yolox import STRIDES, Yolox

if TYPE_CHECKING:
    import onnx

LICENCE: Final = (
    "AGPL-3.0-or-later; fine-tuned from YOLOX-nano (COCO), copyright Megvii Inc., Apache-2.0, "
    "https://github.com/Megvii-BaseDetection/YOLOX"
)


class _WithProbabilities(nn.Module):
    """The network with its logits turned into probabilities, as the published export has it."""

    def __init__(self, network: Yolox) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        raw = self.network(images)
        return torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], 2)


def export_detector(
    network: Yolox,
    path: Path,
    *,
    labels: Sequence[str],
    score_thresholds: Mapping[str, float],
    input_long_side: int,
) -> Path:
    """Write `network` to `path` for inputs of any size that is a multiple of 32.

    Args:
        network: The detector.
        path: The ``.onnx`` file; it appears whole or not at all.
        labels: Class names in the order of the outputs.
        score_thresholds: The least score of a detection, by class.
        input_long_side: Input pixels along an image's longer side.

    Raises:
        OutputError: If the file cannot be written.
    """
    import onnx  # noqa: PLC0415  # only training needs it

    rows, columns = torch.export.Dim("rows", min=1, max=256), torch.export.Dim("columns", min=1, max=256)
    partial = path.with_suffix(".partial.onnx")
    metadata = {
        "labels": json.dumps(list(labels)),
        "score_thresholds": json.dumps({label: round(float(score_thresholds[label]), 4) for label in labels}),
        "input_long_side": json.dumps(input_long_side),
        "strides": json.dumps(list(STRIDES)),
        "input": "BGR, 0-255",
        "licence": LICENCE,
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                _WithProbabilities(network).eval(),
                (torch.zeros(1, 3, 192, 320),),
                input_names=["images"],
                output_names=["output"],
                dynamic_shapes={"images": {2: 32 * rows, 3: 32 * columns}},
                dynamo=True,
                verbose=False,
            )
        assert program is not None  # noqa: S101  # `f` is not given
        model = program.model_proto
        forget_the_exporting_machine(model)
        onnx.helper.set_model_props(model, metadata)
        onnx.save(model, str(partial))
        os.replace(partial, path)  # noqa: PTH105  # atomic on every platform
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def state_thresholds(path: Path, score_thresholds: Mapping[str, float]) -> None:
    """Write other score thresholds into an exported detector.

    Raises:
        OutputError: If the file cannot be rewritten.
    """
    import onnx  # noqa: PLC0415

    try:
        model = onnx.load(str(path))
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        metadata["score_thresholds"] = json.dumps(dict(score_thresholds))
        forget_the_exporting_machine(model)
        onnx.helper.set_model_props(model, metadata)
        partial = path.with_suffix(".partial.onnx")
        onnx.save(model, str(partial))
        os.replace(partial, path)  # noqa: PTH105  # atomic on every platform
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def forget_the_exporting_machine(model: onnx.ModelProto) -> None:
    """Drop the stack trace that torch's exporter leaves at every node: paths of this machine, a fifth of the file."""
    for graph in (model.graph, *model.functions):
        for part in (graph, *graph.node, *getattr(graph, "initializer", ()), *graph.value_info):
            del part.metadata_props[:]
            part.doc_string = ""
