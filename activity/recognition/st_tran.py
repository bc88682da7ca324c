"""ST-Tran: a spatial transformer over the joints of each frame, then a temporal one over the frames.

Reference: Boekhoudt and Talavera, "Spatial-temporal transformer for crime recognition in surveillance videos",
AVSS 2022, after Zheng et al., "3D human pose estimation with spatial and temporal transformers", ICCV 2021.
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
class STTranConfig:
    """Shape of an ST-Tran; the defaults are the baseline of the BPTubeFormer paper.

    Attributes:
        classes: C, number of classes.
        frames: T, frames in a segment.
        channels: Width of a joint embedding; 17 times that is the width of a frame token.
        spatial_depth: Blocks over the joints.
        temporal_depth: Blocks over the frames.
        heads: Attention heads; divides the widths.
        mlp_ratio: Hidden width of a block's MLP over its own width.
        dropout: On both residual branches of every block, in [0, 1).

    Raises:
        ConfigurationError: If a value is out of bounds or `heads` does not divide the widths.
    """

    classes: int = 13
    frames: int = 60
    channels: int = 32
    spatial_depth: int = 4
    temporal_depth: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in (
            "classes",
            "frames",
            "channels",
            "spatial_depth",
            "temporal_depth",
            "heads",
            "mlp_ratio",
        ):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"network.{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ConfigurationError(f"network.dropout: expected a share in [0, 1), got {self.dropout}")
        if self.channels % self.heads:
            raise ConfigurationError(f"network.heads: {self.heads} does not divide the width {self.channels}")

    @property
    def width(self) -> int:
        """Width of a frame token."""
        return KEYPOINT_COUNT * self.channels


class STTran(nn.Module):
    """Activity of one person from the joints of each frame."""

    def __init__(self, config: STTranConfig) -> None:
        super().__init__()
        self.config = config
        block = {"heads": config.heads, "mlp_ratio": config.mlp_ratio}
        self.embedder = nn.Linear(2, config.channels)
        self.joint_positions = nn.Parameter(torch.empty(KEYPOINT_COUNT, config.channels))
        self.spatial_encoder = Encoder(config.spatial_depth, config.channels, dropout=config.dropout, **block)
        self.spatial_norm = nn.LayerNorm(config.channels, eps=1e-6)
        self.class_token = nn.Parameter(torch.empty(1, config.width))
        self.frame_positions = nn.Parameter(torch.empty(config.frames + 1, config.width))
        self.temporal_encoder = Encoder(config.temporal_depth, config.width, dropout=config.dropout, **block)
        self.temporal_norm = nn.LayerNorm(config.width, eps=1e-6)
        self.head = nn.Linear(config.width, config.classes)
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to class logits [B, C].

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        check_grids(grids, self.config.frames)
        joints = joints_from_grids(grids)  # (B, T, 17, 2)
        batch = len(joints)
        x = self.embedder(joints.flatten(0, 1)) + self.joint_positions  # (B T, 17, channels)
        x = self.spatial_norm(self.spatial_encoder(x))
        x = x.reshape(batch, self.config.frames, self.config.width)  # one token a frame
        x = torch.cat([self.class_token.expand(batch, 1, -1), x], dim=1) + self.frame_positions
        x = self.temporal_norm(self.temporal_encoder(x))  # (B, T + 1, width)
        logits: Tensor = self.head(x[:, 0])
        return logits
