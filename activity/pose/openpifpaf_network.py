"""OpenPifPaf field networks and their checkpoints.

A network gives two composite fields for an image: where joints are (CIF, [17, 5, h, w]: log-width,
confidence, x, y, scale) and how they connect (CAF, [19, 8, h, w]: log-width, confidence, x and y of both
ends, both scales). Kreiss, Bertoni, Alahi, "OpenPifPaf" (2021), section III.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from activity.errors import CheckpointError, ConfigurationError
from activity.networks.yolox import PYRAMID_CHANNELS, YoloxBackbone
from activity.pose.openpifpaf_runtime import DecoderSettings, openpifpaf, without_pretrained_backbones

CHECKPOINT_FORMAT: Final = "activity-openpifpaf-1"
OFFICIAL_LONG_EDGE_PX: Final = 641
"""Longer side at which OpenPifPaf's authors evaluate their checkpoints on COCO."""
IMAGE_MEAN: Final = (0.485, 0.456, 0.406)
IMAGE_STD: Final = (0.229, 0.224, 0.225)
"""ImageNet's red, green and blue statistics, as OpenPifPaf normalises its input."""


def _shufflenetv2k_small() -> nn.Module:
    """A ShuffleNetV2K of 0.68 M parameters, for checkpoints that must stay small and run on a CPU."""
    base: nn.Module = openpifpaf.network.basenetworks.ShuffleNetV2K(
        "shufflenetv2k_small", [3, 6, 3], [24, 96, 192, 384, 384]
    )
    return base


class YoloxBase(nn.Module):
    """YOLOX-nano's feature pyramid, fused at stride 8, in the shape of an OpenPifPaf base network.

    About 1 M parameters with its heads. Starts from random weights; a trainer may fill `backbone` with
    published ones.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.name = "yolox_nano"
        self.stride = 8
        self.out_features = 128
        self.backbone = YoloxBackbone()
        self.fuse = nn.ModuleList(nn.Conv2d(channels, 128, 1, bias=False) for channels in PYRAMID_CHANNELS)
        self.refine = nn.Sequential(_normalized(128), _depthwise_5x5(128))
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [B, 3, 8 h - 7, 8 w - 7], RGB with ImageNet's statistics, to features [B, 128, h, w]."""
        height, width = images.shape[2:]
        pixels = (images * self.std + self.mean).flip(1) * 255  # what YOLOX expects: BGR, 0 to 255
        pixels = functional.pad(pixels, (0, -width % 32, 0, -height % 32), mode="replicate")
        levels = [fuse(level) for fuse, level in zip(self.fuse, self.backbone(pixels), strict=True)]
        size = levels[0].shape[2:]
        fused = levels[0] + sum(
            functional.interpolate(level, size=size, mode="nearest") for level in levels[1:]
        )
        features: torch.Tensor = self.refine(fused)
        return features[:, :, : (height - 1) // 8 + 1, : (width - 1) // 8 + 1]


def _normalized(channels: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.SiLU())


def _depthwise_5x5(channels: int) -> nn.Module:
    """Look at 5x5 cells of each channel, then mix the channels of each cell."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
        _normalized(channels),
        nn.Conv2d(channels, channels, 1, bias=False),
        _normalized(channels),
    )


_OWN_BASES: Final[dict[str, Callable[[], nn.Module]]] = {
    "shufflenetv2k_small": _shufflenetv2k_small,
    "yolox_nano": YoloxBase,
}


@dataclass(frozen=True, slots=True)
class NetworkDescription:
    """All that is needed to build a network and to use it as it was trained.

    Attributes:
        base_network: A name of `base_network_names`.
        upsample_stride: How many field cells each base network cell is split into along an axis.
        long_edge_px: Longer side to which images are scaled before the network.
        decoder: Decoder settings that were chosen with the checkpoint.
        least_sigma: Least width of a joint in the targets, as a share of the person's size; COCO's where wider.
    """

    base_network: str
    upsample_stride: int = 1
    long_edge_px: int = OFFICIAL_LONG_EDGE_PX
    least_sigma: float = 0.0
    decoder: DecoderSettings = field(default_factory=DecoderSettings)


def base_network_names() -> tuple[str, ...]:
    """The base networks that can be built: OpenPifPaf's and ours."""
    single_image = (name for name in openpifpaf.BASE_FACTORIES if not name.startswith("t"))
    return tuple(sorted({*single_image, *_OWN_BASES}))


def coco_head_metas(*, upsample_stride: int = 1, least_sigma: float = 0.0) -> list[Any]:
    """OpenPifPaf's descriptions of the CIF and the CAF head for the 17 COCO joints."""
    metas: list[Any] = openpifpaf.plugins.coco.CocoKp().head_metas[:2]
    for meta in metas:
        meta.upsample_stride = upsample_stride
        meta.sigmas = [max(least_sigma, sigma) for sigma in meta.sigmas]
    return metas


def build_network(description: NetworkDescription) -> Any:
    """Build an OpenPifPaf network with random weights, without a download, in training mode.

    Raises:
        ConfigurationError: If the base network is unknown.
    """
    if description.base_network not in base_network_names():
        raise ConfigurationError(
            f"base network {description.base_network!r} is unknown; choose one of {', '.join(base_network_names())}"
        )
    with without_pretrained_backbones():
        factories = {**openpifpaf.BASE_FACTORIES, **_OWN_BASES}
        base = factories[description.base_network]()
    metas = coco_head_metas(upsample_stride=description.upsample_stride, least_sigma=description.least_sigma)
    heads = [openpifpaf.HEADS[type(meta)](meta, base.out_features) for meta in metas]
    network = openpifpaf.network.nets.Shell(base, heads)
    openpifpaf.network.nets.model_defaults(network)
    return network.train()


def save_checkpoint(
    path: Path, network: nn.Module, description: NetworkDescription, *, notes: dict[str, str]
) -> None:
    """Write weights and description to a safetensors file.

    Args:
        path: The file to write; its folder is made.
        network: What `build_network` made of `description`.
        description: Goes into the file's header.
        notes: More for the header, such as ``license``, ``trained_on`` and ``steps``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {**notes, "format": CHECKPOINT_FORMAT, "network": json.dumps(asdict(description))}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, str(path), metadata=header)


def load_checkpoint(checkpoint: Path | str) -> tuple[Any, NetworkDescription]:
    """Load a network for inference.

    Args:
        checkpoint: A ``.safetensors`` file of ours, or the name of an official checkpoint such as
            ``shufflenetv2k16``, which OpenPifPaf downloads once. Official checkpoints are pickles: they run
            code when loaded, so none is opened that OpenPifPaf does not list.

    Returns:
        The network in evaluation mode, and what is known of it.

    Raises:
        CheckpointError: If the file is missing, damaged, of another format or shape, or the name is
            unknown, or its download failed.
    """
    if isinstance(checkpoint, str) and checkpoint in _official_addresses():
        return _load_official(checkpoint)
    path = Path(checkpoint)
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint}: no such file, and no official OpenPifPaf checkpoint; "
            f"the official ones are {', '.join(_official_addresses())}"
        )
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path}: expected a .safetensors file; pickled OpenPifPaf checkpoints run code when loaded "
            "and are only opened by their official name"
        )
    return _load_own(path)


def _load_own(path: Path) -> tuple[Any, NetworkDescription]:
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a readable safetensors file ({error}); fetch or train it again"
        ) from error
    if header.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{path}: expected an OpenPifPaf checkpoint of format {CHECKPOINT_FORMAT}, "
            f"the header says {header.get('format')!r}"
        )
    try:
        fields = json.loads(header["network"])
        description = NetworkDescription(**{**fields, "decoder": DecoderSettings(**fields["decoder"])})
        network = build_network(description)
    except (KeyError, TypeError, ValueError, ConfigurationError) as error:
        raise CheckpointError(f"{path}: the header does not describe a network ({error})") from error
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path}: the weights do not fit a {description.base_network} network as the header describes it: "
            f"{reason[:400]}"
        ) from error
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise CheckpointError(
            f"{path}: {broken[0]} holds NaN or infinity; train it again or fetch a good copy"
        )
    return network.eval(), description


def _official_addresses() -> dict[str, str]:
    """Where OpenPifPaf fetches its single-image COCO checkpoints from, by name."""
    unavailable = openpifpaf.PRETRAINED_UNAVAILABLE
    return {
        name: address
        for name, address in openpifpaf.CHECKPOINT_URLS.items()
        if address is not unavailable and name in openpifpaf.BASE_FACTORIES and not name.startswith("t")
    }


def _load_official(name: str) -> tuple[Any, NetworkDescription]:
    address = _official_addresses()[name]
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    cached = folder / Path(address).name
    try:
        network, _ = openpifpaf.network.Factory(
            checkpoint=name, base_name=None, download_progress=False
        ).factory()
    except (URLError, OSError) as error:
        raise CheckpointError(
            f"{name}: OpenPifPaf could not download {address} ({error}); fetch that file on a machine with a "
            f"network and put it at {cached}, or name a checkpoint file of ours"
        ) from error
    except Exception as error:  # a pickle can fail in any way
        raise CheckpointError(
            f"{name}: {cached} cannot be loaded ({type(error).__name__}: {error}); delete it to download it again"
        ) from error
    return network.eval(), NetworkDescription(base_network=name)
