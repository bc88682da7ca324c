"""The temperature of the model of whole clips, fitted to folds that were not learned from."""

from __future__ import annotations

import numpy as np
import pytest

from activity.recognition.temperature import apply_temperature
from activity.training.recognizer.clip_calibration import FoldVotes, calibrate


def unsure_votes(seed: int, fold: int, *, clips: int = 4000) -> FoldVotes:
    """Votes that are right as often as a temperature of a third would make them say."""
    generator = np.random.default_rng([seed, fold])
    right = generator.uniform(0.02, 0.98, clips)
    honest = np.stack([right, 1 - right], axis=1)
    truth = (generator.uniform(size=clips) >= right).astype(np.int64)
    return FoldVotes(seed, fold, apply_temperature(honest, 3.0), truth)


def test_unsure_votes_are_sharpened_until_they_are_honest() -> None:
    figures = calibrate([unsure_votes(0, 0), unsure_votes(0, 1), unsure_votes(1, 0), unsure_votes(1, 1)])
    assert figures["temperature"] == pytest.approx(1 / 3, rel=0.08)
    assert figures["ece_of_votes"] > 0.1
    assert figures["ece"] < 0.03
    assert figures["log_loss"] < figures["log_loss_of_votes"]


def test_a_fold_is_judged_by_the_temperature_of_the_others_of_its_seed() -> None:
    """Each fold alone would be sharpened; the other fold of its seed is never right, so it is softened instead."""
    sure = np.tile([[0.8, 0.2]], (50, 1))
    votes = [FoldVotes(0, 0, sure, np.zeros(50, int)), FoldVotes(0, 1, sure, np.ones(50, int))]
    figures = calibrate(votes)
    # with 20, the highest temperature, the first fold says 0.517; with 0.05, the lowest, the second is sure and wrong
    softened, sharpened = (apply_temperature(sure[:1], t)[0] for t in (20, 0.05))
    expected = -(np.log(softened[0]) + np.log(max(sharpened[1], 1e-12))) / 2
    assert figures["log_loss"] == pytest.approx(expected, rel=0.01)


def test_a_single_fold_has_no_other_to_go_by() -> None:
    figures = calibrate([unsure_votes(0, 0)])
    assert figures["ece"] == figures["ece_of_votes"]
