"""`ActivityScore` and `AttentionMap`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import StructureError
from activity.structures import ActivityScore, AttentionMap


def score(**change: Any) -> ActivityScore:
    fields: dict[str, Any] = {
        "track_id": 3,
        "start_s": 0.0,
        "end_s": 0.8,
        "classes": ("Fighting", "Normal"),
        "probabilities": [0.75, 0.25],
    }
    return ActivityScore(**{**fields, **change})


def uniform(*shape: int) -> npt.NDArray[np.float32]:
    return np.full(shape, 1 / shape[-1], np.float32)


def test_the_label_is_the_most_probable_class() -> None:
    assert (score().label, score().score) == ("Fighting", 0.75)
    assert score(probabilities=[0.25, 0.75]).label == "Normal"


def test_the_first_class_wins_a_tie() -> None:
    assert score(probabilities=[0.5, 0.5]).label == "Fighting"


def test_probability_of_a_known_and_of_an_unknown_class() -> None:
    assert score().probability("Normal") == 0.25
    assert score().probability("Arson") == 0.0


def test_probabilities_are_stored_read_only() -> None:
    assert not score().probabilities.flags.writeable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [1.0]}, r"probabilities: expected shape \[2\], got \[1\]"),
        ({"probabilities": [0.5, 0.6]}, "probabilities: expected a sum of 1, got 1.1"),
        ({"probabilities": [1.5, -0.5]}, r"probabilities: expected values in \[0, 1\], got -0.5 to 1.5"),
        ({"probabilities": [math.nan, 1]}, "probabilities: 1 of 2 values are NaN"),
        ({"classes": ("Normal", "Normal")}, "classes: expected distinct names"),
        ({"classes": (), "probabilities": []}, "classes: expected at least one"),
        ({"start_s": 1.0}, "activity of track 3: expected finite start_s <= end_s, got 1.0 and 0.8"),
        ({"end_s": math.nan}, "activity of track 3"),
    ],
)
def test_a_score_that_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StructureError, match=message):
        score(**change)


def test_part_weights_are_those_of_the_class_token_in_the_last_layer() -> None:
    body_parts = uniform(2, 2, 6, 6).copy()
    # last layer, class token: the two heads look at themselves by 0.5 and 0, and else at torso, or at wrists
    body_parts[1, 0, 0] = [0.5, 0.5, 0, 0, 0, 0]
    body_parts[1, 1, 0] = [0, 0.5, 0, 0.5, 0, 0]
    weights = AttentionMap(body_parts, uniform(5, 1, 1, 3, 3)).part_weights()
    np.testing.assert_allclose(weights, [2 / 3, 0, 1 / 3, 0, 0], rtol=1e-6)


def test_averaged_attention_is_the_mean_of_the_last_layer_s_heads() -> None:
    body_parts = uniform(2, 2, 6, 6).copy()
    body_parts[1, 0, 0] = [0.5, 0.5, 0, 0, 0, 0]
    body_parts[1, 1, 0] = [0, 0.5, 0, 0.5, 0, 0]
    tubelets = uniform(5, 2, 2, 3, 3).copy()
    tubelets[4, 1, 0, 2] = [1, 0, 0]
    full = AttentionMap(body_parts, tubelets)
    averaged = full.averaged()
    np.testing.assert_allclose(averaged.body_parts[0, 0, 0], [0.25, 0.5, 0, 0.25, 0, 0])
    np.testing.assert_allclose(averaged.tubelets[4, 0, 0, 2], [2 / 3, 1 / 6, 1 / 6], rtol=1e-6)
    np.testing.assert_allclose(averaged.part_weights(), full.part_weights(), rtol=1e-6)
    assert averaged.tubelets.shape == (5, 1, 1, 3, 3)


def test_part_weights_are_equal_where_the_class_token_looks_at_itself_alone() -> None:
    body_parts = uniform(1, 1, 6, 6).copy()
    body_parts[0, 0, 0] = [1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(AttentionMap(body_parts, uniform(5, 1, 1, 3, 3)).part_weights(), 0.2)


@pytest.mark.parametrize(
    ("body_parts", "tubelets", "message"),
    [
        (uniform(1, 1, 5, 5), uniform(5, 1, 1, 3, 3), r"body_parts: expected shape \[any, any, 6, 6\]"),
        (uniform(1, 1, 6, 6), uniform(4, 1, 1, 3, 3), r"tubelets: expected shape \[5, any, any, any, any\]"),
        (uniform(1, 1, 6, 6) * 2, uniform(5, 1, 1, 3, 3), "body_parts: expected rows that sum to 1, got 2.0"),
        (uniform(1, 1, 6, 6), uniform(5, 1, 1, 3, 3) / 2, "tubelets: expected rows that sum to 1, got 0.5"),
        (uniform(1, 1, 6, 6) * math.nan, uniform(5, 1, 1, 3, 3), "body_parts: 36 of 36 values are NaN"),
        (uniform(0, 1, 6, 6), uniform(5, 1, 1, 3, 3), "body_parts: expected at least one layer and head"),
        (
            uniform(1, 1, 6, 6),
            uniform(5, 1, 1, 3, 2),
            r"tubelets: expected square maps, got \[5, 1, 1, 3, 2\]",
        ),
        (uniform(1, 1, 6, 6), uniform(5, 0, 1, 3, 3), "tubelets: expected at least one layer and head"),
    ],
)
def test_an_attention_map_that_does_not_fit_is_refused(
    body_parts: npt.NDArray[np.float32], tubelets: npt.NDArray[np.float32], message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        AttentionMap(body_parts, tubelets)
