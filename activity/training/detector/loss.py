"""What an anchor-free detector is trained on: which cells answer for which object, and how far off they are.

Source: Ge et al., YOLOX (arXiv:2107.08430), section 2.1: SimOTA, after Ge et al., "OTA" (CVPR 2021).
Boxes are x0, y0, x1, y1 in pixels of the network's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from activity.networks.yolox import STRIDES

_CENTRE_RADIUS_CELLS: Final = 1.5
_MOST_CELLS_PER_OBJECT: Final = 10
_IOU_COST: Final = 3.0
_IOU_WEIGHT: Final = 5.0
_IGNORED_OVERLAP: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The labels of one training image.

    Attributes:
        boxes: [G, 4] float32.
        classes: [G] int64.
        ignored: [M, 4] float32, regions in which nothing is counted as background.
    """

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


class Losses(NamedTuple):
    """Means over the cells that answer for an object, each a scalar."""

    total: Tensor
    overlap: Tensor
    objectness: Tensor
    classes: Tensor


class Cells(NamedTuple):
    """Where the cells of an input lie: `centres` [N, 2] px and `strides` [N] px, P3 first."""

    corners: Tensor
    centres: Tensor
    strides: Tensor


def cells_of_input(height: int, width: int) -> Cells:
    """The cells of an input of `height` x `width` pixels, multiples of 32, in the network's order."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        corners.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((rows * columns,), float(stride)))
    corner, stride_px = torch.cat(corners), torch.cat(strides)
    return Cells(corner, (corner + 0.5) * stride_px[:, None], stride_px)


def decode_boxes(raw: Float[Tensor, "... N C"], cells: Cells) -> Float[Tensor, "... N 4"]:
    """Boxes that every cell says, from its offsets (dx, dy, log w, log h)."""
    centres = (raw[..., :2] + cells.corners) * cells.strides[:, None]
    halves = raw[..., 2:4].clamp(max=8).exp() * cells.strides[:, None] / 2
    return torch.cat([centres - halves, centres + halves], -1)


def detection_loss(raw: Float[Tensor, "B N C"], objects: list[Objects], cells: Cells) -> Losses:
    """The loss of a batch.

    Args:
        raw: [B, N, 5 + classes], what the network said.
        objects: The labels of each image.
        cells: Of the batch's input size.

    Returns:
        ``5 (1 - IoU^2) + objectness + class`` cross-entropies, summed and divided by the number of cells
        that answer for an object. A class target is the overlap itself, so that a score says how well the
        box fits. Cells whose box lies mostly in an ignored region are not counted as background.
    """
    boxes = decode_boxes(raw, cells)
    overlaps, class_logits, class_targets = [], [], []
    object_targets = torch.zeros(raw.shape[:2])
    object_weights = torch.ones(raw.shape[:2])
    for index, image in enumerate(objects):
        chosen, owner, iou = assign_cells(boxes[index].detach(), raw[index].detach(), image, cells)
        if len(image.ignored):
            share = _shared_area(boxes[index].detach(), image.ignored).amax(1) / _area(boxes[index].detach())
            object_weights[index] = (share <= _IGNORED_OVERLAP).float()
        object_weights[index, chosen] = 1
        object_targets[index, chosen] = 1
        overlaps.append(_paired_iou(boxes[index, chosen], image.boxes[owner]))
        class_logits.append(raw[index, chosen, 5:])
        one_hot = functional.one_hot(image.classes[owner], raw.shape[2] - 5).float()
        class_targets.append(one_hot * iou[:, None])
    overlap = torch.cat(overlaps)
    count = max(1, len(overlap))
    overlap_loss = (1 - overlap**2).sum() / count
    object_loss = (
        functional.binary_cross_entropy_with_logits(
            raw[..., 4], object_targets, weight=object_weights, reduction="sum"
        )
        / count
    )
    class_loss = (
        functional.binary_cross_entropy_with_logits(
            torch.cat(class_logits), torch.cat(class_targets), reduction="sum"
        )
        / count
    )
    total = _IOU_WEIGHT * overlap_loss + object_loss + class_loss
    return Losses(total, overlap_loss.detach(), object_loss.detach(), class_loss.detach())


@torch.no_grad()
def assign_cells(
    boxes: Float[Tensor, "N 4"], raw: Float[Tensor, "N C"], image: Objects, cells: Cells
) -> tuple[Int[Tensor, " K"], Int[Tensor, " K"], Float[Tensor, " K"]]:
    """SimOTA: the cells that are to answer for an object.

    A cell may answer for an object if its centre lies within 1.5 cells of the object's centre. Of those, each
    object takes the cheapest ones, as many as its ten best overlaps add up to (at least one); a cell
    wanted twice goes to the object for which it is cheaper.

    Args:
        boxes: What each cell says, decoded.
        raw: What each cell says.
        image: The labels.
        cells: Where the cells lie.

    Returns:
        Indices of the K cells, the object of each, and the overlap of its box with the object.
    """
    nothing = torch.zeros(0, dtype=torch.int64)
    if not len(image.boxes):
        return nothing, nothing, torch.zeros(0)
    centres = (image.boxes[:, :2] + image.boxes[:, 2:]) / 2
    distance = (cells.centres[None] - centres[:, None]).abs().amax(2)  # (G, N)
    near: Bool[Tensor, "G N"] = distance < _CENTRE_RADIUS_CELLS * cells.strides
    candidates = near.any(0).nonzero()[:, 0]
    if not len(candidates):
        return nothing, nothing, torch.zeros(0)
    near = near[:, candidates]
    iou = _iou(image.boxes, boxes[candidates])  # (G, K)
    probabilities = (raw[candidates, 5:].sigmoid() * raw[candidates, 4:5].sigmoid()).sqrt()
    targets = functional.one_hot(image.classes, raw.shape[1] - 5).float()
    class_cost = functional.binary_cross_entropy(
        probabilities[None].expand(len(targets), -1, -1),
        targets[:, None].expand(-1, len(candidates), -1),
        reduction="none",
    ).sum(2)
    cost = class_cost - _IOU_COST * (iou + 1e-8).log() + 1e6 * (~near)
    best = iou.masked_fill(~near, 0).topk(min(_MOST_CELLS_PER_OBJECT, len(candidates)), dim=1).values
    wanted = best.sum(1).int().clamp(min=1)
    taken = torch.zeros_like(near)
    for index, count in enumerate(wanted.tolist()):
        taken[index, cost[index].topk(count, largest=False).indices] = True
    taken &= near
    contested = taken.sum(0) > 1
    if contested.any():
        cheapest = functional.one_hot(cost[:, contested].argmin(0), len(cost)).T.bool()
        taken[:, contested] &= cheapest
    chosen = taken.any(0)
    owner = taken[:, chosen].int().argmax(0)
    return candidates[chosen], owner, iou[:, chosen].gather(0, owner[None])[0]


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6).prod(1)


def _shared_area(first: Tensor, second: Tensor) -> Tensor:
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    return (high - low).clamp(min=0).prod(2)


def _iou(first: Tensor, second: Tensor) -> Tensor:
    shared = _shared_area(first, second)
    return shared / (_area(first)[:, None] + _area(second)[None] - shared)


def _paired_iou(first: Tensor, second: Tensor) -> Tensor:
    low, high = torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    return shared / (_area(first) + _area(second) - shared)
