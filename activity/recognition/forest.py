"""A forest of decision trees as plain arrays: what `activity train` fits with scikit-learn, and use does without it.

Source: Geurts et al., "Extremely randomized trees" (Machine Learning 63, 2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError

LEAF: Final = -1
_MOST_DEPTH: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T trees of N nodes together, over F features and C classes.

    Attributes:
        roots: [T] int64, the first node of each tree.
        features: [N] int64, which feature a node asks for, `LEAF` for a leaf.
        thresholds: [N] float64: values up to it go to the first child, greater ones to the second.
        children: [N, 2] int64; of a leaf without meaning.
        shares: [N, C] float64, class probabilities of a leaf; of other nodes without meaning.
        feature_count: F.

    Raises:
        CheckpointError: If shapes do not fit each other, a node or feature does not exist, a child does not lie behind its
            parent, or shares are no probabilities.
    """

    roots: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    thresholds: npt.NDArray[np.float64]
    children: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    feature_count: int

    def __post_init__(self) -> None:
        count = len(self.features)
        shapes = (self.features.shape, self.thresholds.shape, self.children.shape, self.shares.shape[:1])
        if (
            shapes != ((count,), (count,), (count, 2), (count,))
            or self.shares.ndim != 2
            or self.roots.ndim != 1
        ):
            raise CheckpointError(
                f"forest: expected {count} features, thresholds, pairs of children and rows of shares, got {shapes}; "
                "take an intact copy or train it again"
            )
        inner = np.flatnonzero(self.features != LEAF)
        leaves = self.features == LEAF
        if (
            not len(self.roots)
            or (self.features < LEAF).any()
            or (self.features >= self.feature_count).any()
            or ((self.roots < 0) | (self.roots >= count)).any()
            or (self.children[inner] <= inner[:, None]).any()
            or (self.children[inner] >= count).any()
            or not np.isfinite(self.thresholds).all()
        ):
            raise CheckpointError(
                f"forest: its {count} nodes ask for features or lead to nodes that are not there; take an intact copy or "
                "train it again"
            )
        total = self.shares[leaves].sum(axis=1)
        if not np.allclose(total, 1, atol=1e-4) or (self.shares[leaves] < 0).any():
            raise CheckpointError(
                "forest: the shares of a leaf are no probabilities; take an intact copy or train it again"
            )

    def probabilities(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Mean over the trees of the shares of the leaf that each row falls into.

        Args:
            values: [M, F].

        Returns:
            [M, C].

        Raises:
            CheckpointError: If F is another.
        """
        if values.ndim != 2 or values.shape[1] != self.feature_count:
            raise CheckpointError(
                f"forest: knows {self.feature_count} features, got {list(values.shape)}; train it again"
            )
        # Trees are grown on 32-bit values: thresholds lie between those.
        exact = values.astype(np.float32).astype(np.float64)
        rows = np.arange(len(exact))[:, None]
        nodes = np.tile(self.roots, (len(exact), 1))  # (M, T)
        for _ in range(_MOST_DEPTH):  # children lie behind their parents, so every path ends
            asked = self.features[nodes]
            open_nodes = asked != LEAF
            if not open_nodes.any():
                break
            right = exact[rows, np.maximum(asked, 0)] > self.thresholds[nodes]
            nodes = np.where(open_nodes, self.children[nodes, right.astype(np.int64)], nodes)
        result: npt.NDArray[np.float64] = self.shares[nodes].mean(axis=1)
        return result
