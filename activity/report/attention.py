"""Attention of the recogniser, reduced to what a person can read: which body parts, and when.

Attention says where the network looked. It is not proof of a cause, and reports say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from activity.structures import BODY_PARTS, ActivityScore, AttentionMap


def tubelet_weights(attention: AttentionMap) -> npt.NDArray[np.float32]:
    """How much each body part's encoder looks at each tubelet in its last layer.

    Returns:
        [5, n], mean over heads and over query tubelets; every row sums to 1.
    """
    return np.asarray(attention.tubelets[:, -1].mean(axis=(1, 2)), dtype=np.float32)


def mean_part_weights(activities: Sequence[ActivityScore]) -> npt.NDArray[np.float32] | None:
    """Mean over segments of the class token's weight on each body part.

    Returns:
        [5], sums to 1, in the order of `BODY_PARTS`; `None` where no segment carries attention.
    """
    maps = [score.attention.part_weights() for score in activities if score.attention is not None]
    return np.asarray(np.mean(maps, axis=0), dtype=np.float32) if maps else None


def attention_over_time(
    activities: Sequence[ActivityScore], *, start_s: float, end_s: float, bins: int
) -> npt.NDArray[np.float32] | None:
    """Attention on each body part through time, over all segments of one person.

    The weight of part p on tubelet t of a segment is the class token's weight on the part times the
    part's own weight on the tubelet, times 5 n: 1 is an even share. Where segments overlap, their mean.

    Args:
        activities: Segments of one person.
        start_s: Time at which the first bin begins, in seconds.
        end_s: Time at which the last bin ends.
        bins: Number of bins of equal length.

    Returns:
        [5, bins]; NaN in bins that no segment covers. `None` where no segment carries attention.
    """
    total = np.zeros((len(BODY_PARTS), bins))
    counts = np.zeros(bins)
    edges = np.linspace(start_s, max(end_s, start_s + 1e-6), bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    for score in activities:
        if score.attention is None:
            continue
        within = tubelet_weights(score.attention)
        tubelets = within.shape[1]
        weights = score.attention.part_weights()[:, None] * within * len(BODY_PARTS) * tubelets
        length_s = max(score.end_s - score.start_s, 1e-6)
        position = (middles - score.start_s) / length_s
        half_bin = (edges[1] - edges[0]) / 2 / length_s  # a segment shorter than a bin still fills one
        covered = (position >= -half_bin) & (position <= 1 + half_bin)
        index = np.clip((position[covered] * tubelets).astype(int), 0, tubelets - 1)
        total[:, covered] += weights[:, index]
        counts += covered
    if not counts.any():
        return None
    empty = np.full_like(total, np.nan)
    return np.asarray(np.divide(total, counts, out=empty, where=counts > 0), dtype=np.float32)
