"""What every pose estimator offers to the pipeline."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from activity.structures import Detections, Poses


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds the people of one picture and their 17 COCO keypoints."""

    @property
    def uses_person_boxes(self) -> bool:
        """Whether the estimator starts from a detector's people (True) or finds them itself (False).

        The pipeline runs its person detector before the pose stage only where this is True, or where
        something else asks for detections.
        """
        ...

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:
        """Return the people of `image`; several threads may call this at once.

        Args:
            image: [H, W, 3] uint8, RGB.
            people: What the detector found in this picture. Estimators that find people themselves
                ignore it.

        Returns:
            Poses in the pixels of `image`; `Poses.empty()` where nobody is seen.

        Raises:
            StructureError: If `image` has another shape or type.
        """
        ...
