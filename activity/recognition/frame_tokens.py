"""What ST-Tran and T-Tran have in common: a class token and a transformer over one token a frame.

Reference: Boekhoudt and Talavera, "Spatial-temporal transformer for crime recognition in surveillance videos",
AVSS 2022.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from einops import repeat
from torch import Tensor, nn

from activity.errors import ConfigurationError
from activity.recognition.bptubeformer import Encoder
from activity.structures.layouts import LAYOUTS


class FrameTokenClassifier(nn.Module):
    """Class token, learned positions, blocks over the frames, LayerNorm, and a linear layer on the class token."""

    def __init__(
        self, width: int, *, classes: int, frames: int, depth: int, heads: int, mlp_ratio: int, dropout: float
    ) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, width))
        self.positions = nn.Parameter(torch.empty(frames + 1, width))
        self.encoder = Encoder(depth, width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map one token a frame, [B, T, W], to class logits, [B, C]."""
        first = repeat(self.class_token, "one width -> b one width", b=len(tokens))
        x = torch.cat([first, tokens], dim=1) + self.positions  # (B, T + 1, W)
        x = self.norm(self.encoder(x))
        logits: Tensor = self.head(x[:, 0])
        return logits


def check_network_values(
    counts: Mapping[str, int], *, dropout: float, heads: int, width: int, skeleton: str
) -> None:
    """Check what the configurations of both networks have in common.

    Args:
        counts: Fields that must be 1 or more.
        dropout: Must lie in [0, 1).
        heads: Must divide `width`.
        width: Of a token.
        skeleton: Must name a layout.

    Raises:
        ConfigurationError: With the field that is out of bounds.
    """
    for name, value in counts.items():
        if value < 1:
            raise ConfigurationError(f"network.{name}: expected 1 or more, got {value}")
    if not 0 <= dropout < 1:
        raise ConfigurationError(f"network.dropout: expected a share in [0, 1), got {dropout}")
    if width % heads:
        raise ConfigurationError(f"network.heads: {heads} does not divide the width {width}")
    if skeleton not in LAYOUTS:
        raise ConfigurationError(f"network.skeleton: expected one of {', '.join(LAYOUTS)}, got {skeleton!r}")
