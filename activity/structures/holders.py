"""Who holds a weapon, with the evidence for every candidate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import (
    check_boxes,
    check_choice,
    check_frame_position,
    check_unit_interval,
    frozen_array,
)

HolderRule = Literal["iou", "hand_distance", "track_vote", "none"]
"""What decided: box overlap alone (no hand was seen), the hands, the weapon's other frames, or that nobody is near."""


@dataclass(frozen=True, slots=True)
class HolderCandidate:
    """How one person relates to one weapon in one frame.

    Attributes:
        track_id: The person's track.
        iou: Overlap of the person's box with the weapon's box, in [0, 1].
        hand_distance: Distance from the weapon's box to the person's nearest hand, as a share of the
            person's size; `None` where no hand was seen.
        hand_deviation: Standard deviation of that hand's place, in the same share; `None` where none was seen.
        probability: That this person holds the weapon, in [0, 1]; with the other candidates it adds up to 1 at
            most, and the rest is nobody's.
    """

    track_id: int
    iou: float
    hand_distance: float | None
    hand_deviation: float | None = None
    probability: float = 0.0

    def __post_init__(self) -> None:
        check_unit_interval("iou", self.iou)
        check_unit_interval("probability", self.probability)
        for name, share in (
            ("hand_distance", self.hand_distance),
            ("hand_deviation", self.hand_deviation),
        ):
            if share is not None and not (math.isfinite(share) and share >= 0):
                raise StructureError(f"{name}: expected a finite share of 0 or more, got {share}")


@dataclass(frozen=True, slots=True, eq=False)
class HolderLink:
    """One weapon in one frame and the person who holds it.

    Attributes:
        frame_index: The decoded frame.
        time_s: Its presentation time in seconds.
        weapon_box: [4] float32: x0, y0, x1, y1 in pixels.
        weapon_score: The detector's score in [0, 1].
        track_id: The holder's track, or `None` where nobody holds it (a probable false positive).
        rule: What decided.
        candidates: The evidence for every person in the frame.
        posture: Probability, from the holder's joints alone, that somebody of such a posture is armed, in [0, 1]: weak
            evidence, which decides nothing. `None` where nobody holds the weapon, or it was not judged.

    Raises:
        StructureError: On a wrong shape, NaN, a holder who is no candidate, a rule that does not fit, or a posture of
            nobody.
    """

    frame_index: int
    time_s: float
    weapon_box: npt.NDArray[np.float32]
    weapon_score: float
    track_id: int | None
    rule: HolderRule
    candidates: tuple[HolderCandidate, ...]
    posture: float | None = None

    def __post_init__(self) -> None:
        box = frozen_array("weapon_box", self.weapon_box, (4,), np.float32)
        object.__setattr__(self, "weapon_box", box)
        check_boxes("weapon_box", box[None])
        check_unit_interval("weapon_score", self.weapon_score)
        check_frame_position(self.frame_index, self.time_s)
        check_choice("rule", self.rule, get_args(HolderRule))
        if (self.track_id is None) != (self.rule == "none"):
            raise StructureError(
                f"rule: 'none' goes with no holder, got {self.rule!r} with track {self.track_id}"
            )
        if self.track_id is not None and self.track_id not in {c.track_id for c in self.candidates}:
            raise StructureError(f"track_id: holder {self.track_id} is not among the candidates")
        if self.posture is not None:
            check_unit_interval("posture", self.posture)
            if self.track_id is None:
                raise StructureError(f"posture: got {self.posture}, but nobody holds the weapon")

    @property
    def probability(self) -> float:
        """That the named holder holds the weapon, or that nobody does where `track_id` is `None`."""
        if self.track_id is None:
            return max(0.0, 1 - sum(candidate.probability for candidate in self.candidates))
        return next(c.probability for c in self.candidates if c.track_id == self.track_id)

    @property
    def track_id_by_iou(self) -> int | None:
        """Whom the greatest IoU alone would name: nobody where no box overlaps the weapon's."""
        best = max(self.candidates, key=lambda candidate: candidate.iou, default=None)
        return best.track_id if best is not None and best.iou > 0 else None
