"""Random variations of training segments, and their arrangement in part grids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from activity.structures.layouts import COCO_LAYOUT, SkeletonLayout
from activity.training.recognizer.config import AugmentationSection
from activity.tubelets.settings import Padding


def augment(
    joints: Tensor,
    settings: AugmentationSection,
    generator: torch.Generator,
    *,
    frames: int | None = None,
    flip: Sequence[int] = COCO_LAYOUT.flip,
) -> Tensor:
    """Vary segments; a missing joint (0, 0) stays missing.

    What is drawn for a segment holds for all its people, but for each person's own noise, size and place.

    Args:
        joints: [B, M, S, J, 2], M people in S frames.
        settings: Amounts.
        generator: Of the random numbers.
        frames: T, frames of the result; S by default.
        flip: Index of each joint's mirror image, [J].

    Returns:
        [B, M, T, J, 2].
    """
    batch, people, length, count = joints.shape[:4]
    frames = length if frames is None else frames

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    joints = crop_time(joints, settings.shortest_crop, uniform(batch), uniform(batch), frames=frames)
    present = (joints != 0).any(dim=-1, keepdim=True)  # (B, M, T, J, 1)
    present = present & (uniform(batch, people, 1, count, 1) >= settings.joint_dropout)

    angle = (2 * uniform(batch) - 1) * settings.rotation_rad
    size = 1 + (2 * uniform(batch) - 1) * settings.scale
    width = 1 - settings.squeeze * uniform(batch)  # as if the camera had walked around the scene
    cosine, sine = size * angle.cos(), size * angle.sin()
    rotation = torch.stack(
        [torch.stack([width * cosine, width * sine], -1), torch.stack([-sine, cosine], -1)], -2
    )  # (B, 2, 2)
    joints = torch.einsum("bmtjx,bxy->bmtjy", joints, rotation)
    if settings.shift:
        joints = joints + (2 * uniform(batch, 1, 1, 1, 2) - 1) * settings.shift
    joints = joints + settings.joint_noise * torch.randn(batch, people, frames, count, 2, generator=generator)
    if settings.joint_offset:  # as a pose network errs: the same way for as long as a pose is held
        joints = joints + settings.joint_offset * torch.randn(batch, people, 1, count, 2, generator=generator)
    if settings.person_scale or settings.person_shift:
        seen = present.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        middle = (joints * present).sum(dim=(2, 3), keepdim=True) / seen  # (B, M, 1, 1, 2)
        grown = 1 + (2 * uniform(batch, people, 1, 1, 1) - 1) * settings.person_scale
        moved = (2 * uniform(batch, people, 1, 1, 2) - 1) * settings.person_shift
        joints = middle + moved + grown * (joints - middle)

    mirror = torch.as_tensor(flip)
    flipped = joints[..., mirror, :] * torch.tensor([-1.0, 1.0])
    mirrored = (uniform(batch) < settings.mirror)[:, None, None, None, None]
    joints = torch.where(mirrored, flipped * present[..., mirror, :], joints * present)
    if people > 1:
        order = uniform(batch, people).argsort(dim=1)  # nobody is the first person
        joints = joints[torch.arange(batch)[:, None], order]
    return joints


def crop_time(joints: Tensor, shortest: float, length: Tensor, offset: Tensor, *, frames: int) -> Tensor:
    """Stretch a random part of each segment to `frames` frames.

    Args:
        joints: [B, M, S, J, 2].
        shortest: Least share of the segment's time.
        length: [B], uniform draws in [0, 1): 1 takes the whole segment.
        offset: [B], uniform draws in [0, 1): where the part begins.
        frames: T.

    Returns:
        [B, M, T, J, 2]; no pose is blended with a missing one.
    """
    last = joints.shape[2] - 1
    share = shortest + (1 - shortest) * length
    begin = (1 - share) * offset
    at = (begin[:, None] + share[:, None] * torch.linspace(0, 1, frames)) * last  # (B, T)
    low = at.floor().long().clamp(max=last - 1)
    weight = rearrange(at - low, "b t -> b 1 t 1 1")
    rows, people = torch.arange(len(joints))[:, None, None], torch.arange(joints.shape[1])[None, :, None]
    before, after = joints[rows, people, low[:, None]], joints[rows, people, low[:, None] + 1]
    blended = before + weight * (after - before)
    whole = (before != 0).any(-1, keepdim=True) & (after != 0).any(-1, keepdim=True)
    return torch.where(whole, blended, torch.where(weight < 0.5, before, after))


class GridArranger:
    """`to_part_grids` for batches of tensors and any skeleton."""

    def __init__(self, padding: Padding, layout: SkeletonLayout = COCO_LAYOUT) -> None:
        self._cells = torch.from_numpy(layout.cells(padding))  # (5, 3, 3)

    def __call__(self, joints: Tensor) -> Tensor:
        """Arrange [..., T, J, 2] as [..., 5, 2, T, 3, 3]."""
        padded = torch.cat([joints, torch.zeros_like(joints[..., :1, :])], dim=-2)  # joint -1, an empty cell
        return rearrange(padded[..., self._cells, :], "... t part row column xy -> ... part xy t row column")
