"""What a network is shown of a skeleton: its joints, its bones, or how either moves.

References:
    Shi et al., "Two-stream adaptive graph convolutional networks for skeleton-based action recognition", CVPR 2019:
    bones as vectors from a joint's parent to the joint, one network a stream, their scores added.
    Chen et al., "Channel-wise topology refinement graph convolution for skeleton-based action recognition", ICCV 2021:
    the four streams.
"""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor

from activity.structures.layouts import SkeletonLayout

Stream = Literal["joints", "bones", "joint_motion", "bone_motion"]
MOTION_GAIN: Final = 6.0
"""What differences between frames are multiplied by, so that they are about as large as positions."""


def as_stream(joints: Tensor, stream: Stream, layout: SkeletonLayout) -> Tensor:
    """Turn joints into what a stream shows; a missing joint (0, 0) makes its bones and differences 0, 0.

    The root has no parent and keeps its position, so that bones still say where several people stand to each other.

    Args:
        joints: [..., T, J, 2], T frames.
        stream: What to show.
        layout: The skeleton, with the parent of every joint.

    Returns:
        [..., T, J, 2]: positions; vectors from parent to joint; or `MOTION_GAIN` times the difference of either from
        the frame before, 0, 0 in the first frame.
    """
    shown = bones_of(joints, layout) if stream in ("bones", "bone_motion") else joints
    return motion_of(shown) if stream in ("joint_motion", "bone_motion") else shown


def bones_of(joints: Tensor, layout: SkeletonLayout) -> Tensor:
    """Vectors from every joint's parent to the joint, [..., T, J, 2]; the root keeps its position."""
    parents = torch.tensor(layout.parents)
    root = (parents == torch.arange(len(parents)))[:, None]  # (J, 1)
    present = (joints != 0).any(dim=-1, keepdim=True)
    vectors = joints - torch.where(root, 0.0, joints[..., parents, :])
    return vectors * (present & (root | present[..., parents, :]))


def motion_of(positions: Tensor) -> Tensor:
    """`MOTION_GAIN` times the difference from the frame before, [..., T, J, 2]."""
    present = (positions != 0).any(dim=-1, keepdim=True)
    moved = torch.zeros_like(positions)
    known = present[..., 1:, :, :] & present[..., :-1, :, :]
    moved[..., 1:, :, :] = MOTION_GAIN * (positions[..., 1:, :, :] - positions[..., :-1, :, :]) * known
    return moved
