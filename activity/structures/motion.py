"""How the picture as a whole moves, whoever moves in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_increasing, frozen_array

MOTION_MEASURES: Final = (
    "speed_p50",
    "speed_p75",
    "speed_p90",
    "speed_p95",
    "speed_p98",
    "speed_p99_5",
    "speed_mean",
    "moving_area",
    "divergence_p98",
    "curl_p98",
    "divergence_mean",
    "curl_mean",
    "direction_entropy",
    "largest_area",
    "largest_speed_mean",
    "largest_speed_deviation",
    "speed_variation",
)
"""Columns of `SceneMotion.measures`.

Speeds are those of the pixels less the picture's median motion, which a shaking camera makes, in heights of the picture a
second: quantiles and mean over the pixels; `speed_variation` is the deviation over the mean. Pixels over 0.08 heights a
second move: `moving_area` is their share of the picture, `direction_entropy` the entropy in nats of their directions in
eight sectors weighted by speed, `largest_*` describe the largest connected area of them. Divergence and curl are magnitudes
of the flow's derivatives by pixels of the small picture that is looked at, times 1000.
"""


@dataclass(frozen=True, slots=True, eq=False)
class SceneMotion:
    """How the picture of a clip moves from time to time.

    Attributes:
        times_s: [N] float64, seconds from the clip's first frame, strictly increasing: the later of the two frames that
            were compared.
        measures: [N, 17] float32, columns `MOTION_MEASURES`, none below 0.

    Raises:
        StructureError: On a wrong shape, NaN, a negative measure, or times that do not increase.
    """

    times_s: npt.NDArray[np.float64]
    measures: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        times_s = frozen_array("motion.times_s", self.times_s, (None,), np.float64)
        check_increasing("motion.times_s", times_s)
        measures = frozen_array(
            "motion.measures", self.measures, (len(times_s), len(MOTION_MEASURES)), np.float32
        )
        if (measures < 0).any():
            raise StructureError(f"motion.measures: expected values of 0 or more, got {measures.min()}")
        set_field(self, "times_s", times_s)
        set_field(self, "measures", measures)

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, end_s: float) -> SceneMotion:
        """The rows from `start_s` on and before `end_s`."""
        rows = (self.times_s >= start_s) & (self.times_s < end_s)
        return SceneMotion(self.times_s[rows], self.measures[rows])
