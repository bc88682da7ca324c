from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from activity.errors import CheckpointError, OutputError
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import METADATA_KEY, load_checkpoint, save_checkpoint
from activity.recognition.st_tran import STTranConfig
from activity.recognition.t_tran import TTranConfig

SMALL = BPTubeFormerConfig(
    classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
)
TUBELETS = {"frames": 24, "stride": 6, "frame_rate_hz": 12.0}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save(path, SMALL)
    return path


def save(
    path: Path, config: NetworkConfig, classes: tuple[str, ...] = ("Fighting", "Normal")
) -> torch.nn.Module:
    torch.manual_seed(1)
    network = build_network(config)
    save_checkpoint(path, network, config, classes=classes, tubelet_settings=TUBELETS, training={"seed": 1})
    return network


def rewrite(path: Path, changes: dict[str, Any], tensors: dict[str, torch.Tensor] | None = None) -> None:
    """Write `path` again with parts of its header or weights replaced."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header.update(changes)
    header = {key: value for key, value in header.items() if value is not None}
    weights.update(tensors or {})
    save_file(weights, path, metadata={METADATA_KEY: json.dumps(header)})


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        STTranConfig(classes=2, frames=24, channels=8, spatial_depth=1, temporal_depth=1),
        TTranConfig(classes=2, width=16, depth=1),
    ],
    ids=["bptubeformer", "st_tran", "t_tran"],
)
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, config: NetworkConfig) -> None:
    path = tmp_path / "new" / "folder" / "model.safetensors"
    network = save(path, config)
    loaded = load_checkpoint(path)
    assert loaded.config == config
    assert loaded.classes == ("Fighting", "Normal")
    assert loaded.tubelet_settings == TUBELETS
    assert loaded.training == {"seed": 1}
    assert len(loaded.sha256) == 64
    assert not loaded.network.training
    segment = torch.randn(2, 5, 2, 24, 3, 3)
    assert torch.equal(loaded.network(segment), network.eval()(segment))
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\.safetensors: no such file"):
        load_checkpoint(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_damaged(checkpoint: Path, share: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        CheckpointError, match=r"small\.safetensors: expected a whole safetensors file, got \d+ bytes"
    ):
        load_checkpoint(checkpoint)


def test_a_file_of_another_kind_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(b"PK\x03\x04" + b"\x00" * 1000)
    with pytest.raises(CheckpointError, match="damaged or of another kind"):
        load_checkpoint(checkpoint)


def test_a_safetensors_file_of_something_else_is_no_recogniser(tmp_path: Path) -> None:
    path = tmp_path / "pose.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"without the header 'activity.recognizer' \(it has \['format'\]\)"
    ):
        load_checkpoint(path)


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_header_that_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={METADATA_KEY: content})
    with pytest.raises(CheckpointError, match="is no JSON"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format 2, this version reads 1; train it again"),
        ({"classes": None}, "the header's 'classes' should be a list, got None"),
        (
            {"classes": ["A", "B", "C"]},
            r"3 class names \(A, B, C\), the network has 2 outputs; use the configuration",
        ),
        ({"classes": ["A", "A"]}, "expected distinct class names"),
        (
            {"architecture": "resnet"},
            "expected one of bptubeformer, pair_bptubeformer, st_tran, t_tran, got 'resnet'",
        ),
        ({"network": {"depth": 3}}, "bptubeformer has no depth"),
        ({"network": {"classes": 2, "heads": 5}}, "network.heads: 5 does not divide"),
        ({"network": {"classes": "two"}}, "a value has the wrong type"),
        (
            {"skeleton": ["head", "neck"]},
            r"trained on joints \['head', 'neck'\], this package reads the COCO-17",
        ),
        ({"tubelets": {"frames": 60}}, "its tubelets have 60 frames, its network reads 24"),
        ({"network": {"classes": 2}}, "the weights do not fit the stored configuration: .* missing"),
    ],
)
def test_parts_that_contradict_each_other_are_named(
    checkpoint: Path, changes: dict[str, Any], message: str
) -> None:
    rewrite(checkpoint, changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(checkpoint)
    assert str(checkpoint) in str(caught.value)


def test_a_weight_of_the_wrong_shape_is_named_with_both_shapes(checkpoint: Path) -> None:
    rewrite(checkpoint, {}, {"head.weight": torch.zeros(13, 24)})
    with pytest.raises(CheckpointError, match=r"head\.weight has shape \[13, 24\], .* makes it \[2, 24\]"):
        load_checkpoint(checkpoint)


def test_nan_weights_are_refused(checkpoint: Path) -> None:
    rewrite(checkpoint, {}, {"head.bias": torch.tensor([0.0, float("nan")])})
    with pytest.raises(CheckpointError, match=r"head\.bias holds NaN or infinity"):
        load_checkpoint(checkpoint)


def test_an_unknown_weight_is_refused(checkpoint: Path) -> None:
    rewrite(checkpoint, {}, {"extra": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"0 missing \[\], 1 unknown \['extra'\]"):
        load_checkpoint(checkpoint)


def test_class_names_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(CheckpointError, match="3 class names"):
        save(path, SMALL, classes=("A", "B", "C"))
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="the checkpoint cannot be written"):
        save(tmp_path / "file" / "model.safetensors", SMALL)
