"""Writes a trained heat-map network as the ONNX file that inference runs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

from activity.pose.heatmap_network import HEATMAP_STRIDE, HeatmapExport, HeatmapNetwork
from activity.structures import COCO_KEYPOINT_NAMES
from activity.training.provenance import commit_of_code

OPSET = 17


def export_heatmap_network(
    network: HeatmapNetwork, path: Path, *, size: tuple[int, int], padding: float
) -> Path:
    """Export to ONNX with a free batch axis, fp32 weights and what inference must know as metadata.

    Args:
        network: The trained network; left in evaluation mode.
        path: The file to write.
        size: Height and width of the crops.
        padding: Side of the crop over the person's box.

    Returns:
        `path`.
    """
    import onnx  # noqa: PLC0415  # only training needs it

    network.eval()
    crops = torch.zeros((2, *size, 3), dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter of today needs no help with this graph; the one to come drops opset 17's pixel shuffle.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            HeatmapExport(network).eval(),
            (crops,),
            str(path),
            input_names=["crops"],
            output_names=["heatmaps"],
            dynamic_axes={"crops": {0: "people"}, "heatmaps": {0: "people"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    entries = {
        "kind": "topdown-heatmaps",
        "input": "RGB uint8 [people, height, width, 3], no normalisation",
        "height": str(size[0]),
        "width": str(size[1]),
        "stride": str(HEATMAP_STRIDE),
        "padding": repr(padding),
        "keypoints": json.dumps(COCO_KEYPOINT_NAMES),
        "licence": "AGPL-3.0-or-later; backbone started from YOLOX-nano (Apache-2.0)",
        "commit": commit_of_code(),
    }
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
