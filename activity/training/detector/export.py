"""Write a detector as ONNX, with all that inference needs to know inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from activity.errors import OutputError
from activity.networks.yolox import STRIDES, Yolox
from activity.training.onnx_export import export_network, write_model

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
    return export_network(
        _WithProbabilities(network),
        path,
        size=(192, 320),
        any_size=True,
        output_names=["output"],
        metadata={
            "labels": json.dumps(list(labels)),
            "score_thresholds": json.dumps(
                {label: round(float(score_thresholds[label]), 4) for label in labels}
            ),
            "input_long_side": json.dumps(input_long_side),
            "strides": json.dumps(list(STRIDES)),
            "input": "BGR, 0-255",
            "licence": LICENCE,
        },
    )


def state_thresholds(path: Path, score_thresholds: Mapping[str, float]) -> None:
    """Write other score thresholds into an exported detector.

    Raises:
        OutputError: If the file cannot be rewritten.
    """
    import onnx  # noqa: PLC0415  # only training needs it

    try:
        model = onnx.load(str(path))
    except OSError as error:
        raise OutputError(f"{path}: cannot be rewritten ({error.strerror})") from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    write_model(model, path, metadata=metadata | {"score_thresholds": json.dumps(dict(score_thresholds))})
