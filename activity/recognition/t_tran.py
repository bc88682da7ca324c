"""T-Tran: a temporal transformer that sees a whole frame's joints as one token.

Reference: Boekhoudt and Talavera, "Spatial-temporal transformer for crime recognition in surveillance videos",
AVSS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from activity.errors import ConfigurationError
from activity.recognition.bptubeformer import Encoder, check_grids, initialize_xavier
from activity.recognition.joints import joints_from_grids
from activity.structures import KEYPOINT_COUNT


@dataclass(frozen=True, slots=True)
class TTranConfig:
    """Shape of a T-Tran.

    Attributes:
        classes: C, number of classes.
        frames: T, frames in a segment.
        width: Width of a frame token.
        depth: Blocks over the frames.
        heads: Attention heads; divides the width.
        mlp_ratio: Hidden width of a block's MLP over its own width.
        dropout: On both residual branches of every block, in [0, 1).

    Raises:
        ConfigurationError: If a value is out of bounds or `heads` does not divide the width.
    """

    classes: int = 13
    frames: int = 24
    width: int = 256
    depth: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("classes", "frames", "width", "depth", "heads", "mlp_ratio"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"network.{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ConfigurationError(f"network.dropout: expected a share in [0, 1), got {self.dropout}")
        if self.width % self.heads:
            raise ConfigurationError(f"network.heads: {self.heads} does not divide the width {self.width}")


class TTran(nn.Module):
    """Activity of one person from whole frames."""

    def __init__(self, config: TTranConfig) -> None:
        super().__init__()
        self.config = config
        self.embedder = nn.Linear(2 * KEYPOINT_COUNT, config.width)
        self.class_token = nn.Parameter(torch.empty(1, config.width))
        self.frame_positions = nn.Parameter(torch.empty(config.frames + 1, config.width))
        self.encoder = Encoder(
            config.depth, config.width, heads=config.heads, mlp_ratio=config.mlp_ratio, dropout=config.dropout
        )
        self.norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, config.classes)
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to class logits [B, C].

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        check_grids(grids, self.config.frames)
        x = self.embedder(joints_from_grids(grids).flatten(2))  # (B, T, 34) -> (B, T, width)
        x = torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1) + self.frame_positions
        x = self.norm(self.encoder(x))  # (B, T + 1, width)
        logits: Tensor = self.head(x[:, 0])
        return logits
