"""BPTubeFormer: body-part tubelets, one transformer for each part, one transformer over the parts.

References:
    Joseph, Ullah and Talavera, "Body-part Tubelet Transformer for Human-Related Crime Classification",
    AVSS 2024, doi 10.1109/AVSS61716.2024.10672609: Figure 1 is `BPTubeFormer`, Table 1 its kernels.
    Arnab et al., "ViViT: A Video Vision Transformer", ICCV 2021: tubelet embedding.
    Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021: the pre-norm `Block`.

Shapes below: B segments, P = 5 body parts, T frames, n tubelets a part, d channels a tubelet, D = n d,
H heads, L layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from activity.errors import ConfigurationError, StructureError
from activity.structures import BODY_PARTS

PARTS = len(BODY_PARTS)
GRID_SIDE = 3


@dataclass(frozen=True, slots=True)
class BPTubeFormerConfig:
    """Shape of a BPTubeFormer; the defaults are the paper's BPT-V2 on the 13 classes of HR-Crime.

    Attributes:
        classes: C, number of classes.
        frames: T, frames in a segment.
        kernel: Extent of a tubelet in frames, grid rows and grid columns.
        stride: Step from one tubelet to the next, in the same order.
        channels: d, width of a tubelet embedding.
        part_depth: Blocks in each body part's encoder.
        body_depth: Blocks in the encoder over the parts.
        heads: H, attention heads; divides d and D.
        mlp_ratio: Hidden width of a block's MLP over its own width.
        dropout: On both residual branches of every block, in [0, 1).
        velocity: Feed the differences between frames as two more channels (not in the paper). The difference is
            0 in the first frame and wherever either of the two positions is missing, that is exactly 0, 0.
        velocity_gain: What the differences are multiplied by; the segment's frame rate makes them units a second,
            about as large as the positions.

    Raises:
        ConfigurationError: If a value is out of bounds or the values do not fit each other.
    """

    classes: int = 13
    frames: int = 24
    kernel: tuple[int, int, int] = (2, 3, 3)
    stride: tuple[int, int, int] = (2, 3, 3)
    channels: int = 32
    part_depth: int = 4
    body_depth: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.1
    velocity: bool = False
    velocity_gain: float = 1.0

    def __post_init__(self) -> None:
        for name in ("kernel", "stride"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value))  # JSON knows lists only
            if len(value) != 3 or any(not isinstance(side, int) or side < 1 for side in value):
                raise ConfigurationError(f"network.{name}: expected three whole numbers from 1, got {value}")
        for name in ("classes", "frames", "channels", "part_depth", "body_depth", "heads", "mlp_ratio"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"network.{name}: expected 1 or more, got {getattr(self, name)}")
        if not 0 < self.velocity_gain < 1e6:
            raise ConfigurationError(f"network.velocity_gain: expected more than 0, got {self.velocity_gain}")
        if not 0 <= self.dropout < 1:
            raise ConfigurationError(f"network.dropout: expected a share in [0, 1), got {self.dropout}")
        if self.kernel[0] > self.frames or max(self.kernel[1:]) > GRID_SIDE:
            raise ConfigurationError(
                f"network.kernel: expected at most {(self.frames, GRID_SIDE, GRID_SIDE)}, got {self.kernel}"
            )
        if self.channels % self.heads or self.width % self.heads:
            raise ConfigurationError(
                f"network.heads: {self.heads} does not divide the widths {self.channels} and {self.width}"
            )

    @property
    def tubelets(self) -> int:
        """n, the number of tubelets of one body part: the product over the axes of floor((S - k) / s) + 1."""
        count = 1
        for side, kernel, stride in zip(
            (self.frames, GRID_SIDE, GRID_SIDE), self.kernel, self.stride, strict=True
        ):
            count *= (side - kernel) // stride + 1
        return count

    @property
    def width(self) -> int:
        """D, the width of a body-part token."""
        return self.tubelets * self.channels

    @property
    def inputs(self) -> int:
        """Values of a grid cell in one frame that the tubelets see."""
        return 4 if self.velocity else 2


class Attention(NamedTuple):
    """Attention weights of a batch; the last axis sums to 1.

    Attributes:
        body_parts: [B, L, H, 6, 6], the class token first.
        tubelets: [B, 5, L, H, n, n].
    """

    body_parts: Tensor
    tubelets: Tensor


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017) with bias on queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """Attend within `x`, [B, N, W]; where `weights` is a list, append the [B, H, N, N] attention to it."""
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, N, W / H)
        if weights is None:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        else:
            attention = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
            weights.append(attention)
            mixed = attention @ value
        mixed = mixed.transpose(1, 2).reshape(batch, tokens, width)  # (B, H, N, W / H) -> (B, N, W)
        out: Tensor = self.projection(mixed)
        return out


class Block(nn.Module):
    """Pre-norm transformer block: attention, then a GELU MLP, each added to its input after dropout."""

    def __init__(self, width: int, *, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Linear(mlp_ratio * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """Map [B, N, W] to [B, N, W]."""
        x = x + self.dropout(self.attention(self.attention_norm(x), weights))
        out: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return out


class Encoder(nn.ModuleList):
    """A stack of blocks of one width."""

    def __init__(self, depth: int, width: int, *, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__(
            Block(width, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout) for _ in range(depth)
        )

    def forward(self, x: Tensor, weights: list[Tensor] | None = None) -> Tensor:
        """Map [B, N, W] to [B, N, W]; `weights` collects one attention a block."""
        for block in self:
            x = block(x, weights)
        return x


class BodyPartEncoders(nn.Module):
    """One token a body part: tubelet embedding, then a transformer over the part's tubelets."""

    def __init__(self, config: BPTubeFormerConfig) -> None:
        super().__init__()
        self.config = config
        n, d = config.tubelets, config.channels
        block = {"heads": config.heads, "mlp_ratio": config.mlp_ratio}
        self.embedders = nn.ModuleList(
            nn.Conv3d(config.inputs, d, config.kernel, config.stride) for _ in range(PARTS)
        )
        self.tubelet_positions = nn.ParameterList(nn.Parameter(torch.empty(n, d)) for _ in range(PARTS))
        self.part_encoders = nn.ModuleList(
            Encoder(config.part_depth, d, dropout=config.dropout, **block) for _ in range(PARTS)
        )
        self.part_norm = nn.LayerNorm(d, eps=1e-6)  # shared by the five parts

    def part_tokens(
        self, grids: Tensor, weights: list[list[Tensor]] | None = None, *, beside: Tensor | None = None
    ) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to [B, 5, D]; `weights` collects each part's attention, one a block.

        `beside`, [B, 5, any, T, 3, 3], are more channels where the configuration has them.

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        check_grids(grids, self.config.frames)
        if self.config.velocity:
            grids = torch.cat(
                [grids, self.config.velocity_gain * velocities(grids)], dim=2
            )  # (B, 5, 4, T, 3, 3)
        if beside is not None:
            grids = torch.cat([grids, beside], dim=2)
        tokens = []
        for part in range(PARTS):
            x = self.embedders[part](grids[:, part])  # (B, d, t, h, w)
            x = x.flatten(2).transpose(1, 2)  # (B, n, d): tubelets in order of time
            x = x + self.tubelet_positions[part]
            x = self.part_encoders[part](x, None if weights is None else weights[part])
            tokens.append(self.part_norm(x).flatten(1))  # (B, D)
        return torch.stack(tokens, dim=1)


class BPTubeFormer(BodyPartEncoders):
    """Activity of one person from the 3x3 grids of five body parts."""

    def __init__(self, config: BPTubeFormerConfig) -> None:
        super().__init__(config)
        width = config.width
        block = {"heads": config.heads, "mlp_ratio": config.mlp_ratio}
        self.class_token = nn.Parameter(torch.empty(1, width))
        self.part_positions = nn.Parameter(torch.empty(PARTS + 1, width))
        self.body_encoder = Encoder(config.body_depth, width, dropout=config.dropout, **block)
        self.body_norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, config.classes)
        initialize_xavier(self)

    def forward(self, grids: Tensor) -> Tensor:
        """Map grids [B, 5, 2, T, 3, 3] to class logits [B, C].

        Raises:
            StructureError: If the grids do not fit the configuration.
        """
        return self._forward(grids, None, None)

    def forward_with_attention(self, grids: Tensor) -> tuple[Tensor, Attention]:
        """As `forward`, with the attention weights of every block."""
        tubelets: list[list[Tensor]] = [[] for _ in range(PARTS)]
        body_parts: list[Tensor] = []
        logits = self._forward(grids, tubelets, body_parts)
        stacked = torch.stack(
            [torch.stack(layers, dim=1) for layers in tubelets], dim=1
        )  # (B, 5, L, H, n, n)
        return logits, Attention(torch.stack(body_parts, dim=1), stacked)

    def _forward(
        self, grids: Tensor, tubelet_weights: list[list[Tensor]] | None, body_weights: list[Tensor] | None
    ) -> Tensor:
        parts = self.part_tokens(grids, tubelet_weights)
        x = torch.cat([self.class_token.expand(len(grids), 1, -1), parts], dim=1)  # (B, 6, D)
        x = x + self.part_positions
        x = self.body_norm(self.body_encoder(x, body_weights))
        logits: Tensor = self.head(x[:, 0])
        return logits


def velocities(grids: Tensor) -> Tensor:
    """Differences from the frame before, [B, 5, 2, T, 3, 3]; 0 in frame 0 and where a position is missing (0, 0)."""
    steps = grids[:, :, :, 1:] - grids[:, :, :, :-1]
    present = (grids != 0).any(dim=2, keepdim=True)
    known = present[:, :, :, 1:] & present[:, :, :, :-1]
    return functional.pad(steps * known, (0, 0, 0, 0, 1, 0))


def check_grids(grids: Tensor, frames: int) -> None:
    """Require [B, 5, 2, `frames`, 3, 3].

    Raises:
        StructureError: With the shape that came.
    """
    if grids.ndim != 6 or grids.shape[1:] != (PARTS, 2, frames, GRID_SIDE, GRID_SIDE):
        raise StructureError(
            f"grids: expected shape [any, {PARTS}, 2, {frames}, {GRID_SIDE}, {GRID_SIDE}], got {list(grids.shape)}; "
            "cut the track with the tubelet settings that the checkpoint stores"
        )


def initialize_xavier(network: nn.Module) -> None:
    """Draw every parameter of two or more dimensions, tokens and positions included, from Xavier's uniform."""
    for parameter in network.parameters():
        if parameter.ndim >= 2:
            nn.init.xavier_uniform_(parameter)
