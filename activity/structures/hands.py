"""Where hands are, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class Hands:
    """The left and the right hand of each of P people.

    Attributes:
        points: [P, 2, 2] float32: x px, y px of what the hand would hold; first the person's own left hand,
            then the right one. Zero where the hand was not found.
        std_px: [P, 2] float32: standard deviation of each point along x and along y, in pixels; above 0 where
            the hand was found, 0 where not.
        found: [P, 2] bool.

    Raises:
        StructureError: On a wrong shape, NaN, or a standard deviation that does not fit `found`.
    """

    points: npt.NDArray[np.float32]
    std_px: npt.NDArray[np.float32]
    found: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "points", frozen_array("points", self.points, (None, 2, 2), np.float32))
        people = len(self.points)
        set_field(self, "std_px", frozen_array("std_px", self.std_px, (people, 2), np.float32))
        set_field(self, "found", frozen_array("found", self.found, (people, 2), np.bool_))
        if ((self.std_px > 0) != self.found).any():
            raise StructureError(
                "std_px: expected more than 0 px where a hand was found and 0 where not, "
                f"got {self.std_px.tolist()} with found {self.found.tolist()}"
            )

    def __len__(self) -> int:
        return len(self.points)
