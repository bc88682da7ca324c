"""Detector and pose estimator together, as the pipeline runs them, for measuring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from activity.assembly import load_detector, load_estimator
from activity.config import Settings
from activity.structures import Detections, Poses

LOWEST_PERSON_SCORE = 0.05
"""Average precision looks at people down to this score of the detector."""


class PosePair:
    """Calls the detector and the pose estimator that settings name.

    Args:
        settings: As for an analysis; the detector's least score of a person is lowered to
            `LOWEST_PERSON_SCORE`, since average precision needs the doubtful people too.
        threads: Threads a network may use.

    Raises:
        CheckpointError: If a network cannot be loaded.
    """

    def __init__(self, settings: Settings, *, threads: int) -> None:
        self._estimator, self.model = load_estimator(settings, threads=threads)
        self._detector = None
        if self._estimator.uses_person_boxes:
            least = min(settings.detector.person_score, LOWEST_PERSON_SCORE)
            section = settings.detector.model_copy(update={"person_score": least})
            self._detector = load_detector(
                settings.model_copy(update={"detector": section}), threads=threads
            )[0]

    def __call__(self, image: npt.NDArray[np.uint8]) -> Poses:
        """The people of [H, W, 3] uint8 RGB, doubtful ones included."""
        people = Detections.empty() if self._detector is None else self._detector.detect(image)
        return self._estimator.estimate(image, people)
