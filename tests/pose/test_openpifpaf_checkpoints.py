"""Checkpoints of OpenPifPaf networks: ours, official ones, and all that can be wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import load_file, save_file

from activity.errors import CheckpointError, ConfigurationError
from activity.pose.openpifpaf_network import (
    NetworkDescription,
    base_network_names,
    build_network,
    load_checkpoint,
    save_checkpoint,
)
from activity.pose.openpifpaf_runtime import DecoderSettings, openpifpaf

DESCRIPTION = NetworkDescription(
    "shufflenetv2k_small",
    upsample_stride=2,
    long_edge_px=257,
    least_sigma=0.05,
    decoder=DecoderSettings(seed_threshold=0.4),
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "ours.safetensors"
    save_checkpoint(path, build_network(DESCRIPTION), DESCRIPTION, notes={"license": "AGPL-3.0-or-later"})
    return path


def rewrite(
    path: Path, *, header: dict[str, str] | None = None, tensors: dict[str, torch.Tensor] | None = None
) -> None:
    save_file(load_file(str(path)) if tensors is None else tensors, str(path), metadata=header or {})


def good_header() -> dict[str, str]:
    fields = {"base_network": "shufflenetv2k_small", "upsample_stride": 2, "decoder": {}}
    return {"format": "activity-openpifpaf-1", "network": json.dumps(fields)}


def test_a_written_checkpoint_loads_as_the_same_network_and_description(tmp_path: Path) -> None:
    network = build_network(DESCRIPTION).eval()
    path = tmp_path / "new" / "folder.safetensors"
    save_checkpoint(path, network, DESCRIPTION, notes={})
    loaded, description = load_checkpoint(path)
    assert description == DESCRIPTION
    image = torch.rand(1, 3, 65, 97)
    with torch.no_grad():
        for ours, theirs in zip(network(image), loaded(image), strict=True):
            torch.testing.assert_close(ours, theirs)
    assert [meta.stride for meta in loaded.head_metas] == [8, 8]
    assert loaded.head_metas[0].sigmas[0] == 0.05  # the nose: COCO's 0.026 is below the least
    assert loaded.head_metas[0].sigmas[11] == 0.107  # a hip keeps COCO's


@pytest.mark.parametrize("name", ["mobilenetv3small", "shufflenetv2k_small", "yolox_nano"])
def test_base_networks_give_one_cell_per_stride(name: str) -> None:
    network = build_network(NetworkDescription(name)).eval()
    stride = network.base_net.stride
    with torch.no_grad():
        cif, caf = network(torch.rand(1, 3, 81, 113))
    rows, columns = 80 // stride + 1, 112 // stride + 1
    assert tuple(cif.shape) == (1, 17, 5, rows, columns)
    assert tuple(caf.shape) == (1, 19, 8, rows, columns)


def test_an_unknown_base_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="mobilenetv3small"):
        build_network(NetworkDescription("resnet9000"))
    assert "yolox_nano" in base_network_names()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors: no such file.*shufflenetv2k16"):
        load_checkpoint(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_a_damaged_file_is_named(keep: int, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"ours\.safetensors: not a readable safetensors file"):
        load_checkpoint(checkpoint)


def test_a_file_of_another_kind_is_named(checkpoint: Path) -> None:
    rewrite(checkpoint, header={"format": "something-else"})
    with pytest.raises(
        CheckpointError, match="format activity-openpifpaf-1, the header says 'something-else'"
    ):
        load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "network",
    [
        None,
        "not json",
        '{"decoder": {}}',
        '{"base_network": "resnet9000", "decoder": {}}',
        '{"base_network": "shufflenetv2k_small", "decoder": {"seed_threshold": 7}}',
        '{"base_network": "shufflenetv2k_small", "decoder": {}, "surprise": 1}',
    ],
)
def test_a_header_that_describes_no_network_is_named(network: str | None, checkpoint: Path) -> None:
    header = good_header()
    if network is None:
        del header["network"]
    else:
        header["network"] = network
    rewrite(checkpoint, header=header)
    with pytest.raises(CheckpointError, match="does not describe a network"):
        load_checkpoint(checkpoint)


def test_weights_of_another_shape_are_named(checkpoint: Path) -> None:
    tensors = load_file(str(checkpoint))
    tensors["head_nets.0.conv.bias"] = torch.zeros(3)
    rewrite(checkpoint, header=good_header(), tensors=tensors)
    with pytest.raises(CheckpointError, match=r"do not fit.*head_nets\.0\.conv\.bias"):
        load_checkpoint(checkpoint)


def test_missing_weights_are_named(checkpoint: Path) -> None:
    tensors = load_file(str(checkpoint))
    del tensors["head_nets.1.conv.weight"]
    rewrite(checkpoint, header=good_header(), tensors=tensors)
    with pytest.raises(CheckpointError, match=r"do not fit.*head_nets\.1\.conv\.weight"):
        load_checkpoint(checkpoint)


def test_weights_that_are_not_numbers_are_named(checkpoint: Path) -> None:
    tensors = load_file(str(checkpoint))
    tensors["head_nets.1.conv.weight"][0] = float("nan")
    rewrite(checkpoint, header=good_header(), tensors=tensors)
    with pytest.raises(CheckpointError, match="NaN or infinity"):
        load_checkpoint(checkpoint)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "stranger.pkl"
    torch.save({"model": 1}, path)
    with pytest.raises(CheckpointError, match="run code when loaded"):
        load_checkpoint(path)


class Unreachable:
    """A network without a way out: every download fails as it does on a machine that is offline."""

    def __call__(self, *_arguments: object, **_named: object) -> None:
        raise URLError("name resolution failed")


def test_an_official_name_without_a_network_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", Unreachable())
    with pytest.raises(CheckpointError, match="shufflenetv2k16: OpenPifPaf could not download") as caught:
        load_checkpoint("shufflenetv2k16")
    assert str(tmp_path / "hub" / "checkpoints") in str(caught.value)


def official_file(folder: Path, name: str) -> Path:
    path = folder / "hub" / "checkpoints" / Path(openpifpaf.CHECKPOINT_URLS[name]).name
    path.parent.mkdir(parents=True)
    return path


def test_an_official_checkpoint_that_was_fetched_before_loads_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", Unreachable())
    # the layout of OpenPifPaf's files: the whole network, pickled, under "model"
    torch.save(
        {"model": build_network(NetworkDescription("shufflenetv2k16")), "epoch": 250},
        official_file(tmp_path, "shufflenetv2k16"),
    )
    network, description = load_checkpoint("shufflenetv2k16")
    assert description == NetworkDescription("shufflenetv2k16", long_edge_px=641)
    assert not network.training


def test_an_official_checkpoint_that_is_damaged_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = official_file(tmp_path, "shufflenetv2k16")
    path.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="delete it to download it again"):
        load_checkpoint("shufflenetv2k16")
