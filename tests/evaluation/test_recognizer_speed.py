"""The benchmark of recognisers: what it counts, on networks small enough to take no time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from torch import nn

from activity.cli.benchmark import recognizer
from activity.errors import ConfigurationError
from activity.evaluation.complexity import count_macs
from activity.evaluation.speed import (
    BASELINE,
    EQUAL_LENGTH_BASELINE,
    OURS,
    Form,
    benchmark_recognizer,
    forms_of,
    measure_turns,
    saved_macs,
)
from activity.recognition.bptubeformer import BPTubeFormer, BPTubeFormerConfig
from activity.recognition.st_tran import STTranConfig

TINY = BPTubeFormerConfig(
    classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, heads=2, part_depth=1, body_depth=1
)
TINY_BASELINES = (
    (BASELINE, STTranConfig(frames=60, channels=8, spatial_depth=1, temporal_depth=1)),
    (EQUAL_LENGTH_BASELINE, STTranConfig(frames=24, channels=8, spatial_depth=1, temporal_depth=1)),
)


def test_what_the_class_token_alone_saves_by_hand() -> None:
    # D = 3 tubelets x 8 = 24, 6 tokens, 2 heads, ratio 2. Whole block: 6 x (4 + 2 x 2) x 24^2 + 2 x 6^2 x 24 = 29,376;
    # class token alone: (4 + 4) x 24^2 + 2 x 6 x 24 x 2 = 5,184
    network = BPTubeFormer(TINY)
    assert saved_macs(network) == 29_376 - 5_184
    assert saved_macs(network) < count_macs(network, frames=24)


def test_a_network_without_a_fused_form_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Linear"):
        saved_macs(nn.Linear(2, 2))


def test_forms_take_turns_and_each_answers_the_whole_batch() -> None:
    calls: list[tuple[str, int]] = []

    def form(name: str) -> Form:
        return Form(name, "eager", 24, 1, lambda grids: calls.append((name, len(grids))))

    forms = [form("a"), form("b")]
    results = measure_turns(forms, batch=5, turns=2, least_s=0)
    assert calls == [(name, 5) for name in "ab" * 3]  # once to prepare, then two rounds
    assert [len(result.wall_s) for result in results] == [2, 2]


def test_eager_and_fused_forms_give_the_same_answers() -> None:
    eager, fused = forms_of("tiny", TINY, threads=1)
    grids = np.random.default_rng(0).normal(size=(3, 5, 2, 24, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(eager.run(grids)), fused.run(grids), atol=1e-5)
    assert fused.macs < eager.macs


def test_ratios_are_those_of_the_listed_speeds() -> None:
    figures = benchmark_recognizer(threads=1, turns=2, models=((OURS, TINY), *TINY_BASELINES))
    assert figures["threads"] == 1
    assert figures["peak_gflops"] > 1
    forms = [(entry["name"], entry["form"]) for entry in figures["models"]]
    assert forms[:3] == [(OURS, "eager"), (OURS, "fused"), (OURS, "fused, spinning")]
    for batch in ("1", "64"):
        speeds = {form: entry["batches"][batch] for form, entry in zip(forms, figures["models"], strict=True)}
        ratios = figures["ratios"][batch]
        ours = speeds[OURS, ratios["best_form"]]["segments_per_s"]
        assert ours == max(
            speeds[OURS, form]["segments_per_s"] for form in ("eager", "fused", "fused, spinning")
        )
        baseline = speeds[BASELINE, "eager"]["segments_per_s"]
        assert ratios["st_tran_t60"]["ratio"] == pytest.approx(ours / baseline, rel=0.02)
        assert ratios["st_tran_t60"]["cpu_ratio"] == pytest.approx(
            max(speeds[OURS, form]["segments_per_cpu_s"] for form in ("eager", "fused", "fused, spinning"))
            / speeds[BASELINE, "eager"]["segments_per_cpu_s"],
            rel=0.02,
        )
        assert all(0 < entry["cpu_share_of_peak"] < 1 for entry in speeds.values())


FIGURES = {
    "models": [
        {
            "name": OURS,
            "form": "fused",
            "macs": 1,
            "batches": {batch: {"segments_per_s": 1326.0, "share_of_peak": 0.25} for batch in ("1", "64")},
        }
    ],
    "ratios": {
        batch: {
            "best_form": "fused",
            "cpu_best_form": "fused",
            "st_tran_t60": {"ratio": 26.0, "cpu_ratio": 26.0},
            "st_tran_t24": {"ratio": 9.0, "cpu_ratio": 9.0},
        }
        for batch in ("1", "64")
    },
    "peak_gflops": 191.0,
    "threads": 2,
    "turns": 7,
    "note": "a note",
}


def test_the_command_prints_one_object_or_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("activity.evaluation.speed.benchmark_recognizer", lambda **_options: FIGURES)
    recognizer(as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert {key: printed[key] for key in FIGURES} == FIGURES
    assert printed["machine"]["versions"]["torch"].startswith("2.")
    recognizer()
    text = " ".join(capsys.readouterr().out.split())
    assert "26.0 times as many segments as ST-Tran T=60" in text
