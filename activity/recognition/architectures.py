"""The networks by name: what a checkpoint's header or a configuration file may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final, Literal, get_args

from torch import nn

from activity.errors import ConfigurationError
from activity.recognition.bptubeformer import BPTubeFormer, BPTubeFormerConfig
from activity.recognition.pair_bptubeformer import PairBPTubeFormer, PairBPTubeFormerConfig
from activity.recognition.st_tran import STTran, STTranConfig
from activity.recognition.t_tran import TTran, TTranConfig

Architecture = Literal["bptubeformer", "pair_bptubeformer", "st_tran", "t_tran"]
NetworkConfig = BPTubeFormerConfig | PairBPTubeFormerConfig | STTranConfig | TTranConfig
ARCHITECTURES: Final[tuple[str, ...]] = get_args(Architecture)


def network_config(architecture: str, values: Mapping[str, object]) -> NetworkConfig:
    """Read the shape of a network from plain values; what they do not name keeps its default.

    Raises:
        ConfigurationError: If the architecture or a name is unknown, or a value is out of bounds.
    """
    match architecture:
        case "bptubeformer":
            kind: type[NetworkConfig] = BPTubeFormerConfig
        case "pair_bptubeformer":
            kind = PairBPTubeFormerConfig
        case "st_tran":
            kind = STTranConfig
        case "t_tran":
            kind = TTranConfig
        case _:
            raise ConfigurationError(
                f"network.architecture: expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}"
            )
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigurationError(
            f"network: {architecture} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}"
        )
    try:
        return kind(**values)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigurationError(f"network: a value has the wrong type: {error}") from error


def architecture_of(config: NetworkConfig) -> Architecture:
    """The name under which `network_config` knows the kind of `config`."""
    match config:
        case PairBPTubeFormerConfig():
            return "pair_bptubeformer"
        case BPTubeFormerConfig():
            return "bptubeformer"
        case STTranConfig():
            return "st_tran"
        case TTranConfig():
            return "t_tran"


def build_network(config: NetworkConfig) -> nn.Module:
    """The network of a configuration, freshly drawn; it maps grids [B, 5, 2, T, 3, 3] to logits [B, C].

    That of several people reads [B, M, 5, 2, T, 3, 3].
    """
    match config:
        case PairBPTubeFormerConfig():
            return PairBPTubeFormer(config)
        case BPTubeFormerConfig():
            return BPTubeFormer(config)
        case STTranConfig():
            return STTran(config)
        case TTranConfig():
            return TTran(config)
