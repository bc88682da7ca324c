"""The fused form on ONNX Runtime says what the network says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from activity.errors import ConfigurationError, OutputError
from activity.networks.onnx import OnnxModel
from activity.networks.onnx_graph import to_int8
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import RecognizerCheckpoint
from activity.recognition.export import export_onnx
from activity.recognition.fused import INPUT, OUTPUT, fused_onnx, is_fusible
from activity.recognition.recognizer import Recognizer
from activity.recognition.st_tran import STTranConfig
from activity.recognition.t_tran import TTranConfig
from activity.structures import Tubelet

SMALL: dict[str, Any] = {"classes": 3, "channels": 8, "heads": 2, "part_depth": 2, "body_depth": 2}
CONFIGS: dict[str, NetworkConfig] = {
    "the paper's BPT-V2": BPTubeFormerConfig(),
    "one frame a tubelet": BPTubeFormerConfig(kernel=(1, 3, 3), stride=(1, 3, 3), **SMALL),
    "frames left over at the end": BPTubeFormerConfig(kernel=(5, 3, 3), stride=(5, 3, 3), **SMALL),
    "overlapping tubelets": BPTubeFormerConfig(kernel=(8, 2, 2), stride=(4, 1, 1), **SMALL),
    "velocities": BPTubeFormerConfig(
        kernel=(4, 3, 3), stride=(4, 3, 3), velocity=True, velocity_gain=12.0, **SMALL
    ),
    "one block a stage": BPTubeFormerConfig(
        kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, heads=2, part_depth=1, body_depth=1
    ),
    "ST-Tran": STTranConfig(frames=24, channels=8, spatial_depth=2, temporal_depth=2),
    "T-Tran": TTranConfig(width=32, depth=2),
}


def trained(config: NetworkConfig) -> nn.Module:
    """A network none of whose biases, scales and shifts is at its first value."""
    network = build_network(config).eval()
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return network


def grids(batch: int) -> torch.Tensor:
    values = torch.randn(batch, 5, 2, 24, 3, 3)
    values[:, 2, :, 5:8, 1, 1] = 0  # a joint is missing for three frames
    return values


def recognizer(config: NetworkConfig, **options: Any) -> Recognizer:
    checkpoint = RecognizerCheckpoint(
        Path("memory.safetensors"), "0" * 64, trained(config), config, ("a", "b", "c"), {}, {}
    )
    return Recognizer(checkpoint, **options)


def tubelets(count: int) -> list[Tubelet]:
    return [Tubelet(1, 0.0, 2.0, values.numpy(), 1.0) for values in grids(count)]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_fused_logits_equal_eager_ones_within_1e_5(config: NetworkConfig) -> None:
    network = trained(config)
    fused = OnnxModel("fused", content=fused_onnx(network))
    for batch in (1, 7):
        with torch.inference_mode():
            values = grids(batch)
            eager = network(values).numpy()
        assert np.abs(eager).max() > 0.5  # else any two small numbers would be near
        np.testing.assert_allclose(fused.run({INPUT: values.numpy()})[OUTPUT], eager, atol=1e-5, rtol=1e-5)


def test_without_attention_the_network_itself_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = recognizer(CONFIGS["velocities"])
    with_maps = subject.recognize(tubelets(3), attention=True)

    def forward(_grids: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the eager network ran")

    monkeypatch.setattr(subject._checkpoint.network, "forward", forward)
    for _ in range(2):  # the second call finds the fused form ready
        torch.manual_seed(0)
        subject.recognize(tubelets(3))
    eager = recognizer(CONFIGS["velocities"], engine="eager")
    monkeypatch.setattr(eager._checkpoint.network, "forward", forward)
    with pytest.raises(AssertionError, match="eager network ran"):
        eager.recognize(tubelets(1))
    assert all(score.attention is not None for score in with_maps)


def test_probabilities_are_the_same_with_and_without_attention_and_in_any_batch() -> None:
    subject, segments = recognizer(CONFIGS["velocities"]), tubelets(70)  # two batches
    with_maps = subject.recognize(segments, attention=True)
    without = subject.recognize(segments)
    for one, other in zip(with_maps, without, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    np.testing.assert_allclose(
        subject.recognize(segments[:1])[0].probabilities, without[0].probabilities, atol=1e-5
    )


def test_int8_is_smaller_and_near_but_not_equal() -> None:
    content = fused_onnx(trained(CONFIGS["the paper's BPT-V2"]))
    small = to_int8(content)
    assert len(small) < 0.4 * len(content)
    values = {INPUT: grids(8).numpy()}
    exact, near = (OnnxModel("x", content=c).run(values)[OUTPUT] for c in (content, small))
    assert np.corrcoef(exact.ravel(), near.ravel())[0, 1] > 0.9
    assert not np.allclose(exact, near, atol=1e-4)


def test_a_network_without_a_fused_form_is_named() -> None:
    assert not is_fusible(nn.Linear(2, 2))
    with pytest.raises(ConfigurationError, match="Linear: expected BPTubeFormer, STTran or TTran"):
        fused_onnx(nn.Linear(2, 2))


@pytest.mark.parametrize("int8", [False, True])
def test_an_exported_file_answers_and_says_how_to_use_it(tmp_path: Path, int8: bool) -> None:
    config = CONFIGS["velocities"]
    checkpoint = RecognizerCheckpoint(
        Path("a"), "f" * 64, trained(config), config, ("a", "b", "c"), {"frames": 24}, {}
    )
    path = tmp_path / "made" / "recognizer.onnx"
    assert export_onnx(checkpoint, path, int8=int8) == path.stat().st_size
    model = OnnxModel(path)
    header = json.loads(model.metadata["activity.recognizer"])
    assert header["classes"] == ["a", "b", "c"]
    assert header["tubelets"] == {"frames": 24}
    assert header["source_sha256"] == "f" * 64
    assert header["int8"] is int8
    assert model.input_shapes == {INPUT: (None, 5, 2, 24, 3, 3)}
    assert model.run({INPUT: grids(2).numpy()})[OUTPUT].shape == (2, 3)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    config = CONFIGS["one block a stage"]
    checkpoint = RecognizerCheckpoint(
        Path("a"), "f" * 64, trained(config), config, tuple(str(row) for row in range(13)), {}, {}
    )
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="the network cannot be written"):
        export_onnx(checkpoint, tmp_path / "file" / "recognizer.onnx")
