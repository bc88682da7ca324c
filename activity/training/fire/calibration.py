"""Turn logits into probabilities that mean what they say: Platt scaling, by scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from activity.errors import DatasetError

Float = npt.NDArray[np.float64]


def fit_platt(logits: Float, burns: npt.NDArray[np.bool_], scenes: Sequence[str]) -> tuple[float, float]:
    """Fit probability = sigmoid(scale logit + offset), as if half of all scenes burnt.

    Every scene weighs the same within its class, however many pictures show it, and both classes weigh the same.
    The targets are Platt's, which keep a separable set from an infinite slope (Platt 1999, "Probabilistic outputs
    for support vector machines", section 2.2).

    Args:
        logits: [N].
        burns: [N].
        scenes: N names of the scenes.

    Returns:
        Scale, at least 0.05, and offset.

    Raises:
        DatasetError: If one of the classes is empty.
    """
    if burns.all() or not burns.any():
        raise DatasetError(
            f"calibration: expected pictures with and without fire, got {burns.sum()} of {len(burns)}"
        )
    names = np.array(scenes)
    weights = np.zeros(len(logits))
    targets = np.zeros(len(logits))
    for value in (False, True):
        mine = burns == value
        kinds, inverse, counts = np.unique(names[mine], return_inverse=True, return_counts=True)
        weights[mine] = 0.5 / (len(kinds) * counts[inverse])
        targets[mine] = (len(kinds) + 1) / (len(kinds) + 2) if value else 1 / (len(kinds) + 2)

    def cost(parameters: Float) -> float:
        z = parameters[0] * logits + parameters[1]
        return float((weights * (np.logaddexp(0, z) - targets * z)).sum())

    found = minimize(cost, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.05, 20.0), (-50.0, 50.0)])
    return float(found.x[0]), float(found.x[1])
