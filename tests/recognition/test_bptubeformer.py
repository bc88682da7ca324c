from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from activity.errors import ConfigurationError, StructureError
from activity.recognition.bptubeformer import Block, BPTubeFormer, BPTubeFormerConfig, velocities
from activity.recognition.joints import joints_from_grids
from activity.recognition.st_tran import STTran, STTranConfig
from activity.recognition.t_tran import TTran, TTranConfig
from activity.structures import AttentionMap

SMALL = BPTubeFormerConfig(
    classes=3, frames=24, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=2, body_depth=3, heads=2
)


def grids(batch: int, frames: int = 24, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, 5, 2, frames, 3, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("values", "tubelets", "width"),
    [
        ({}, 12, 384),
        ({"kernel": (1, 3, 3), "stride": (1, 3, 3)}, 24, 768),
        ({"kernel": (5, 3, 3), "stride": (5, 3, 3)}, 4, 128),
        ({"frames": 60}, 30, 960),
        # (24 - 8) / 8 + 1 = 3 in time, times (3 - 2) / 1 + 1 = 2 in each of the two grid axes
        ({"kernel": (8, 2, 2), "stride": (8, 1, 1)}, 12, 384),
    ],
)
def test_the_number_of_tubelets_and_the_width_by_hand(
    values: dict[str, Any], tubelets: int, width: int
) -> None:
    config = BPTubeFormerConfig(**values)
    assert (config.tubelets, config.width) == (tubelets, width)


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_one_logit_a_class_for_every_segment(batch: int) -> None:
    assert BPTubeFormer(SMALL).eval()(grids(batch)).shape == (batch, 3)


def test_a_segment_is_judged_the_same_alone_and_among_others() -> None:
    network = BPTubeFormer(SMALL).eval()
    together = network(grids(4))
    alone = torch.cat([network(segment[None]) for segment in grids(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_attention_is_the_attention_of_the_same_logits() -> None:
    network = BPTubeFormer(SMALL).eval()
    logits, attention = network.forward_with_attention(grids(4))
    torch.testing.assert_close(logits, network(grids(4)), atol=1e-5, rtol=1e-5)
    assert attention.body_parts.shape == (4, 3, 2, 6, 6)
    assert attention.tubelets.shape == (4, 5, 2, 2, 3, 3)
    AttentionMap(
        attention.body_parts[0].detach().numpy(), attention.tubelets[0].detach().numpy()
    )  # rows sum to 1


def test_each_part_is_seen_by_its_own_embedder_only() -> None:
    network = BPTubeFormer(SMALL).eval()
    _, before = network.forward_with_attention(grids(1))
    changed = grids(1)
    changed[:, 2] += torch.linspace(0, 5, 24)[None, None, :, None, None]  # the wrists move
    _, after = network.forward_with_attention(changed)
    same = [bool(torch.equal(before.tubelets[0, part], after.tubelets[0, part])) for part in range(5)]
    assert same == [True, True, False, True, True]


def test_the_five_parts_share_one_norm_after_their_encoders() -> None:
    norms = [name for name, module in BPTubeFormer(SMALL).named_modules() if isinstance(module, nn.LayerNorm)]
    assert sum(name == "part_norm" for name in norms) == 1
    assert len(norms) == 2 * (5 * 2 + 3) + 2  # two in each block, the shared one, the last one


def test_every_norm_has_the_papers_epsilon() -> None:
    assert {m.eps for m in BPTubeFormer(SMALL).modules() if isinstance(m, nn.LayerNorm)} == {1e-6}


def test_every_parameter_of_two_or_more_dimensions_is_drawn_from_xaviers_uniform() -> None:
    network = BPTubeFormer(BPTubeFormerConfig())
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2:
            continue
        receptive = int(np.prod(parameter.shape[2:]))
        bound = (6 / (receptive * (parameter.shape[0] + parameter.shape[1]))) ** 0.5
        assert float(parameter.detach().abs().max()) <= bound, name
        assert float(parameter.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.15), name


def test_dropout_acts_on_both_branches_of_a_block_and_not_in_attention() -> None:
    torch.manual_seed(0)
    block = Block(16, heads=4, mlp_ratio=2, dropout=0.999999)
    x = torch.randn(2, 5, 16)
    assert torch.equal(block.train()(x), x)  # both branches dropped: the input alone is left
    assert not torch.equal(block.eval()(x), x)
    assert sum(isinstance(module, nn.Dropout) for module in block.modules()) == 1


def test_velocity_is_the_step_from_the_frame_before_and_0_where_a_position_is_missing() -> None:
    x = torch.zeros(1, 5, 2, 4, 3, 3)
    x[0, 0, 0, :, 0, 0] = torch.tensor([1.0, 3.0, 0.0, 7.0])  # frame 2 is missing
    steps = velocities(x)
    assert steps[0, 0, 0, :, 0, 0].tolist() == [0, 2, 0, 0]
    assert int((steps != 0).sum()) == 1


def test_a_network_with_velocities_reads_four_channels() -> None:
    network = BPTubeFormer(
        BPTubeFormerConfig(
            classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), part_depth=1, body_depth=1, velocity=True
        )
    )
    assert {tuple(network.state_dict()[f"embedders.{part}.weight"].shape) for part in range(5)} == {
        (32, 4, 8, 3, 3)
    }
    assert network(grids(2)).shape == (2, 2)


@pytest.mark.parametrize(
    "shape", [(1, 5, 2, 23, 3, 3), (1, 4, 2, 24, 3, 3), (5, 2, 24, 3, 3), (1, 5, 3, 24, 3, 3)]
)
def test_grids_of_another_shape_are_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    networks = (
        BPTubeFormer(SMALL),
        STTran(STTranConfig(frames=24, channels=8, spatial_depth=1, temporal_depth=1)),
        TTran(TTranConfig(width=16, depth=1)),
    )
    for network in networks:
        with pytest.raises(StructureError, match=r"expected shape \[any, 5, 2, 24, 3, 3\], got"):
            network(torch.zeros(shape))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": 0}, "network.classes: expected 1 or more"),
        ({"kernel": (25, 3, 3)}, "network.kernel: expected at most"),
        ({"kernel": (2, 4, 3)}, "network.kernel: expected at most"),
        ({"stride": (0, 3, 3)}, "network.stride: expected three whole numbers from 1"),
        ({"kernel": (2, 3)}, "network.kernel: expected three whole numbers"),
        ({"heads": 5}, "network.heads: 5 does not divide"),
        ({"dropout": 1.0}, "network.dropout"),
        ({"velocity_gain": 0.0}, "network.velocity_gain: expected more than 0"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        BPTubeFormerConfig(**values)


def test_joints_are_read_back_from_their_own_cells() -> None:
    # cell values: 100 part + 10 row + column
    part, row, column = torch.meshgrid(torch.arange(5), torch.arange(3), torch.arange(3), indexing="ij")
    cells = (100 * part + 10 * row + column).float()
    joints = joints_from_grids(cells[None, :, None, None].expand(1, 5, 2, 1, 3, 3))
    torso = [0, 1, 2, 10, 11, 12, 20]
    assert joints[0, 0, :, 0].tolist() == [*torso, 111, 112, 211, 212, 21, 22, 311, 312, 411, 412]


def test_the_baselines_give_one_logit_a_class() -> None:
    st_tran = STTran(STTranConfig(classes=4, frames=24, channels=8, spatial_depth=1, temporal_depth=1)).eval()
    t_tran = TTran(TTranConfig(classes=4, width=16, depth=1)).eval()
    assert st_tran(grids(3)).shape == t_tran(grids(3)).shape == (3, 4)


def test_the_baselines_do_not_see_the_padding() -> None:
    network = TTran(TTranConfig(classes=4, width=16, depth=1)).eval()
    padded = grids(2)
    padded[:, 1:, :, :, 0] = 77
    padded[:, 1:, :, :, :, 0] = 77
    torch.testing.assert_close(network(padded), network(grids(2)))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (STTranConfig, {"channels": 30}),
        (STTranConfig, {"frames": 0}),
        (TTranConfig, {"width": 30}),
        (TTranConfig, {"dropout": -0.1}),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(kind: type, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="network"):
        kind(**values)
