"""Detector and pose estimator together, as the pipeline runs them, for measuring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from activity.assembly import PERSON_LABEL, load_detector, load_estimator
from activity.config import Settings
from activity.errors import ConfigurationError
from activity.structures import Detections, Poses

LOWEST_PERSON_SCORE = 0.05
"""Average precision looks at people down to this score of the detector."""


class PosePair:
    """Calls the detector and the pose estimator that settings name.

    Args:
        settings: As for an analysis; the detector's least score of a person is lowered to
            `LOWEST_PERSON_SCORE`, since average precision needs the doubtful people too.
        threads: Threads a network may use.
        labelled_boxes: Use the labelled boxes instead of a detector's.

    Raises:
        CheckpointError: If a network cannot be loaded.
        ConfigurationError: If labelled boxes are asked for and the estimator uses no boxes.
    """

    def __init__(self, settings: Settings, *, threads: int, labelled_boxes: bool = False) -> None:
        self._estimator, self.model = load_estimator(settings, threads=threads)
        self._detector = None
        self._labelled_boxes = labelled_boxes
        if labelled_boxes and not self._estimator.uses_person_boxes:
            raise ConfigurationError(
                f"labelled boxes: the estimator {self.model.name} finds people itself; leave them out, or choose topdown"
            )
        if self._estimator.uses_person_boxes and not labelled_boxes:
            least = min(settings.detector.person_score, LOWEST_PERSON_SCORE)
            section = settings.detector.model_copy(update={"person_score": least})
            self._detector = load_detector(
                settings.model_copy(update={"detector": section}), threads=threads
            )[0]

    def __call__(self, image: npt.NDArray[np.uint8], labelled: npt.NDArray[np.float32]) -> Poses:
        """The people of [H, W, 3] uint8 RGB, doubtful ones included.

        Args:
            image: [H, W, 3] uint8, RGB.
            labelled: [P, 4], the labelled boxes in pixels; only looked at where they stand for a detector's.
        """
        if self._labelled_boxes:
            scores = np.ones(len(labelled), np.float32)
            people = Detections(labelled, scores, (PERSON_LABEL,) * len(labelled))
        else:
            people = Detections.empty() if self._detector is None else self._detector.detect(image)
        return self._estimator.estimate(image, people)
