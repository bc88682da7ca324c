"""ST-Tran: a spatial transformer over the joints of each frame, then a temporal one over the frames.

References:
    Boekhoudt and Talavera, "Spatial-temporal transformer for crime recognition in surveillance videos", AVSS 2022.
    Zheng et al., "3D human pose estimation with spatial and temporal transformers", ICCV 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from activity.recognition.bptubeformer import Encoder, check_grids, initialize_xavier
from activity.recognition.frame_tokens import FrameTokenClassifier, check_network_values
from activity.recognition.joints import joints_from_grids
from activity.structures.layouts import COCO_LAYOUT, LAYOUTS


@dataclass(frozen=True, slots=True)
class STTranConfig:
    """Shape of an ST-Tran; the defaults are the baseline of the BPTubeFormer paper.

    Attributes:
        classes: C, number of classes.
        frames: T, frames in a segment.
        channels: Width of a joint embedding; times the number of joints it is the width of a frame token.
        spatial_depth: Blocks over the joints.
        temporal_depth: Blocks over the frames.
        heads: Attention heads; divides the widths.
        mlp_ratio: Hidden width of a block's MLP over its own width.
        dropout: On both residual branches of every block, in [0, 1).
        skeleton: Name of the layout whose joints the grids hold.

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
    skeleton: str = COCO_LAYOUT.name

    def __post_init__(self) -> None:
        names = ("classes", "frames", "channels", "spatial_depth", "temporal_depth", "heads", "mlp_ratio")
        check_network_values(
            {name: getattr(self, name) for name in names},
            dropout=self.dropout,
            heads=self.heads,
            width=self.channels,
            skeleton=self.skeleton,
        )

    @property
    def joints(self) -> int:
        """J, joints of the skeleton."""
        return len(LAYOUTS[self.skeleton].joints)

    @property
    def width(self) -> int:
        """Width of a frame token."""
        return self.joints * self.channels


class STTran(nn.Module):
    """Activity of one person from the joints of each frame."""

    def __init__(self, config: STTranConfig) -> None:
        super().__init__()
        self.config = config
        block = {"heads": config.heads, "mlp_ratio": config.mlp_ratio}
        self.embedder = nn.Linear(2, config.channels)
        self.joint_positions = nn.Parameter(torch.empty(config.joints, config.channels))
        self.spatial_encoder = Encoder(config.spatial_depth, config.channels, dropout=config.dropout, **block)
        self.spatial_norm = nn.LayerNorm(config.channels, eps=1e-6)
        self.temporal = FrameTokenClassifier(
            config.width,
            classes=config.classes,
            frames=config.frames,
            depth=config.temporal_depth,
            dropout=config.dropout,
            **block,
        )
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to class logits [B, C].

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        check_grids(grids, self.config.frames)
        joints = joints_from_grids(grids, skeleton=self.config.skeleton)  # (B, T, J, 2)
        x = self.embedder(rearrange(joints, "b t joint xy -> (b t) joint xy")) + self.joint_positions
        x = self.spatial_norm(self.spatial_encoder(x))
        x = rearrange(x, "(b t) joint channel -> b t (joint channel)", b=len(joints))  # one token a frame
        logits: Tensor = self.temporal(x)
        return logits
