from __future__ import annotations

import numpy as np
import pytest

from activity.errors import StructureError
from activity.evaluation.calibration import expected_calibration_error, fit_temperature
from activity.evaluation.recognition import measure_answers, spread
from activity.recognition.temperature import apply_temperature


def test_the_error_is_the_mean_gap_between_confidence_and_accuracy() -> None:
    # four answers of confidence 0.8, three right; two of confidence 0.6, none right
    probabilities = np.array([[0.8, 0.2]] * 4 + [[0.4, 0.6]] * 2)
    truth = np.array([0, 0, 0, 1, 0, 0])
    wanted = (4 * abs(0.75 - 0.8) + 2 * abs(0 - 0.6)) / 6
    assert expected_calibration_error(probabilities, truth) == pytest.approx(wanted)


def test_answers_that_are_certain_and_right_have_no_error() -> None:
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0


def test_the_temperature_of_answers_that_are_too_sure_is_found_again() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 3)) * 2
    honest = apply_temperature(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1.0)
    truth = np.array([generator.choice(3, p=row) for row in honest])
    assert fit_temperature(apply_temperature(honest, 1 / 3), truth) == pytest.approx(3, rel=0.08)
    assert fit_temperature(honest, truth) == pytest.approx(1, rel=0.08)


def test_a_temperature_of_one_changes_nothing_and_a_high_one_flattens() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities)
    np.testing.assert_allclose(apply_temperature(probabilities, 1e6), [[1 / 3] * 3], atol=1e-4)


@pytest.mark.parametrize("function", [expected_calibration_error, fit_temperature])
def test_nothing_to_measure_is_an_error(function: object) -> None:
    with pytest.raises(StructureError, match="calibration: expected"):
        function(np.zeros((0, 2)), np.zeros(0, int))  # type: ignore[operator]


def test_answers_are_measured_by_class_too() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.4, 0]])
    figures = measure_answers(probabilities, np.array([0, 0, 1, 1]), ("a", "b", "c"))
    assert figures["accuracy"] == 0.75
    assert figures["balanced_accuracy"] == 0.75
    assert figures["recall"] == {"a": 1.0, "b": 0.5, "c": None}
    assert figures["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert figures["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert figures["n"] == 4
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.9, 0.8, 0.4]).mean())


def test_the_spread_is_that_of_the_values() -> None:
    assert spread([0.9, 1.0]) == {
        "values": [0.9, 1.0],
        "mean": pytest.approx(0.95),
        "standard_deviation": pytest.approx(0.05),
    }
