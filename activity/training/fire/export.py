"""Write a fire classifier as ONNX, with its calibration and threshold inside."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Final

import torch

from activity.errors import OutputError
from activity.training.detector.export import forget_the_exporting_machine
from activity.training.fire.networks import (
    CSIS_SIDE,
    CalibratedFire,
    FireActivationNetwork,
    FireDetectionNet,
)

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
    import onnx  # noqa: PLC0415  # only training needs it

    any_size = isinstance(network, FireActivationNetwork)
    rows, columns = torch.export.Dim("rows", min=1, max=256), torch.export.Dim("columns", min=1, max=256)
    size = (192, 320) if any_size else (CSIS_SIDE, CSIS_SIDE)
    partial = path.with_suffix(".partial.onnx")
    metadata = {
        "threshold": json.dumps(round(threshold, 4)),
        "input_long_side": json.dumps(input_long_side),
        "input": "RGB, 0-255",
        "licence": LICENCE + (_BACKBONE_LICENCE if any_size else ""),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                CalibratedFire(network, scale=scale, offset=offset).eval(),
                (torch.zeros(1, 3, *size),),
                input_names=["images"],
                output_names=["probability", "activation"],
                dynamic_shapes={"images": {2: 32 * rows, 3: 32 * columns}} if any_size else None,
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
