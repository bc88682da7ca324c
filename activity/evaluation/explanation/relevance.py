"""How much each tubelet of a segment mattered, by attention and by taking it away.

References:
    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020: attention roll-out.
    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014: occlusion.
    Jain and Wallace, "Attention is not Explanation", NAACL 2019: why the two are held against each other.

Shapes: P = 5 body parts, n tubelets a part, T frames, L layers, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from activity.recognition.bptubeformer import GRID_SIDE, BPTubeFormerConfig
from activity.structures import BODY_PARTS, AttentionMap

_BOOTSTRAP_SAMPLES: Final = 2000
_FEWEST_GROUPS: Final = 3

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two rankings of the tubelets agree.

    Attributes:
        correlation: Spearman's rank correlation in [-1, 1], the mean over segments; `None` where no segment has one.
        interval: 95 % of a bootstrap over groups, or `None` where there are fewer than three.
        segments: Segments in the mean.
        groups: What the bootstrap draws: people, as segments of one person are no independent witnesses.
    """

    correlation: float | None
    interval: tuple[float, float] | None
    segments: int
    groups: int


def rollout(weights: npt.ArrayLike) -> Array:
    """Follow attention through the layers: half of a token's next value is attention, half is the token itself.

    Args:
        weights: [L, H, N, N], rows sum to 1.

    Returns:
        [N, N]: row i says how much of each input token is in output token i; rows sum to 1.
    """
    layers = np.asarray(weights, dtype=np.float64).mean(axis=1)
    flow = np.eye(layers.shape[-1])
    for layer in layers:
        flow = (layer + np.eye(len(layer))) / 2 @ flow
    return np.asarray(flow, dtype=np.float64)


def part_relevance(attention: AttentionMap) -> Array:
    """Share of each body part in the class token by roll-out, [5]; sums to 1."""
    shares = rollout(attention.body_parts)[0, 1:]
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def tubelet_relevance(attention: AttentionMap) -> Array:
    """Share of each tubelet in the class token by roll-out through both transformers, [5, n]; sums to 1.

    All of a part's output tubelets make up the part's token, each a slice of it, so their roll-outs are averaged.
    """
    within = np.stack([rollout(part).mean(axis=0) for part in attention.tubelets])
    return np.asarray(part_relevance(attention)[:, None] * within, dtype=np.float64)


def tubelet_frames(config: BPTubeFormerConfig) -> list[tuple[int, int]]:
    """First and last frame (from 0, both inside) that each of the n tubelets covers."""
    return [(start, start + config.kernel[0] - 1) for start, _, _ in _places(config)]


def occlude(grids: npt.NDArray[np.float32], config: BPTubeFormerConfig) -> npt.NDArray[np.float32]:
    """Every segment that lacks one tubelet: its cells are 0, as if the part's joints had not been found there.

    Args:
        grids: [5, 2, T, 3, 3].
        config: Of the network.

    Returns:
        [5 n, 5, 2, T, 3, 3], tubelets of the first part first.
    """
    places = _places(config)
    masked = np.repeat(grids[None], len(BODY_PARTS) * len(places), axis=0)
    time, rows, columns = config.kernel
    for part in range(len(BODY_PARTS)):
        for index, (t, row, column) in enumerate(places):
            copy = masked[part * len(places) + index]
            copy[part, :, t : t + time, row : row + rows, column : column + columns] = 0
    return masked


def occlusion_drops(
    grids: npt.NDArray[np.float32],
    config: BPTubeFormerConfig,
    *,
    logits: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    label: int,
) -> Array:
    """What the answer loses without each tubelet.

    Args:
        grids: [5, 2, T, 3, 3].
        config: Of the network.
        logits: The network, [B, 5, 2, T, 3, 3] to [B, C].
        label: Index of the class whose log-odds are followed; they do not saturate as probabilities do.

    Returns:
        [5, n]: log-odds of the class with the whole segment, less those without the tubelet. Above 0 the tubelet
        spoke for the class, under 0 against it.
    """
    answers = logits(np.concatenate([grids[None], occlude(grids, config)])).astype(np.float64)
    others = np.delete(answers, label, axis=1)
    peak = others.max(axis=1)
    odds = answers[:, label] - peak - np.log(np.exp(others - peak[:, None]).sum(axis=1))
    return np.asarray((odds[0] - odds[1:]).reshape(len(BODY_PARTS), -1), dtype=np.float64)


def rank_correlation(relevance: Array, drops: Array) -> float | None:
    """Spearman's correlation of attention with the size of the drops; `None` where either does not vary."""
    sizes = np.abs(drops).ravel()
    if np.ptp(sizes) == 0 or np.ptp(relevance) == 0:
        return None
    return float(spearmanr(relevance.ravel(), sizes).statistic)


def agreement(
    correlations: Sequence[float | None], groups: Sequence[int | str], *, seed: int = 0
) -> Agreement:
    """Mean rank correlation over segments, with a bootstrap over whole groups.

    Args:
        correlations: One a segment; `None` is left out.
        groups: Whose segment it is.
        seed: Of the bootstrap.
    """
    by_group: dict[int | str, list[float]] = {}
    for value, group in zip(correlations, groups, strict=True):
        if value is not None:
            by_group.setdefault(group, []).append(value)
    values = [value for members in by_group.values() for value in members]
    if not values:
        return Agreement(None, None, 0, 0)
    interval = None
    if len(by_group) >= _FEWEST_GROUPS:
        sums = np.array([[sum(members), len(members)] for members in by_group.values()])
        draws = np.random.default_rng(seed).integers(len(sums), size=(_BOOTSTRAP_SAMPLES, len(sums)))
        totals = sums[draws].sum(axis=1)
        low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
        interval = (float(low), float(high))
    return Agreement(float(np.mean(values)), interval, len(values), len(by_group))


def _places(config: BPTubeFormerConfig) -> list[tuple[int, int, int]]:
    """First frame, row and column of each tubelet, in the network's order: time first."""
    starts = [
        range(0, side - kernel + 1, stride)
        for side, kernel, stride in zip(
            (config.frames, GRID_SIDE, GRID_SIDE), config.kernel, config.stride, strict=True
        )
    ]
    return [(t, row, column) for t in starts[0] for row in starts[1] for column in starts[2]]
