"""What a simple classifier makes of the same segments: the floor that a network must clear to be worth having."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from activity.evaluation.recognition import LabelledVideo, balanced_accuracy
from activity.structures import BODY_PARTS, Tubelet

TREES: Final = 300
_SPEEDS: Final = 2 * len(BODY_PARTS)


def movement_features(video: LabelledVideo) -> npt.NDArray[np.float64]:
    """A clip in numbers that know speed and extent, and no order in time.

    Of each segment the mean and the greatest speed of every body part, the farthest joint, and the share of joints
    seen; of the clip their mean, median and maximum over segments, and how many people and segments there are.

    Returns:
        [38]; zeros for a clip without a segment.
    """
    rows = np.array([_segment_features(tubelet) for tubelet in video.tubelets]).reshape(-1, _SPEEDS + 2)
    pooled = (
        [rows.mean(axis=0), np.median(rows, axis=0), rows.max(axis=0)]
        if len(rows)
        else [np.zeros(3 * (_SPEEDS + 2))]
    )
    return np.concatenate([*pooled, [len(video.people), len(rows)]])


def forest_accuracy(
    videos: Sequence[LabelledVideo], folds: Sequence[tuple[Sequence[int], Sequence[int]]], *, seed: int
) -> float:
    """Balanced accuracy of a random forest on `movement_features` by clip, over folds of (train, test) rows."""
    classes = sorted({video.category for video in videos})
    features = np.stack([movement_features(video) for video in videos])
    truth = np.array([classes.index(video.category) for video in videos])
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for train, test in folds:
        forest = RandomForestClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed)
        forest.fit(features[list(train)], truth[list(train)])
        np.add.at(matrix, (truth[list(test)], forest.predict(features[list(test)])), 1)
    return balanced_accuracy(matrix)


def _segment_features(tubelet: Tubelet) -> list[Any]:
    features: list[Any] = []
    for part in tubelet.grids:  # (2, T, 3, 3)
        present = (part[:, 1:] != 0).any(axis=0) & (part[:, :-1] != 0).any(axis=0)  # (T - 1, 3, 3)
        speeds = np.linalg.norm(np.diff(part, axis=1), axis=0)[present]
        features += [speeds.mean(), speeds.max()] if speeds.size else [0.0, 0.0]
    return [*features, np.abs(tubelet.grids).max(), tubelet.observed]
