"""Joints read back from part grids, for networks that know no body parts."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from activity.structures import BODY_PARTS, KEYPOINT_COUNT

GRID_SIDE = 3


def joints_from_grids(grids: Tensor) -> Tensor:
    """Pick each joint from the one grid cell that is its own, whatever the padding holds.

    Args:
        grids: [B, 5, 2, T, 3, 3], body part, x and y, frame, row, column.

    Returns:
        [B, T, 17, 2], x and y of the COCO joints.
    """
    flat = grids.permute(0, 3, 1, 4, 5, 2).flatten(2, 4)  # (B, T, 5 x 3 x 3, 2)
    return flat[:, :, _cells()]


@cache
def _cells() -> Tensor:
    cells = torch.empty(KEYPOINT_COUNT, dtype=torch.int64)
    for index, part in enumerate(BODY_PARTS):
        above, left = (GRID_SIDE - part.rows) // 2, GRID_SIDE - part.columns
        for place, joint in enumerate(part.joints):
            row, column = divmod(place, part.columns)
            cells[joint] = index * GRID_SIDE**2 + (row + above) * GRID_SIDE + column + left
    return cells
