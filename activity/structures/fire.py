"""Fire seen in one frame, and what it burns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_boxes, check_unit_interval, frozen_array


@dataclass(frozen=True, slots=True, eq=False)
class FireFinding:
    """What a fire classifier says of one image.

    Attributes:
        probability: That something burns in the image, in [0, 1], calibrated.
        activation_map: [h, w] float32 in [0, 1]: how much each cell speaks for fire. The cells cover the image
            evenly: row r of an image of H pixels spans the pixels r H / h to (r + 1) H / h.
        box: [4] float32, x0, y0, x1, y1 in pixels around the cells that speak loudest; `None` where the
            classifier sees no fire.

    Raises:
        StructureError: On a wrong shape, NaN, or a value outside [0, 1].
    """

    probability: float
    activation_map: npt.NDArray[np.float32]
    box: npt.NDArray[np.float32] | None

    def __post_init__(self) -> None:
        check_unit_interval("probability", self.probability)
        set_field = object.__setattr__
        activation_map = frozen_array("activation_map", self.activation_map, (None, None), np.float32)
        if activation_map.size == 0:
            raise StructureError(f"activation_map: expected at least one cell, got {activation_map.shape}")
        check_unit_interval("activation_map", activation_map)
        set_field(self, "activation_map", activation_map)
        if self.box is not None:
            box = frozen_array("box", self.box, (4,), np.float32)
            check_boxes("box", box[None])
            set_field(self, "box", box)


@dataclass(frozen=True, slots=True)
class BurningObject:
    """An object in whose box it burns.

    Attributes:
        label: Its class, such as ``person`` or ``car``.
        detection: Its index among the frame's detections.
        share: How much of the flames lies in its box, in [0, 1].
    """

    label: str
    detection: int
    share: float

    def __post_init__(self) -> None:
        check_unit_interval("share", self.share)
        if not self.label or self.detection < 0:
            raise StructureError(
                f"expected a label and an index of 0 or more, got {self.label!r} and {self.detection}"
            )
