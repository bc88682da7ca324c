"""One segment of a track, arranged as the network reads it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_interval, check_unit_interval, frozen_array
from activity.structures.skeleton import BODY_PARTS


@dataclass(frozen=True, slots=True, eq=False)
class Tubelet:
    """The body-part grids of one person over one segment of T frames.

    Attributes:
        track_id: The person's track.
        start_s: Time of the segment's first frame, in seconds.
        end_s: Time of the segment's last frame, in seconds.
        grids: [5, 2, T, 3, 3] float32: body part (order of `BODY_PARTS`), x and y, frame, row, column;
            in the unit of the normalisation that made them (pixels in ``paper`` mode).
        observed: Share in [0, 1] of the segment's joints that were seen rather than filled.

    Raises:
        StructureError: On a wrong shape, NaN, or a share outside [0, 1].
    """

    track_id: int
    start_s: float
    end_s: float
    grids: npt.NDArray[np.float32]
    observed: float

    def __post_init__(self) -> None:
        grids = frozen_array("grids", self.grids, (len(BODY_PARTS), 2, None, 3, 3), np.float32)
        object.__setattr__(self, "grids", grids)
        if grids.shape[2] == 0:
            raise StructureError("grids: expected at least one frame, got T = 0")
        check_interval(f"tubelet of track {self.track_id}", self.start_s, self.end_s)
        check_unit_interval("observed", self.observed)

    @property
    def frames(self) -> int:
        """Length T of the segment."""
        return int(self.grids.shape[2])
