"""What the heat-map network is asked for: a calibrated map per joint, and the right place in it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def gaussian_maps(
    joints: Float[Tensor, "B K 3"], *, size: tuple[int, int], stride: int, sigma_cells: float
) -> Float[Tensor, "B K h w"]:
    """Draw a Gaussian of height 1 at each joint.

    Args:
        joints: [B, K, 3], x and y in pixels of the crop; the third column is not looked at.
        size: Height and width of the maps, in cells.
        stride: Crop pixels per cell; the first cell's centre lies at (stride - 1) / 2.
        sigma_cells: Standard deviation in cells.
    """
    height, width = size
    centres = (joints[..., :2] - (stride - 1) / 2) / stride
    x = torch.arange(width, dtype=joints.dtype)
    y = torch.arange(height, dtype=joints.dtype)
    across = torch.exp(-((x - centres[..., :1]) ** 2) / (2 * sigma_cells**2))  # (B, K, w)
    down = torch.exp(-((y - centres[..., 1:2]) ** 2) / (2 * sigma_cells**2))  # (B, K, h)
    return down[..., None] * across[..., None, :]


def heatmap_loss(
    logits: Float[Tensor, "B K h w"],
    joints: Float[Tensor, "B K 3"],
    *,
    stride: int,
    sigma_cells: float,
    location_weight: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted loss over the labelled joints.

    Two terms share the maps. Binary cross entropy of every cell makes the sigmoid of the peak the
    chance-like height of the Gaussian there: a confidence. The divergence between the softmax over the map
    and the Gaussian scaled to sum 1 teaches the place, which a map of nearly empty cells teaches slowly. A
    joint outside the crop gets an empty map and no place.

    Args:
        logits: The network's answer.
        joints: x and y in pixels of the crop, weight in [0, 1].
        stride: Crop pixels per cell.
        sigma_cells: Spread of the Gaussian, in cells.
        location_weight: Weight of the second term.

    Returns:
        The loss, and its two terms before weighting, each a scalar per unit of joint weight.
    """
    height, width = logits.shape[2:]
    x, y, weight = joints.unbind(dim=2)
    inside = (x >= -0.5) & (x < width * stride - 0.5) & (y >= -0.5) & (y < height * stride - 0.5)
    target = gaussian_maps(joints, size=(height, width), stride=stride, sigma_cells=sigma_cells)
    target = target * inside[..., None, None]
    total = weight.sum().clamp(min=1e-6)
    cells = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(dim=(2, 3))
    mass = 2 * torch.pi * sigma_cells**2
    presence = (cells * weight).sum() / mass / total
    wanted = target.flatten(2)
    wanted = wanted / wanted.sum(dim=2, keepdim=True).clamp(min=1e-6)
    entropy = -(wanted * torch.log(wanted.clamp(min=1e-12))).sum(dim=2)
    crossed = -(wanted * functional.log_softmax(logits.flatten(2), dim=2)).sum(dim=2)
    placed = weight * inside
    location = ((crossed - entropy) * placed).sum() / placed.sum().clamp(min=1e-6)
    return presence + location_weight * location, presence, location
