"""A training that goes on from an exported heat-map network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from activity.errors import CheckpointError
from activity.networks.yolox import YoloxBackbone
from activity.pose.heatmap_network import HeatmapNetwork
from activity.training.heatmaps.export import export_heatmap_network
from activity.training.heatmaps.warm_start import load_exported
from activity.training.onnx_export import export_network


def lived_in_network(*, blocks: int, fine_blocks: int) -> HeatmapNetwork:
    """A network whose norms all do something."""
    torch.manual_seed(3)
    network = HeatmapNetwork(blocks=blocks, fine_blocks=fine_blocks)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def some_crops(count: int = 8) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8))


def test_a_deeper_network_answers_as_the_file_that_it_starts_from(tmp_path: Path) -> None:
    network = lived_in_network(blocks=2, fine_blocks=1)
    path = export_heatmap_network(network, tmp_path / "small.onnx", size=(64, 64), padding=1.3)
    deeper = HeatmapNetwork(blocks=3, fine_blocks=2)
    load_exported(deeper, path, crops=some_crops())
    assert deeper.training
    with torch.inference_mode():
        wanted = network(some_crops(3))
        got = deeper.eval()(some_crops(3))
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)


def test_norms_take_the_statistics_of_the_crops_so_that_training_begins_where_the_file_ended(
    tmp_path: Path,
) -> None:
    """In training a norm looks at its batch: on the crops of the start that is the same answer."""
    network = lived_in_network(blocks=1, fine_blocks=1)
    path = export_heatmap_network(network, tmp_path / "small.onnx", size=(64, 64), padding=1.3)
    again = HeatmapNetwork(blocks=1, fine_blocks=1)
    load_exported(again, path, crops=some_crops())
    with torch.no_grad():
        torch.testing.assert_close(again(some_crops()), network(some_crops()), rtol=1e-3, atol=1e-3)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = export_network(
        YoloxBackbone(),
        tmp_path / "backbone.onnx",
        size=(64, 64),
        any_size=False,
        output_names=["p3", "p4", "p5"],
        metadata={},
    )
    with pytest.raises(CheckpointError, match=r"backbone\.onnx: convolution .* has no place in the heat-map"):
        load_exported(HeatmapNetwork(), path, crops=some_crops())


def test_a_network_of_another_width_is_refused(tmp_path: Path) -> None:
    narrow = HeatmapNetwork(width=32, blocks=1, fine_blocks=1)
    path = export_heatmap_network(narrow, tmp_path / "narrow.onnx", size=(64, 64), padding=1.3)
    with pytest.raises(CheckpointError, match=r"narrow\.onnx: convolution .* the network's"):
        load_exported(HeatmapNetwork(), path, crops=some_crops())


@pytest.mark.parametrize("content", [b"", b"no network"])
def test_a_damaged_or_missing_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    if content:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.onnx"):
        load_exported(HeatmapNetwork(), path, crops=some_crops())
