"""What a fire classifier is told of its mistakes: about the picture, and about the cells whose truth is known."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from activity.training.fire.networks import FireOutput

_BURNING_CELL: Final = 0.4  # share of a cell inside exactly outlined flames


class FireLoss(NamedTuple):
    """Parts of the loss.

    Attributes:
        total: What is minimised.
        picture: Cross entropy of the pictures.
        quiet: Of the cells where nothing burns, each weighed by how wrong it is (focal, arXiv:1708.02002).
        burning: Cross entropy of the cells inside exactly outlined flames.
    """

    total: Tensor
    picture: Tensor
    quiet: Tensor
    burning: Tensor


def fire_loss(
    output: FireOutput,
    *,
    burns: Float[Tensor, " B"],
    cells: Float[Tensor, "B h w"] | None,
    is_sure: Bool[Tensor, " B"],
) -> FireLoss:
    """Compare what a network says with the truth.

    Boxes around flames are loose: cells outside them do not burn, of those inside the picture's own loss asks
    that some do.

    Args:
        output: Of B pictures.
        burns: 1 where a picture burns, 0 elsewhere.
        cells: Share of each cell inside flames or boxes, negative where unknown; `None` for a network whose cells
            are an explanation, not an answer.
        is_sure: Whether a picture's cells outline flames exactly.
    """
    picture = functional.binary_cross_entropy_with_logits(output.logits, burns)
    nothing = torch.zeros_like(picture)
    if cells is None:
        return FireLoss(picture, picture, nothing, nothing)
    quiet_cells = cells == 0
    wrong = functional.softplus(output.cells) * output.cells.sigmoid()
    quiet = (wrong * quiet_cells).sum() / quiet_cells.sum().clamp(min=1)
    burning_cells = (cells >= _BURNING_CELL) & is_sure[:, None, None]
    missed = functional.softplus(-output.cells)
    burning = (missed * burning_cells).sum() / burning_cells.sum().clamp(min=1)
    return FireLoss(picture + 4 * quiet + 0.3 * burning, picture, quiet, burning)
