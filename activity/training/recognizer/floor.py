"""What simple classifiers make of the same segments: the floors that a network must clear to be worth having."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from activity.evaluation.labelled_videos import (
    LabelledVideo,
)
from activity.evaluation.recognition import (
    balanced_accuracy,
)
from activity.recognition.clip_model import pool_people
from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.structures import BODY_PARTS, Tubelet

TREES: Final = 300
_SPEEDS: Final = 2 * len(BODY_PARTS)

Float = npt.NDArray[np.float64]
Folds = Sequence[tuple[Sequence[int], Sequence[int]]]


def movement_features(video: LabelledVideo) -> Float:
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


def pooled_motion(video: LabelledVideo) -> Float:
    """`motion_features` of a clip: mean, median, maximum and mean of the three greatest over its segments.

    Returns:
        [188]; zeros for a clip without a segment.
    """
    rows = np.array([motion_features(tubelet) for tubelet in video.tubelets])
    return pool_people(rows.reshape(-1, MOTION_FEATURES))


def forest_accuracy(videos: Sequence[LabelledVideo], folds: Folds, *, seed: int) -> float:
    """Balanced accuracy of a random forest on `movement_features` by clip, over folds of (train, test) rows."""
    return _accuracy(
        videos,
        movement_features,
        folds,
        lambda: RandomForestClassifier(TREES, min_samples_leaf=3, class_weight="balanced", random_state=seed),
    )


def linear_accuracy(videos: Sequence[LabelledVideo], folds: Folds) -> float:
    """Balanced accuracy of a logistic regression on the ranks of `pooled_motion` by clip, over folds."""

    def model() -> Any:
        smallest = min(len(train) for train, _ in folds)
        ranks = QuantileTransformer(n_quantiles=min(50, smallest), output_distribution="normal")
        return make_pipeline(ranks, LogisticRegression(C=0.003, class_weight="balanced", max_iter=1000))

    return _accuracy(videos, pooled_motion, folds, model)


def _accuracy(
    videos: Sequence[LabelledVideo],
    features_of: Callable[[LabelledVideo], Float],
    folds: Folds,
    make_model: Callable[[], Any],
) -> float:
    classes = sorted({video.category for video in videos})
    features = np.stack([features_of(video) for video in videos])
    truth = np.array([classes.index(video.category) for video in videos])
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for train, test in folds:
        model = make_model()
        model.fit(features[list(train)], truth[list(train)])
        np.add.at(matrix, (truth[list(test)], model.predict(features[list(test)])), 1)
    return balanced_accuracy(matrix)


def _segment_features(tubelet: Tubelet) -> list[Any]:
    features: list[Any] = []
    for part in tubelet.grids:  # (2, T, 3, 3)
        present = (part[:, 1:] != 0).any(axis=0) & (part[:, :-1] != 0).any(axis=0)  # (T - 1, 3, 3)
        speeds = np.linalg.norm(np.diff(part, axis=1), axis=0)[present]
        features += [speeds.mean(), speeds.max()] if speeds.size else [0.0, 0.0]
    return [*features, np.abs(tubelet.grids).max(), tubelet.observed]
