"""How large and how costly the networks are, by two independent counters.

`thop` counts the multiply-accumulate operations of Linear, Conv3d and LayerNorm (4 a value) and misses attention
products, softmax, GELU, and parameters that belong to no layer; it is what the paper's Table 2 was made with.
torch's FLOP counter counts every matrix product, attention included, and nothing else; halved, as one
multiply-accumulate is two operations.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from activity.errors import ConfigurationError
from activity.recognition.architectures import NetworkConfig, build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.st_tran import STTranConfig
from activity.recognition.t_tran import TTranConfig

NOTE: Final = (
    "MACs of one segment, 13 classes. The paper's Table 2 counts a batch of 1000 segments (30.5e9 and 613.5e9 MACs), "
    'and its "20 times" compares BPT-V2 at T=24 with ST-Tran at T=60: at equal length the ratio of thop MACs is '
    "8.2 (T=24) and 3.4 (T=60)."
)

REFERENCE_MODELS: Final[tuple[tuple[str, NetworkConfig], ...]] = (
    ("BPT-V2 (2,3,3) T=24", BPTubeFormerConfig()),
    ("BPT-V1 (1,3,3) T=24", BPTubeFormerConfig(kernel=(1, 3, 3), stride=(1, 3, 3))),
    ("BPT-V3 (4,3,3) T=24", BPTubeFormerConfig(kernel=(4, 3, 3), stride=(4, 3, 3))),
    ("BPT-V4 (5,3,3) T=24", BPTubeFormerConfig(kernel=(5, 3, 3), stride=(5, 3, 3))),
    ("BPT (8,3,3) T=24", BPTubeFormerConfig(kernel=(8, 3, 3), stride=(8, 3, 3))),
    ("BPT (2,3,3) T=60", BPTubeFormerConfig(frames=60)),
    ("BPT-8 (8,2,2)/(8,1,1) T=24", BPTubeFormerConfig(kernel=(8, 2, 2), stride=(8, 1, 1))),
    ("ST-Tran T=60", STTranConfig()),
    ("ST-Tran T=24", STTranConfig(frames=24)),
    ("T-Tran c=256 T=24", TTranConfig()),
)
"""The models of the paper's Tables 1 and 2, and what they are compared with."""


@dataclass(frozen=True, slots=True)
class ModelComplexity:
    """Size and cost of one network.

    Attributes:
        name: The network, its kernel and its segment length.
        parameters: All trainable values.
        thop_parameters: Those that `thop` sees.
        thop_macs: Multiply-accumulate operations of one segment, as `thop` counts them.
        flop_counter_macs: Half of the operations that torch's FLOP counter sees for one segment.
    """

    name: str
    parameters: int
    thop_parameters: int
    thop_macs: int
    flop_counter_macs: int


def measure_complexity(name: str, network: nn.Module, *, frames: int) -> ModelComplexity:
    """Count parameters and operations of `network` on one segment of `frames` frames; the network stays as it is.

    Raises:
        ConfigurationError: If `thop` is not installed.
    """
    network = copy.deepcopy(network).eval()  # thop leaves buffers and hooks behind
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    counted = count_macs(network, frames=frames)
    macs, thop_parameters = _thop_profile(network, torch.zeros(1, 5, 2, frames, 3, 3))
    return ModelComplexity(name, parameters, thop_parameters, macs, counted)


def count_macs(network: nn.Module, *, frames: int) -> int:
    """Half of the operations that torch's FLOP counter sees for one segment of `frames` frames."""
    segment = torch.zeros(1, 5, 2, frames, 3, 3)
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(segment)
    return int(counter.get_total_flops()) // 2


def measure_reference_models(
    models: Sequence[tuple[str, NetworkConfig]] = REFERENCE_MODELS,
) -> list[ModelComplexity]:
    """Measure every model of the reference table, one at a time."""
    return [measure_complexity(name, build_network(config), frames=config.frames) for name, config in models]


def complexity_report() -> dict[str, Any]:
    """The reference table as one JSON object: `models` and the `note` without which it misleads."""
    return {"models": [asdict(model) for model in measure_reference_models()], "note": NOTE}


def _thop_profile(network: nn.Module, segment: torch.Tensor) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # thop imports distutils
        try:
            from thop import profile  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                "counting operations needs thop: install the training extra, pip install 'activity[train]'"
            ) from error
        macs, parameters = profile(network, inputs=(segment,), verbose=False)
    return int(macs), int(parameters)
