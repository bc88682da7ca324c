"""How much surer the model of whole clips may be than its votes, by clips of sources that it did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.evaluation.calibration import expected_calibration_error, fit_temperature
from activity.recognition.temperature import apply_temperature


@dataclass(frozen=True, slots=True, eq=False)
class FoldVotes:
    """What a model that was fitted without a fold says of it.

    Attributes:
        seed: Of the folds.
        fold: Number of the fold among those of the seed.
        probabilities: [N, C], mean votes.
        truth: [N], index of the true class.
    """

    seed: int
    fold: int
    probabilities: npt.NDArray[np.float64]
    truth: npt.NDArray[np.int64]


def calibrate(votes: Sequence[FoldVotes]) -> dict[str, float]:
    """The temperature that suits all folds, and how well each fold is served by that of the others of its seed.

    Returns:
        `temperature`; `ece` and `log_loss` with the temperature of the other folds, `ece_of_votes` and
        `log_loss_of_votes` without any.
    """
    plain = np.concatenate([fold.probabilities for fold in votes])
    truth = np.concatenate([fold.truth for fold in votes])
    tempered = np.concatenate(
        [apply_temperature(fold.probabilities, _temperature_beside(votes, fold)) for fold in votes]
    )
    return {
        "temperature": fit_temperature(plain, truth),
        "ece": expected_calibration_error(tempered, truth),
        "ece_of_votes": expected_calibration_error(plain, truth),
        "log_loss": _log_loss(tempered, truth),
        "log_loss_of_votes": _log_loss(plain, truth),
    }


def _temperature_beside(votes: Sequence[FoldVotes], fold: FoldVotes) -> float:
    others = [other for other in votes if other.seed == fold.seed and other.fold != fold.fold]
    if not others:
        return 1.0
    return fit_temperature(
        np.concatenate([other.probabilities for other in others]),
        np.concatenate([other.truth for other in others]),
    )


def _log_loss(probabilities: npt.NDArray[np.float64], truth: npt.NDArray[np.int64]) -> float:
    return -float(np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean())
