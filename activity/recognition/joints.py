"""Joints read back from part grids, for networks that know no body parts."""

from __future__ import annotations

from functools import cache

import torch
from einops import rearrange
from torch import Tensor

from activity.structures.layouts import COCO_LAYOUT, LAYOUTS


def joints_from_grids(grids: Tensor, *, skeleton: str = COCO_LAYOUT.name) -> Tensor:
    """Pick each joint from the one grid cell that is its own, whatever the padding holds.

    Args:
        grids: [B, 5, 2, T, 3, 3], body part, x and y, frame, row, column.
        skeleton: Name of the layout in which the grids were filled.

    Returns:
        [B, T, J, 2], x and y of the skeleton's joints (17 of COCO's).
    """
    cells = rearrange(grids, "b part xy t row column -> b t (part row column) xy")
    return cells[:, :, _places(skeleton)]


@cache
def _places(skeleton: str) -> Tensor:
    return torch.from_numpy(LAYOUTS[skeleton].joint_cells())
