"""Write a fire classifier as ONNX, with its calibration and threshold inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from activity.training.fire.networks import (
    CSIS_SIDE,
    CalibratedFire,
    FireActivationNetwork,
    FireDetectionNet,
)
from activity.training.onnx_export import export_network

LICENCE: Final = "AGPL-3.0-or-later"
_BACKBONE_LICENCE: Final = (
    "; backbone fine-tuned from YOLOX-nano (COCO), copyright Megvii Inc., Apache-2.0, "
    "https://github.com/Megvii-BaseDetection/YOLOX"
)


def export_fire(
    network: FireActivationNetwork | FireDetectionNet,
    path: Path,
    *,
    scale: float,
    offset: float,
    threshold: float,
    input_long_side: int,
) -> Path:
    """Write `network` to `path` as `FireClassifier` reads it.

    Args:
        network: Either classifier.
        path: The ``.onnx`` file; it appears whole or not at all.
        scale: Platt's slope.
        offset: Platt's intercept.
        threshold: The least probability that counts as fire.
        input_long_side: Input pixels along an image's longer side, where the network takes any size.

    Raises:
        OutputError: If the file cannot be written.
    """
    any_size = isinstance(network, FireActivationNetwork)
    return export_network(
        CalibratedFire(network, scale=scale, offset=offset),
        path,
        size=(192, 320) if any_size else (CSIS_SIDE, CSIS_SIDE),
        any_size=any_size,
        output_names=["probability", "activation"],
        metadata={
            "threshold": json.dumps(round(threshold, 4)),
            "input_long_side": json.dumps(input_long_side),
            "input": "RGB, 0-255",
            "licence": LICENCE + (_BACKBONE_LICENCE if any_size else ""),
        },
    )
