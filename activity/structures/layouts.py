"""Skeletons other than COCO's, brought to the five body-part grids that the networks read.

A layout is the whole joint-to-part table of one skeleton: which joint stands in which cell of which 3x3 grid. A
network that reads grids needs nothing else, and a joint may stand in one cell only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures.skeleton import BODY_PARTS, COCO_FLIP, COCO_KEYPOINT_NAMES

GRID_SIDE: Final = 3
EMPTY: Final = -1
"""Marks a cell without a joint."""


@dataclass(frozen=True, slots=True)
class SkeletonLayout:
    """A skeleton and its place in the part grids.

    Attributes:
        name: What configuration files call it.
        joints: Names of the J joints, in the order of the data.
        grids: For each body part in the order of `BODY_PARTS` the joints of its grid, row by row; `EMPTY` where a
            cell has none.
        flip: Index of each joint's mirror image, [J].
        shoulders: Left and right shoulder.
        hips: Left and right hip.
        parents: Index of the joint from which each joint's bone starts, [J]; the root is its own parent.

    Raises:
        StructureError: If the table does not hold every joint exactly once, mirroring twice is not the identity, or
            the parents are no tree.
    """

    name: str
    joints: tuple[str, ...]
    grids: tuple[tuple[int, ...], ...]
    flip: tuple[int, ...]
    shoulders: tuple[int, int]
    hips: tuple[int, int]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = [len(grid) for grid in self.grids]
        if sizes != [GRID_SIDE**2] * len(BODY_PARTS):
            raise StructureError(
                f"layout {self.name}: expected {len(BODY_PARTS)} grids of 9 cells, got {sizes}"
            )
        placed = sorted(joint for grid in self.grids for joint in grid if joint != EMPTY)
        if placed != list(range(len(self.joints))):
            raise StructureError(
                f"layout {self.name}: expected each of {len(self.joints)} joints in one cell, got {placed}"
            )
        if [self.flip[joint] for joint in self.flip] != list(range(len(self.joints))):
            raise StructureError(
                f"layout {self.name}: mirroring twice should change nothing, got {self.flip}"
            )
        if not self._is_tree():
            raise StructureError(
                f"layout {self.name}: expected one root above all joints, got parents {self.parents}"
            )

    def _is_tree(self) -> bool:
        """Whether every joint's parents lead to one joint that is its own parent."""
        if len(self.parents) != len(self.joints):
            return False
        ancestors = list(range(len(self.joints)))
        for _ in self.joints:
            ancestors = [self.parents[joint] for joint in ancestors]
        return len(set(ancestors)) == 1 and self.parents[ancestors[0]] == ancestors[0]

    def cells(self, padding: Literal["constant", "replicate"]) -> npt.NDArray[np.int64]:
        """Joint of every cell, [5, 3, 3].

        Args:
            padding: ``constant`` leaves cells without a joint `EMPTY`; ``replicate`` gives them the joint of the
                nearest cell that has one, the first in reading order where two are equally near.

        Raises:
            StructureError: If `padding` is unknown.
        """
        cells = np.array(self.grids, dtype=np.int64).reshape(-1, GRID_SIDE, GRID_SIDE)
        if padding == "constant":
            return cells
        if padding != "replicate":
            raise StructureError(f"padding: expected constant or replicate, got {padding!r}")
        filled = cells.copy()
        for part, grid in enumerate(cells):
            taken = np.argwhere(grid != EMPTY)
            for row, column in np.argwhere(grid == EMPTY):
                nearest = taken[((taken - (row, column)) ** 2).sum(axis=1).argmin()]
                filled[part, row, column] = grid[tuple(nearest)]
        return filled

    def joint_cells(self) -> npt.NDArray[np.int64]:
        """Where each joint stands among the 45 cells of the flattened grids, [J]."""
        flat = np.array(self.grids, dtype=np.int64).ravel()
        places = np.empty(len(self.joints), dtype=np.int64)
        used = np.flatnonzero(flat != EMPTY)
        places[flat[used]] = used
        return places


def _strip(first: int, second: int, *below: int) -> tuple[int, ...]:
    """A grid with two joints in the middle row, and up to two in the row below them."""
    lower = below or (EMPTY, EMPTY)
    return (EMPTY, EMPTY, EMPTY, EMPTY, first, second, EMPTY, *lower)


COCO_LAYOUT: Final = SkeletonLayout(
    name="coco17",
    joints=COCO_KEYPOINT_NAMES,
    grids=tuple(
        part.joints if len(part.joints) == GRID_SIDE**2 else _strip(*part.joints) for part in BODY_PARTS
    ),
    flip=tuple(int(joint) for joint in COCO_FLIP),
    shoulders=(5, 6),
    hips=(11, 12),
    parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 5, 6, 11, 12, 13, 14),
)
"""The grids of Joseph et al. 2024, Figure 2."""

SBU_LAYOUT: Final = SkeletonLayout(
    name="sbu15",
    joints=(
        "head", "neck", "torso", "left_shoulder", "left_elbow", "left_hand", "right_shoulder", "right_elbow",
        "right_hand", "left_hip", "left_knee", "left_foot", "right_hip", "right_knee", "right_foot",
    ),
    grids=(
        (EMPTY, 0, EMPTY, 3, 1, 6, 9, 2, 12),  # head; shoulders and neck; hips and torso
        _strip(4, 7),
        _strip(5, 8),
        _strip(10, 13),
        _strip(11, 14),
    ),
    flip=(0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11),
    shoulders=(3, 6),
    hips=(9, 12),
    parents=(1, 2, 2, 1, 3, 4, 1, 6, 7, 2, 9, 10, 2, 12, 13),
)  # fmt: skip
"""OpenNI's 15 joints, as in SBU Kinect Interaction (Yun et al. 2012)."""

KINECT_LAYOUT: Final = SkeletonLayout(
    name="kinect20",
    joints=(
        "hip_centre", "spine", "shoulder_centre", "head", "left_shoulder", "left_elbow", "left_wrist", "left_hand",
        "right_shoulder", "right_elbow", "right_wrist", "right_hand", "left_hip", "left_knee", "left_ankle",
        "left_foot", "right_hip", "right_knee", "right_ankle", "right_foot",
    ),
    grids=(
        (EMPTY, 3, 1, 4, 2, 8, 12, 0, 16),  # head and spine; shoulders; hips
        _strip(5, 9),
        _strip(6, 10, 7, 11),  # the hands below the wrists
        _strip(13, 17),
        _strip(14, 18, 15, 19),  # the feet below the ankles
    ),
    flip=(0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15),
    shoulders=(4, 8),
    hips=(12, 16),
    parents=(0, 0, 1, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
)  # fmt: skip
"""The 20 joints of the first Kinect, as in Northwestern-UCLA (Wang et al. 2014)."""

LAYOUTS: Final = {layout.name: layout for layout in (COCO_LAYOUT, SBU_LAYOUT, KINECT_LAYOUT)}
"""Every layout by name."""
