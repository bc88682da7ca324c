"""The heat-map network: YOLOX-nano's backbone and pyramid, fused at stride 8, joints drawn at stride 4.

Only training and export need this module; inference runs the exported graph.

Sources: Ge et al., "YOLOX" (arXiv:2107.08430) for the backbone; Shi et al., "Real-Time Single Image and Video
Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network" (CVPR 2016) for the doubling.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from activity.networks.yolox import PYRAMID_CHANNELS, YoloxBackbone
from activity.structures import KEYPOINT_COUNT

HEATMAP_STRIDE: Final = 4
"""Crop pixels per heat-map cell."""
FINE_CHANNELS: Final = 32
"""Channels of the backbone's features at stride 4."""
PRIOR: Final = 0.005
"""Share of a map's cells that a joint's Gaussian covers, where the final bias starts."""


class DepthwiseBlock(nn.Module):
    """A residual block: depthwise 5x5, then two pointwise convolutions with the activation between.

    Args:
        channels: Channels that come and go.
        expansion: Channels between the two pointwise convolutions, over `channels`.
    """

    def __init__(self, channels: int, *, expansion: int = 1) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, expansion * channels, 1)
        self.narrow = nn.Conv2d(expansion * channels, channels, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(channels)
        # The block starts as the identity, so that the pre-trained features pass undisturbed.
        nn.init.zeros_(self.last_norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        y = functional.silu(self.widen(self.norm(self.mix(x))))
        return x + self.last_norm(self.narrow(y))  # type: ignore[no-any-return]


class AttentionBlock(nn.Module):
    """A residual block in which every cell looks at every other: a wrist is found by its shoulder, however far.

    The depthwise convolution before it tells cells where they are, by the padding at the border.

    Args:
        channels: Channels that come and go.
        heads: Heads of equal width.
    """

    def __init__(self, channels: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mix = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.gather = nn.Conv2d(channels, channels, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.last_norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        height = x.shape[2]
        query, key, value = (
            torch.unflatten(part, 1, (self.heads, -1))
            .flatten(3)
            .transpose(2, 3)  # (B, heads, H W, C / heads)
            for part in self.project(self.norm(self.mix(x))).chunk(3, dim=1)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        maps = torch.unflatten(seen.transpose(2, 3).flatten(1, 2), 2, (height, -1))  # (B, C, H, W)
        return x + self.last_norm(self.gather(maps))  # type: ignore[no-any-return]


class HeatmapNetwork(nn.Module):
    """One person's crop to 17 heat maps.

    Args:
        width: Channels at stride 8.
        fine_width: Channels at stride 4.
        blocks: Depthwise blocks at stride 8.
        fine_blocks: Depthwise blocks at stride 4.
        context_blocks: Pairs of an attention and a depthwise block at stride 16.
    """

    def __init__(
        self,
        *,
        width: int = 96,
        fine_width: int = 32,
        blocks: int = 4,
        fine_blocks: int = 2,
        context_blocks: int = 5,
    ) -> None:
        super().__init__()
        self.backbone = YoloxBackbone()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in PYRAMID_CHANNELS
        )
        self.context = nn.Sequential(
            *[
                layer
                for _ in range(context_blocks)
                for layer in (AttentionBlock(width, heads=4), DepthwiseBlock(width, expansion=3))
            ]
        )
        self.coarse = nn.Sequential(*[DepthwiseBlock(width) for _ in range(blocks)])
        self.enlarge = nn.Conv2d(width, 4 * fine_width, 1)
        self.fine_lateral = nn.Conv2d(FINE_CHANNELS, fine_width, 1)
        self.fine = nn.Sequential(*[DepthwiseBlock(fine_width) for _ in range(fine_blocks)])
        self.joints = nn.Conv2d(fine_width, KEYPOINT_COUNT, 1)
        nn.init.normal_(self.joints.weight, std=0.02)
        assert self.joints.bias is not None  # noqa: S101  # made with a bias one line above
        nn.init.constant_(self.joints.bias, math.log(PRIOR / (1 - PRIOR)))

    def forward(self, crops: UInt8[Tensor, "B H W 3"]) -> Float[Tensor, "B 17 H/4 W/4"]:
        """Return the logit of each joint being at each cell.

        Args:
            crops: [B, H, W, 3] uint8, RGB, H and W multiples of 32.
        """
        images = crops.flip(3).permute(0, 3, 1, 2).float()  # (B, 3, H, W), BGR in 0-255
        fine = self.backbone.fine_features(images)
        p3, p4, p5 = self.backbone.pyramid(fine)
        context = self.context(self.laterals[1](p4) + _enlarge(self.laterals[2](p5), 2))  # (B, C, H/16, W/16)
        coarse = self.laterals[0](p3) + _enlarge(context, 2)
        coarse = self.coarse(functional.silu(coarse))
        doubled = functional.pixel_shuffle(self.enlarge(coarse), 2)  # (B, fine, H/4, W/4)
        return self.joints(functional.silu(self.fine(doubled + self.fine_lateral(fine))))  # type: ignore[no-any-return]


class HeatmapExport(nn.Module):
    """The network as it is shipped: probabilities instead of logits."""

    def __init__(self, network: HeatmapNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Tensor:
        """Map [B, H, W, 3] uint8 RGB crops to [B, 17, H/4, W/4] heat maps in [0, 1]."""
        return torch.sigmoid(self.network(crops))


def _enlarge(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=float(factor), mode="nearest")
