from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from activity.errors import CheckpointError
from activity.networks.onnx import OnnxModel
from activity.networks.yolox import Yolox, YoloxBackbone, load_onnx_weights

COCO_YOLOX = Path(__file__).parents[2] / "../shared/models/yolox_nano.onnx"


@pytest.mark.real_data
def test_torch_and_onnx_runtime_agree_on_the_published_weights() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 416, 416)).astype(np.float32)
    network = Yolox(80).eval()
    load_onnx_weights(network, COCO_YOLOX)
    with torch.inference_mode():
        raw = network(torch.from_numpy(image)).numpy()
    raw[..., 4:] = 1 / (1 + np.exp(-raw[..., 4:]))  # the export ends in sigmoids
    expected = OnnxModel(COCO_YOLOX).run({"images": image})["output"]
    np.testing.assert_allclose(raw, expected, atol=1e-4)


@pytest.mark.real_data
def test_backbone_alone_takes_the_same_weights_as_the_whole_detector() -> None:
    backbone, detector = YoloxBackbone(), Yolox(80)
    load_onnx_weights(backbone, COCO_YOLOX)
    load_onnx_weights(detector, COCO_YOLOX)
    whole = detector.backbone.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in backbone.state_dict().items())


@pytest.mark.real_data
def test_weights_for_other_classes_are_refused_with_both_shapes_named() -> None:
    with pytest.raises(CheckpointError, match=r"\[80, 64, 1, 1\].*\[2, 64, 1, 1\]"):
        load_onnx_weights(Yolox(2), COCO_YOLOX)


def test_damaged_weights_file_is_a_checkpoint_error(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\xff not a network")
    with pytest.raises(CheckpointError, match=r"damaged\.onnx"):
        load_onnx_weights(YoloxBackbone(), damaged)
    with pytest.raises(CheckpointError, match=r"absent\.onnx"):
        load_onnx_weights(YoloxBackbone(), tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("height", "width", "cells"),
    [
        pytest.param(32, 32, 16 + 4 + 1, id="one cell at stride 32"),
        pytest.param(64, 96, 96 + 24 + 6, id="wider than tall"),
    ],
)
def test_every_level_gives_one_row_per_cell(height: int, width: int, cells: int) -> None:
    with torch.inference_mode():
        raw = Yolox(2)(torch.zeros(1, 3, height, width))
    assert raw.shape == (1, cells, 7)


def test_pyramid_has_the_strides_and_channels_that_it_states() -> None:
    with torch.inference_mode():
        p3, p4, p5 = YoloxBackbone()(torch.zeros(1, 3, 64, 64))
    assert (p3.shape[1:], p4.shape[1:], p5.shape[1:]) == ((64, 8, 8), (128, 4, 4), (256, 2, 2))


def test_loaded_weights_stay_trainable() -> None:
    network = Yolox(2)
    network(torch.rand(1, 3, 32, 32)).square().mean().backward()
    assert all(p.requires_grad and p.grad is not None for p in network.parameters())
