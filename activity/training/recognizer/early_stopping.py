"""When a training has gone on for long enough."""

from __future__ import annotations

import math

from torch import Tensor, nn


class EarlyStopping:
    """Keeps the weights of the lowest validation loss, and says when it has not fallen for long enough."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience
        self._lowest = math.inf
        self._since = 0
        self._weights: dict[str, Tensor] | None = None

    def is_over(self, network: nn.Module, loss: float) -> bool:
        """Take note of an epoch; without a patience it is never over."""
        if self._patience is None:
            return False
        if loss < self._lowest:
            self._lowest, self._since = loss, 0
            self._weights = {name: value.clone() for name, value in network.state_dict().items()}
        else:
            self._since += 1
        return self._since >= self._patience

    def best(self, network: nn.Module) -> nn.Module:
        """`network` with the weights that were kept; as it is where none were."""
        if self._weights is not None:
            network.load_state_dict(self._weights)
        return network
