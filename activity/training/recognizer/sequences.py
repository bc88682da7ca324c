"""Recorded actions as training segments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from torch import Tensor

from activity.datasets.sequences import ActionSequence
from activity.structures.layouts import SkeletonLayout
from activity.training.recognizer.samples import SegmentSet

FloatArray = npt.NDArray[np.float32]


def normalize_people(positions: FloatArray, layout: SkeletonLayout) -> FloatArray:
    """Move the common middle of all people's hips to the origin, and make their torso length the unit.

    One origin (the median over frames) and one scale serve all people and frames: where they stand to each other, and
    how they move, stays. Missing joints (0, 0) stay 0, 0.

    Args:
        positions: [F, M, J, 2].
        layout: Where shoulders and hips are.

    Returns:
        [F, M, J, 2], about one torso length a unit; as it came where no torso has a length.
    """
    hips = positions[:, :, layout.hips].mean(axis=2)  # (F, M, 2)
    shoulders = positions[:, :, layout.shoulders].mean(axis=2)
    size = float(np.median(np.linalg.norm(shoulders - hips, axis=2)))
    if size <= 0:
        return positions
    centre = np.median(hips.mean(axis=1), axis=0)
    present = (positions != 0).any(axis=3, keepdims=True)
    return np.where(present, (positions - centre) / size, 0).astype(np.float32)


def stretch(positions: FloatArray, frames: int) -> FloatArray:
    """Bring [F, ...] to `frames` frames by linear interpolation; a single frame is repeated."""
    if len(positions) == 1:
        return np.repeat(positions, frames, axis=0)
    at = np.linspace(0, len(positions) - 1, frames)
    low = np.minimum(at.astype(np.int64), len(positions) - 2)
    weight = (at - low).reshape(-1, *[1] * (positions.ndim - 1))
    between: FloatArray = (positions[low] * (1 - weight) + positions[low + 1] * weight).astype(np.float32)
    return between


def as_segments(
    sequences: Sequence[ActionSequence],
    layout: SkeletonLayout,
    *,
    frames: int,
    normalize: bool,
    apart: bool,
    aspect: float = 1.0,
) -> SegmentSet:
    """Make one clip a sequence: one segment with all people, or one for each of them.

    Args:
        sequences: At least one, all with the same number of people.
        layout: Their skeleton.
        frames: S, frames of every segment.
        normalize: By `normalize_people`.
        apart: Give every person a segment.
        aspect: Width of one unit of x over the height of one unit of y.
    """
    joints = torch.stack(
        [
            _prepare(sequence, layout, frames=frames, normalize=normalize, aspect=aspect)
            for sequence in sequences
        ]
    )
    people = joints.shape[1]
    rows = people if apart else 1
    if apart:
        joints = rearrange(joints, "n m s j xy -> (n m) 1 s j xy")
    return SegmentSet(
        joints=joints.contiguous(),
        clips=tuple(torch.arange(row * rows, (row + 1) * rows) for row in range(len(sequences))),
        labels=torch.tensor([sequence.label for sequence in sequences]),
    )


def left_to_right(joints: Tensor) -> Tensor:
    """Segments [B, M, S, J, 2] with their people in the order of the mean x of their joints."""
    present = joints.any(dim=-1)  # (B, M, S, J)
    middle = joints[..., 0].sum(dim=(2, 3)) / present.sum(dim=(2, 3)).clamp(min=1)
    order = middle.argsort(dim=1, stable=True)  # (B, M)
    return joints[torch.arange(len(joints))[:, None], order]


def views_of(joints: Tensor, flip: Sequence[int]) -> list[Tensor]:
    """Segments [B, M, S, J, 2] as they are and mirrored, with the people in every order."""
    mirrored = joints[..., torch.as_tensor(flip), :] * torch.tensor([-1.0, 1.0])
    orders = [list(order) for order in permutations(range(joints.shape[1]))]
    return [view[:, order] for view in (joints, mirrored) for order in orders]


def _prepare(
    sequence: ActionSequence, layout: SkeletonLayout, *, frames: int, normalize: bool, aspect: float
) -> Tensor:
    positions = sequence.positions * np.array([aspect, 1], np.float32)
    if normalize:
        positions = normalize_people(positions, layout)
    return torch.from_numpy(stretch(positions, frames)).transpose(0, 1)  # (S, M, J, 2) -> (M, S, J, 2)
