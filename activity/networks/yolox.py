"""YOLOX-nano: CSPDarknet, PAFPN and the decoupled head, as torch modules with folded batch norms.

The detector uses all of it; the heat-map network uses `YoloxBackbone` alone. Every convolution carries a bias
instead of a batch norm: the published weights come folded, and small CPU batches give poor batch statistics.

Sources: Ge et al., "YOLOX: Exceeding YOLO Series in 2021" (arXiv:2107.08430); Wang et al., "CSPNet" (2019);
Liu et al., "Path Aggregation Network" (2018). Depth 0.33, width 0.25, depthwise convolutions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from activity.errors import CheckpointError

STRIDES: Final = (8, 16, 32)
"""Input pixels per cell of P3, P4 and P5."""
PYRAMID_CHANNELS: Final = (64, 128, 256)
"""Channels of P3, P4 and P5 of the nano size."""
HEAD_CHANNELS: Final = 64


class ConvUnit(nn.Module):
    """A convolution with bias that keeps the size (over the stride), then SiLU."""

    def __init__(
        self, channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, kernel, stride, (kernel - 1) // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out, H / stride, W / stride]."""
        return functional.silu(self.conv(x))


class DepthwiseUnit(nn.Module):
    """A depthwise 3x3 unit, then a pointwise one."""

    def __init__(self, channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvUnit(channels, channels, 3, stride=stride, groups=channels)
        self.pointwise = ConvUnit(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out, H / stride, W / stride]."""
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """A pointwise and a depthwise unit, with a residual where asked."""

    def __init__(self, channels: int, *, shortcut: bool) -> None:
        super().__init__()
        self.reduce = ConvUnit(channels, channels, 1)
        self.mix = DepthwiseUnit(channels, channels)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        y = self.mix(self.reduce(x))
        return x + y if self.shortcut else y  # type: ignore[no-any-return]


class CspLayer(nn.Module):
    """Cross-stage partial layer: half the channels pass bottlenecks, half go around them."""

    def __init__(self, channels: int, out_channels: int, *, depth: int, shortcut: bool) -> None:
        super().__init__()
        hidden = out_channels // 2
        self.through = ConvUnit(channels, hidden, 1)
        self.around = ConvUnit(channels, hidden, 1)
        self.bottlenecks = nn.Sequential(*[Bottleneck(hidden, shortcut=shortcut) for _ in range(depth)])
        self.join = ConvUnit(2 * hidden, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to [B, out, H, W]."""
        return self.join(torch.cat([self.bottlenecks(self.through(x)), self.around(x)], 1))  # type: ignore[no-any-return]


class SpatialPyramidPooling(nn.Module):
    """Maxima over 5x5, 9x9 and 13x13 cells beside the cells themselves."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvUnit(channels, channels // 2, 1)
        self.join = ConvUnit(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, H, W] to the same shape."""
        x = self.reduce(x)
        over5 = functional.max_pool2d(x, 5, 1, 2)
        over9 = functional.max_pool2d(over5, 5, 1, 2)  # maxima of maxima: 5 + 4 cells across
        over13 = functional.max_pool2d(over9, 5, 1, 2)
        return self.join(torch.cat([x, over5, over9, over13], 1))  # type: ignore[no-any-return]


class YoloxBackbone(nn.Module):
    """CSPDarknet with a path-aggregation neck: the feature pyramid of YOLOX-nano.

    The modules are registered in the order in which the published graph computes them; `load_onnx_weights`
    relies on it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvUnit(12, 16, 3)
        self.dark2 = nn.Sequential(DepthwiseUnit(16, 32, stride=2), CspLayer(32, 32, depth=1, shortcut=True))
        self.dark3 = nn.Sequential(DepthwiseUnit(32, 64, stride=2), CspLayer(64, 64, depth=3, shortcut=True))
        self.dark4 = nn.Sequential(
            DepthwiseUnit(64, 128, stride=2), CspLayer(128, 128, depth=3, shortcut=True)
        )
        self.dark5 = nn.Sequential(
            DepthwiseUnit(128, 256, stride=2),
            SpatialPyramidPooling(256),
            CspLayer(256, 256, depth=1, shortcut=False),
        )
        self.lateral5 = ConvUnit(256, 128, 1)
        self.down4 = CspLayer(256, 128, depth=1, shortcut=False)
        self.lateral4 = ConvUnit(128, 64, 1)
        self.out3 = CspLayer(128, 64, depth=1, shortcut=False)
        self.reduce3 = DepthwiseUnit(64, 64, stride=2)
        self.out4 = CspLayer(128, 128, depth=1, shortcut=False)
        self.reduce4 = DepthwiseUnit(128, 128, stride=2)
        self.out5 = CspLayer(256, 256, depth=1, shortcut=False)

    def forward(
        self, images: Float[Tensor, "B 3 H W"]
    ) -> tuple[
        Float[Tensor, "B 64 H/8 W/8"], Float[Tensor, "B 128 H/16 W/16"], Float[Tensor, "B 256 H/32 W/32"]
    ]:
        """Return P3, P4 and P5 at strides 8, 16 and 32.

        Args:
            images: [B, 3, H, W], BGR in 0-255 (the scale of the published weights), H and W multiples of 32.
        """
        return self.pyramid(self.fine_features(images))

    def fine_features(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 32 H/4 W/4"]:
        """Return the features at stride 4, for networks that need the exact place; `pyramid` goes on from them."""
        return self.dark2(self.stem(_focus(images)))  # type: ignore[no-any-return]

    def darkest_features(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 256 H/32 W/32"]:
        """Return the backbone's own features at stride 32, without the neck: what is in the picture."""
        return self.dark5(self.dark4(self.dark3(self.fine_features(images))))  # type: ignore[no-any-return]

    def middle_features(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 128 H/16 W/16"]:
        """Return the features at stride 16 after the way down the neck, at two thirds of the pyramid's cost."""
        c4 = self.dark4(self.dark3(self.fine_features(images)))
        top5 = self.lateral5(self.dark5(c4))
        return self.down4(torch.cat([_double(top5), c4], 1))  # type: ignore[no-any-return]

    def pyramid(
        self, fine: Float[Tensor, "B 32 H/4 W/4"]
    ) -> tuple[
        Float[Tensor, "B 64 H/8 W/8"], Float[Tensor, "B 128 H/16 W/16"], Float[Tensor, "B 256 H/32 W/32"]
    ]:
        """Return P3, P4 and P5 from the features at stride 4."""
        c3 = self.dark3(fine)
        c4 = self.dark4(c3)
        c5 = self.dark5(c4)
        top5 = self.lateral5(c5)
        top4 = self.lateral4(self.down4(torch.cat([_double(top5), c4], 1)))
        p3 = self.out3(torch.cat([_double(top4), c3], 1))
        p4 = self.out4(torch.cat([self.reduce3(p3), top4], 1))
        p5 = self.out5(torch.cat([self.reduce4(p4), top5], 1))
        return p3, p4, p5


class YoloxLevelHead(nn.Module):
    """The decoupled head of one pyramid level: classes on one branch, box and objectness on the other."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        width = HEAD_CHANNELS
        self.stem = ConvUnit(channels, width, 1)
        self.class_units = nn.Sequential(DepthwiseUnit(width, width), DepthwiseUnit(width, width))
        self.class_logits = nn.Conv2d(width, classes, 1)
        self.box_units = nn.Sequential(DepthwiseUnit(width, width), DepthwiseUnit(width, width))
        self.box_offsets = nn.Conv2d(width, 4, 1)
        self.object_logit = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Float[Tensor, "B 5+classes H W"]:
        """Map [B, C, H, W] to box offsets (4), objectness logit (1) and class logits, in that order."""
        x = self.stem(x)
        boxes = self.box_units(x)
        classes = self.class_logits(self.class_units(x))
        return torch.cat([self.box_offsets(boxes), self.object_logit(boxes), classes], 1)


class Yolox(nn.Module):
    """The whole detector.

    Args:
        classes: Number of classes.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.backbone = YoloxBackbone()
        self.heads = nn.ModuleList(YoloxLevelHead(channels, classes) for channels in PYRAMID_CHANNELS)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B cells 5+classes"]:
        """Return every cell's raw prediction, P3 first, each level row by row.

        Args:
            images: [B, 3, H, W], BGR in 0-255, H and W multiples of 32.

        Returns:
            Per cell: centre x and y in cells from the cell's corner, log width and log height in cells,
            objectness logit, class logits.
        """
        levels = [head(level) for head, level in zip(self.heads, self.backbone(images), strict=True)]
        return torch.cat([level.flatten(2) for level in levels], 2).transpose(1, 2)


def load_onnx_weights(module: Yolox | YoloxBackbone, path: Path | str) -> None:
    """Fill `module` in place with the convolutions of an ONNX file, taken in graph order.

    Args:
        module: A backbone takes the first convolutions of the file, a whole detector takes all of them.
        path: A YOLOX-nano graph whose batch norms are folded, such as the published COCO export.

    Raises:
        CheckpointError: If the file is missing, damaged, or its convolutions are not those of YOLOX-nano
            with this number of classes.
    """
    import onnx  # noqa: PLC0415  # only training needs it; inference must not
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415
    from onnx import numpy_helper  # noqa: PLC0415

    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read as an ONNX network ({error})") from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    stored = [node for node in graph.node if node.op_type == "Conv"]
    wanted = [(name, conv) for name, conv in module.named_modules() if isinstance(conv, nn.Conv2d)]
    complete = len(stored) == len(wanted) if isinstance(module, Yolox) else len(stored) >= len(wanted)
    if not complete:
        raise CheckpointError(
            f"{path}: {len(stored)} convolutions, YOLOX-nano has {len(wanted)}; use an export of YOLOX-nano"
        )
    for (name, conv), node in zip(wanted, stored, strict=False):
        if len(node.input) < 3 or any(key not in tensors for key in node.input[1:3]):
            raise CheckpointError(
                f"{path}: convolution {node.name!r} has no stored weight and bias; fold its batch norm"
            )
        weight, bias = (
            torch.from_numpy(numpy_helper.to_array(tensors[key]).copy()) for key in node.input[1:3]
        )
        if weight.shape != conv.weight.shape:
            raise CheckpointError(
                f"{path}: convolution {node.name!r} is {list(weight.shape)}, "
                f"{name} of YOLOX-nano is {list(conv.weight.shape)}; use an export with the same classes"
            )
        with torch.no_grad():
            conv.weight.copy_(weight)
            assert conv.bias is not None  # noqa: S101  # every convolution here has one
            conv.bias.copy_(bias)


def _focus(images: Tensor) -> Tensor:
    """Fold 2x2 pixels into channels: [B, 3, H, W] to [B, 12, H/2, W/2], left column first."""
    return torch.cat(
        [images[..., ::2, ::2], images[..., 1::2, ::2], images[..., ::2, 1::2], images[..., 1::2, 1::2]], 1
    )


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
