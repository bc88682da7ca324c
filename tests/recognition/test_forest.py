from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier

from activity.errors import CheckpointError
from activity.recognition.forest import LEAF, Forest
from activity.training.recognizer.clip_model import forest_of


def stump(**changes: Any) -> Forest:
    """One question, is feature 1 at most 0.5?, and beside it a tree that always answers half and half."""
    parts: dict[str, Any] = {
        "roots": np.array([0, 3]),
        "features": np.array([1, LEAF, LEAF, LEAF]),
        "thresholds": np.array([0.5, 0, 0, 0]),
        "children": np.array([[1, 2], [0, 0], [0, 0], [0, 0]]),
        "shares": np.array([[0.5, 0.5], [1.0, 0.0], [0.2, 0.8], [0.5, 0.5]]),
        "feature_count": 2,
    }
    return Forest(**{**parts, **changes})


def test_a_value_at_the_threshold_goes_to_the_first_child() -> None:
    answers = stump().probabilities(np.array([[9.0, 0.5], [9.0, 0.51]]))
    np.testing.assert_allclose(answers, [[0.75, 0.25], [0.35, 0.65]])


def test_no_row_has_no_answer() -> None:
    assert stump().probabilities(np.empty((0, 2))).shape == (0, 2)


def drawn(seed: int, classes: int) -> tuple[npt.NDArray[np.float64], ExtraTreesClassifier]:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(60, 6))
    labels = np.concatenate([np.arange(classes), generator.integers(classes, size=60 - classes)])
    trees = ExtraTreesClassifier(
        7, min_samples_leaf=2, max_features=0.5, class_weight="balanced", random_state=seed
    )
    return features, trees.fit(features, labels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 30), classes=st.integers(2, 4))
def test_it_answers_as_scikit_learn_does(seed: int, classes: int) -> None:
    features, trees = drawn(seed, classes)
    forest = forest_of(trees)
    new = np.concatenate([features, features * 3, np.zeros((1, 6))])
    np.testing.assert_allclose(forest.probabilities(new), trees.predict_proba(new), atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"thresholds": np.zeros(3)}, "expected 4 features, thresholds"),
        ({"features": np.array([2, LEAF, LEAF, LEAF])}, "nodes that are not there"),
        ({"children": np.array([[0, 2], [0, 0], [0, 0], [0, 0]])}, "nodes that are not there"),
        ({"children": np.array([[1, 4], [0, 0], [0, 0], [0, 0]])}, "nodes that are not there"),
        ({"roots": np.array([4])}, "nodes that are not there"),
        ({"roots": np.empty(0, np.int64)}, "nodes that are not there"),
        ({"thresholds": np.array([np.nan, 0, 0, 0])}, "nodes that are not there"),
        ({"shares": np.full((4, 2), 0.7)}, "no probabilities"),
        ({"shares": np.array([[0.5, 0.5], [1.5, -0.5], [0.2, 0.8], [0.5, 0.5]])}, "no probabilities"),
    ],
)
def test_a_damaged_forest_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        stump(**changes)


def test_other_features_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"knows 2 features, got \[1, 3\]"):
        stump().probabilities(np.zeros((1, 3)))
