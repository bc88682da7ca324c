"""Probabilities made softer or sharper, so that they are right as often as they say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def apply_temperature(probabilities: npt.NDArray[np.floating], temperature: float) -> npt.NDArray[np.float64]:
    """Soften (above 1) or sharpen (below 1) probabilities [N, C] as a division of their logits does.

    The order of the classes stays. Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017).
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-12)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    weights = np.exp(logits)
    tempered: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return tempered
