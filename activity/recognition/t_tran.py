"""T-Tran: a temporal transformer that sees a whole frame's joints as one token.

Reference: Boekhoudt and Talavera, "Spatial-temporal transformer for crime recognition in surveillance videos",
AVSS 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from activity.recognition.bptubeformer import check_grids, initialize_xavier
from activity.recognition.frame_tokens import FrameTokenClassifier, check_network_values
from activity.recognition.joints import joints_from_grids
from activity.structures.layouts import COCO_LAYOUT, LAYOUTS


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
        skeleton: Name of the layout whose joints the grids hold.

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
    skeleton: str = COCO_LAYOUT.name

    def __post_init__(self) -> None:
        names = ("classes", "frames", "width", "depth", "heads", "mlp_ratio")
        check_network_values(
            {name: getattr(self, name) for name in names},
            dropout=self.dropout,
            heads=self.heads,
            width=self.width,
            skeleton=self.skeleton,
        )


class TTran(nn.Module):
    """Activity of one person from whole frames."""

    def __init__(self, config: TTranConfig) -> None:
        super().__init__()
        self.config = config
        self.embedder = nn.Linear(2 * len(LAYOUTS[config.skeleton].joints), config.width)
        self.temporal = FrameTokenClassifier(
            config.width,
            classes=config.classes,
            frames=config.frames,
            depth=config.depth,
            heads=config.heads,
            mlp_ratio=config.mlp_ratio,
            dropout=config.dropout,
        )
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to class logits [B, C].

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        check_grids(grids, self.config.frames)
        joints = joints_from_grids(grids, skeleton=self.config.skeleton)
        logits: Tensor = self.temporal(self.embedder(rearrange(joints, "b t joint xy -> b t (joint xy)")))
        return logits
