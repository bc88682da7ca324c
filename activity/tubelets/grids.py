"""Five 3x3 grids of joints, one for each body part: what the tubelet embedder's convolution slides over."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import KEYPOINT_COUNT
from activity.structures.layouts import COCO_LAYOUT


def to_part_grids(
    positions: npt.ArrayLike, *, padding: Literal["constant", "replicate"]
) -> npt.NDArray[np.float32]:
    """Arrange the joints of a segment in the grids of the body parts.

    The torso's nine joints fill a grid row by row. A part of two joints is a strip of one row and two columns,
    padded by one column on the left, one row above and one row below (Joseph et al. 2024, Figure 2).

    Args:
        positions: [T, 17, 2], x and y of the COCO joints.
        padding: ``constant`` puts zeros around a strip, ``replicate`` the strip's edge.

    Returns:
        [5, 2, T, 3, 3] float32: body part (order of `BODY_PARTS`), x and y, frame, row, column.

    Raises:
        StructureError: If `positions` is not [T, 17, 2], or `padding` is unknown.
    """
    array = np.asarray(positions, dtype=np.float32)
    if array.ndim != 3 or array.shape[1:] != (KEYPOINT_COUNT, 2):
        raise StructureError(f"positions: expected shape [any, 17, 2], got {list(array.shape)}")
    cells = COCO_LAYOUT.cells(padding)
    padded = np.concatenate([array, np.zeros_like(array[:, :1])], axis=1)  # joint -1, an empty cell, is 0, 0
    return np.ascontiguousarray(
        padded[:, cells].transpose(1, 4, 0, 2, 3)
    )  # (T, 5, 3, 3, 2) -> (5, 2, T, 3, 3)
