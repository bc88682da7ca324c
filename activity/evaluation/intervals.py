"""Intervals for shares that were counted."""

from __future__ import annotations

import math
from typing import Final

Z_95: Final = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


def wilson_interval(hits: int, trials: int, *, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a share.

    Args:
        hits: How often it happened.
        trials: How often it could have.
        z: Half width in standard deviations.

    Returns:
        Lower and upper end in [0, 1]; the whole of [0, 1] where there was no trial.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927), equation 10.

    >>> [round(end, 4) for end in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"hits: expected 0 to {trials}, got {hits}")
    if trials == 0:
        return 0.0, 1.0
    share = hits / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    middle, scale = share + z**2 / (2 * trials), 1 + z**2 / trials
    low, high = (middle - spread) / scale, (middle + spread) / scale
    # Rounding must not leave a share of 0 or 1 outside.
    return (0.0 if hits == 0 else low), (1.0 if hits == trials else high)
