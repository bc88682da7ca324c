"""The numbers are the reference table of `BPTubeFormer and its baseline`: exact where it is exact, else rounded as it is."""

from __future__ import annotations

import copy

import pytest
import torch

from activity.evaluation.complexity import (
    NOTE,
    REFERENCE_MODELS,
    ModelComplexity,
    complexity_report,
    measure_complexity,
)
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormer, BPTubeFormerConfig

EXPECTED = {
    model.name: model
    for model in (
        ModelComplexity("BPT-V2 (2,3,3) T=24", 4_922_733, 4_918_125, 30_503_808, 30_646_656),
        ModelComplexity("BPT-V1 (1,3,3) T=24", 19_102_893, 19_093_677, 117_561_600, 118_215_936),
        ModelComplexity("BPT-V3 (4,3,3) T=24", 1_375_917, 1_373_613, 8_208_576, 8_233_920),
        ModelComplexity("BPT-V4 (5,3,3) T=24", 718_893, 717_357, 3_911_040, 3_917_696),
        ModelComplexity("BPT (8,3,3) T=24", 495_885, 494_733, 2_369_376, 2_370_528),
        ModelComplexity("BPT (2,3,3) T=60", 29_736_237, 29_724_717, 182_427_840, 183_476_160),
        ModelComplexity("BPT-8 (8,2,2)/(8,1,1) T=24", 4_927_213, 4_922_605, 30_557_568, 30_700_416),
        ModelComplexity("ST-Tran T=60", 9_570_669, 9_536_397, 613_532_448, 631_795_616),
        ModelComplexity("ST-Tran T=24", 9_551_085, 9_536_397, 251_110_944, 254_646_944),
        ModelComplexity("T-Tran c=256 T=24", 2_127_885, 2_121_229, 52_871_424, 53_921_024),
    )
}

# parameters, thop MACs, FLOP counter / 2, in millions, as the reference table rounds them
ROUNDED = {
    "BPT-V1 (1,3,3) T=24": (19.10, 117.56, 118.22),
    "BPT-V3 (4,3,3) T=24": (1.376, 8.209, 8.234),
    "BPT-V4 (5,3,3) T=24": (0.719, 3.911, 3.918),
    "BPT (8,3,3) T=24": (0.496, 2.369, 2.371),
    "BPT (2,3,3) T=60": (29.74, 182.4, 183.5),
    "BPT-8 (8,2,2)/(8,1,1) T=24": (4.93, 30.6, None),
    "ST-Tran T=24": (9.551, 251.1, 254.6),
    "T-Tran c=256 T=24": (2.13, 52.9, None),
}


@pytest.fixture(scope="module")
def measured() -> dict[str, ModelComplexity]:
    return {
        name: measure_complexity(name, build_network(config), frames=config.frames)
        for name, config in REFERENCE_MODELS
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_every_row_of_the_reference_table_holds_exactly(
    measured: dict[str, ModelComplexity], name: str
) -> None:
    assert measured[name] == EXPECTED[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_the_exact_counts_round_to_the_published_ones(name: str) -> None:
    model = EXPECTED[name]
    for count, millions in zip(
        (model.parameters, model.thop_macs, model.flop_counter_macs), ROUNDED[name], strict=True
    ):
        if millions is not None:
            digits = len(str(millions).split(".")[1])
            assert round(count / 1e6, digits) == millions


def test_no_row_is_missing() -> None:
    assert [name for name, _ in REFERENCE_MODELS] == list(EXPECTED)


def test_the_papers_twenty_times_compares_different_lengths() -> None:
    bpt, st_60, st_24 = (
        EXPECTED[n].thop_macs for n in ("BPT-V2 (2,3,3) T=24", "ST-Tran T=60", "ST-Tran T=24")
    )
    assert round(1000 * bpt / 1e9, 1) == 30.5
    assert round(1000 * st_60 / 1e9, 1) == 613.5
    assert round(st_60 / bpt) == 20
    assert round(st_24 / bpt, 1) == 8.2
    assert round(st_60 / EXPECTED["BPT (2,3,3) T=60"].thop_macs, 1) == 3.4
    assert "8.2 (T=24) and 3.4 (T=60)" in NOTE


def test_the_report_holds_the_documented_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "activity.evaluation.complexity.measure_reference_models",
        lambda: [EXPECTED["BPT-V2 (2,3,3) T=24"]],
    )
    report = complexity_report()
    assert report["models"] == [
        {
            "name": "BPT-V2 (2,3,3) T=24",
            "parameters": 4_922_733,
            "thop_parameters": 4_918_125,
            "thop_macs": 30_503_808,
            "flop_counter_macs": 30_646_656,
        }
    ]
    assert report["note"] == NOTE


def test_counting_leaves_the_network_as_it_was() -> None:
    network = BPTubeFormer(
        BPTubeFormerConfig(classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), part_depth=1, body_depth=1)
    )
    network.train()
    before = copy.deepcopy(network.state_dict())
    measure_complexity("small", network, frames=24)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
