"""What simple classifiers make of recorded actions: the floors beside a benchmark's networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from activity.datasets.sequences import SequenceDataset
from activity.evaluation.recognition import balanced_accuracy, confusion_matrix
from activity.training.recognizer.sequences import as_segments, views_of

FRAMES: Final = 12
TREES: Final = 300

Float = npt.NDArray[np.float64]


def measure_floors(dataset: SequenceDataset, *, seed: int = 0) -> dict[str, dict[str, float]]:
    """Accuracy of three classifiers on the flattened joints of twelve frames, on the data set's own folds.

    All see normalised positions and their differences. Training sequences are given mirrored and with the people in
    every order too, and a test sequence's scores are the mean over the same views.

    Returns:
        ``linear`` (ridge regression on the classes), ``forest`` (random forest) and ``svm`` (RBF kernel): each `accuracy` and
        `balanced_accuracy` of all test answers together.
    """
    features = _features(dataset)  # one array [N, F] a view
    labels = np.array([sequence.label for sequence in dataset.sequences])
    models: dict[str, Callable[[], Any]] = {
        "linear": lambda: make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000.0)),
        "forest": lambda: RandomForestClassifier(TREES, random_state=seed),
        "svm": lambda: make_pipeline(
            StandardScaler(), SVC(C=10, gamma="scale", decision_function_shape="ovr")
        ),
    }
    return {name: _measure(make, features, labels, dataset) for name, make in models.items()}


def _features(dataset: SequenceDataset) -> list[Float]:
    segments = as_segments(dataset.sequences, dataset.layout, frames=FRAMES, normalize=True, apart=False)
    rows = []
    for view in views_of(segments.joints, dataset.layout.flip):
        steps = view[:, :, 1:] - view[:, :, :-1]
        rows.append(torch.cat([view.flatten(1), steps.flatten(1)], dim=1).double().numpy())
    return rows


def _measure(
    make: Callable[[], Any],
    features: list[Float],
    labels: npt.NDArray[np.int64],
    dataset: SequenceDataset,
) -> dict[str, float]:
    answers: list[tuple[str, int, int]] = []
    for train, test in dataset.folds:
        model = make()
        learned = list(train)
        model.fit(
            np.concatenate([view[learned] for view in features]), np.tile(labels[learned], len(features))
        )
        score = model.decision_function if hasattr(model, "decision_function") else model.predict_proba
        scores = np.mean([score(view[list(test)]) for view in features], axis=0)
        if scores.ndim == 1:  # two classes have one score
            scores = np.stack([-scores, scores], axis=1)
        chosen = model.classes_[scores.argmax(axis=1)]
        answers += [(str(row), int(labels[row]), int(one)) for row, one in zip(test, chosen, strict=True)]
    matrix = confusion_matrix(answers, len(dataset.classes))[:, : len(dataset.classes)]
    return {
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "balanced_accuracy": balanced_accuracy(matrix),
    }
