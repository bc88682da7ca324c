"""Whether a probability means what it says, and the one number that mends much of it.

Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from activity.errors import StructureError
from activity.recognition.temperature import apply_temperature

BINS: Final = 10


def expected_calibration_error(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.integer], *, bins: int = BINS
) -> float:
    """Mean distance between confidence and accuracy over equal bins of confidence, weighted by their counts.

    Args:
        probabilities: [N, C], rows sum to 1.
        truth: [N], index of the true class.
        bins: How many.

    Raises:
        StructureError: If the shapes do not fit or there is nothing to measure.

    >>> p = np.array([[0.9, 0.1], [0.9, 0.1]])
    >>> round(expected_calibration_error(p, np.array([0, 1])), 6)  # 0.9 sure, right half of the time
    0.4
    """
    if probabilities.ndim != 2 or len(probabilities) != len(truth) or not len(truth):
        raise StructureError(
            f"calibration: expected [N, C] and [N], got {probabilities.shape}, {truth.shape}"
        )
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    total = 0.0
    for one in range(bins):
        inside = place == one
        if inside.any():
            total += int(inside.sum()) * abs(float(right[inside].mean()) - float(confidence[inside].mean()))
    return total / len(truth)


def fit_temperature(probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.integer]) -> float:
    """The temperature in [0.05, 20] by which logits are divided for the least negative log likelihood.

    Args:
        probabilities: [N, C], rows sum to 1: their logarithms serve as logits.
        truth: [N], index of the true class.

    Raises:
        StructureError: If the shapes do not fit or there is nothing to fit to.
    """
    if probabilities.ndim != 2 or len(probabilities) != len(truth) or not len(truth):
        raise StructureError(
            f"calibration: expected [N, C] and [N], got {probabilities.shape}, {truth.shape}"
        )

    def loss(log_temperature: float) -> float:
        tempered = apply_temperature(probabilities, float(np.exp(log_temperature)))
        return -float(np.log(np.maximum(tempered[np.arange(len(truth)), truth], 1e-12)).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(best.x))
