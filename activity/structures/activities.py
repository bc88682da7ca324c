"""What a recogniser says of one person during one segment, and where it looked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_interval, check_unit_interval, frozen_array
from activity.structures.skeleton import BODY_PARTS


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """Attention weights of BPTubeFormer for one segment; each row of a map sums to 1.

    Attributes:
        body_parts: [L, H, 6, 6] float32: layer, head, query token, key token. Token 0 is the class
            token, tokens 1 to 5 are the parts in the order of `BODY_PARTS`.
        tubelets: [5, L, H, n, n] float32: body part, layer, head, query tubelet, key tubelet; tubelets
            are in order of time.

    Raises:
        StructureError: On a wrong shape, no layer or head, or a row that does not sum to 1.
    """

    body_parts: npt.NDArray[np.float32]
    tubelets: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        tokens = len(BODY_PARTS) + 1
        set_field = object.__setattr__
        set_field(
            self,
            "body_parts",
            frozen_array("body_parts", self.body_parts, (None, None, tokens, tokens), np.float32),
        )
        set_field(
            self,
            "tubelets",
            frozen_array("tubelets", self.tubelets, (len(BODY_PARTS), None, None, None, None), np.float32),
        )
        for name in ("body_parts", "tubelets"):
            weights = getattr(self, name)
            if 0 in weights.shape:
                raise StructureError(
                    f"{name}: expected at least one layer and head, got {list(weights.shape)}"
                )
            if weights.shape[-1] != weights.shape[-2]:
                raise StructureError(f"{name}: expected square maps, got {list(weights.shape)}")
            sums = weights.sum(axis=-1)
            if not np.allclose(sums, 1, atol=1e-3):
                raise StructureError(f"{name}: expected rows that sum to 1, got {sums.min()} to {sums.max()}")

    def part_weights(self) -> npt.NDArray[np.float32]:
        """How much the class token looks at each body part in the last layer, mean over heads: [5], sums to 1."""
        weights = self.body_parts[-1, :, 0, 1:].mean(axis=0)
        total = weights.sum()
        if total == 0:
            return np.full(len(BODY_PARTS), 1 / len(BODY_PARTS), np.float32)
        return np.asarray(weights / total, dtype=np.float32)

    def averaged(self) -> AttentionMap:
        """The last layer alone, mean over heads: as one layer of one head, [1, 1, 6, 6] and [5, 1, 1, n, n].

        `part_weights` stays what it was, and a long clip's thousands of segments take a fraction of the memory.
        """
        return AttentionMap(
            self.body_parts[-1:].mean(axis=1, keepdims=True),
            self.tubelets[:, -1:].mean(axis=2, keepdims=True),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ActivityScore:
    """Class probabilities of one person during one segment.

    Attributes:
        track_id: The person's track.
        start_s: Time of the segment's first frame, in seconds.
        end_s: Time of the segment's last frame, in seconds.
        classes: The C class names, in the order of `probabilities`.
        probabilities: [C] float32, sums to 1.
        attention: Where the recogniser looked, if it was asked for.

    Raises:
        StructureError: If the probabilities do not sum to 1 or do not fit the classes.
    """

    track_id: int
    start_s: float
    end_s: float
    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    attention: AttentionMap | None = None

    def __post_init__(self) -> None:
        if not self.classes:
            raise StructureError("classes: expected at least one")
        array = frozen_array("probabilities", self.probabilities, (len(self.classes),), np.float32)
        object.__setattr__(self, "probabilities", array)
        check_unit_interval("probabilities", array)
        if len(set(self.classes)) != len(self.classes):
            raise StructureError(f"classes: expected distinct names, got {self.classes}")
        if abs(float(array.sum()) - 1) > 1.01e-3:  # NaN was refused above
            raise StructureError(f"probabilities: expected a sum of 1, got {array.sum()}")
        check_interval(f"activity of track {self.track_id}", self.start_s, self.end_s)

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def score(self) -> float:
        """Probability of the most probable class."""
        return float(self.probabilities.max())

    def probability(self, name: str) -> float:
        """Probability of one class; 0 for a class that the recogniser does not know."""
        return float(self.probabilities[self.classes.index(name)]) if name in self.classes else 0.0
