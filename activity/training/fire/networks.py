"""The two fire classifiers: cells of a detector's backbone pooled over the picture, and the CSIS classifier.

Both map RGB in 0-255 to one logit a picture and to a map of how much each cell speaks for fire.

References:
    Moura et al., "Detection of weapon possession and fire in Public Safety surveillance cameras", section 4.2:
        FireDetectionNet with full convolutions in place of separable ones.
    Rosebrock, "Fire and smoke detection with Keras and Deep Learning", 2019: the layers of FireDetectionNet.
    Selvaraju et al., "Grad-CAM", arXiv:1610.02391, equations 1 and 2.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from activity.networks.yolox import ConvUnit, YoloxBackbone

LOUDEST_CELLS: Final = 4
"""How many cells speak for the picture: a fire of about two cells across is as sure as a great one."""
CSIS_SIDE: Final = 128


class FireOutput(NamedTuple):
    """What a classifier says of B pictures.

    Attributes:
        logits: [B], of fire.
        cells: [B, h, w]: logits of the cells, or a Grad-CAM in [0, 1].
    """

    logits: Float[Tensor, " B"]
    cells: Float[Tensor, "B h w"]


class FireActivationNetwork(nn.Module):
    """Every cell of 16x16 pixels says whether it burns there; the loudest four speak for the picture.

    The activation map is the answer's own evidence, not an explanation found afterwards.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = YoloxBackbone()
        self.mix = ConvUnit(128, 64, 1)
        self.spread = ConvUnit(64, 64, 3, groups=64)
        self.drop = nn.Dropout2d(0.2)
        self.cell_logit = nn.Conv2d(64, 1, 1)
        nn.init.constant_(self.cell_logit.bias, -3.0)  # type: ignore[arg-type]  # fires are rare

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> FireOutput:
        """Look at pictures whose sides are multiples of 32."""
        features = self.spread(
            self.mix(self.backbone.middle_features(images.flip(1)))
        )  # the backbone reads BGR
        cells = self.cell_logit(self.drop(features))[:, 0]
        return FireOutput(cells.flatten(1).topk(LOUDEST_CELLS, 1).values.mean(1), cells)


class FireDetectionNet(nn.Module):
    """The CSIS classifier: five convolutions and two dense layers on 128x128 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_unit(3, 16, 7),
            nn.MaxPool2d(2),
            *_unit(16, 32, 3),
            nn.MaxPool2d(2),
            *_unit(32, 64, 3),
            *_unit(64, 64, 3),
            nn.MaxPool2d(2),
        )
        self.first, self.first_norm = nn.Linear(64 * 16 * 16, 128), nn.BatchNorm1d(128)
        self.second, self.second_norm = nn.Linear(128, 128), nn.BatchNorm1d(128)
        self.drop = nn.Dropout(0.5)
        self.classes = nn.Linear(128, 2)

    def forward(self, images: Float[Tensor, "B 3 128 128"]) -> FireOutput:
        """Look at pictures of 128x128; in evaluation the cells are a Grad-CAM, in training zeros."""
        features = self.features(images / 255)
        first = self.first(features.flatten(1))
        second = self.second(self.drop(self.first_norm(functional.relu(first))))
        scores = self.classes(self.drop(self.second_norm(functional.relu(second))))
        logits = scores[:, 1] - scores[:, 0]
        if self.training:
            return FireOutput(logits, torch.zeros_like(features[:, 0]))
        return FireOutput(logits, self._grad_cam(features, first > 0, second > 0))

    def _grad_cam(self, features: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Grad-CAM with the gradient written out, so that it can be exported: every layer is piecewise linear.

        Args:
            features: [B, 64, 16, 16].
            first: [B, 128], which units of the first dense layer are active.
            second: [B, 128], likewise.
        """
        gradient = self.classes.weight[1] - self.classes.weight[0]
        gradient = (gradient * _slope(self.second_norm) * second) @ self.second.weight
        gradient = (gradient * _slope(self.first_norm) * first) @ self.first.weight
        weights = gradient.reshape(features.shape).mean((2, 3), keepdim=True)
        cells = functional.relu((weights * features).sum(1))
        return cells / cells.amax((1, 2), keepdim=True).clamp(min=1e-6)


class CalibratedFire(nn.Module):
    """A classifier with its logits turned into probabilities, as it is exported.

    Args:
        network: Either classifier.
        scale: Platt's slope.
        offset: Platt's intercept: probability = sigmoid(scale logit + offset).
    """

    def __init__(
        self, network: FireActivationNetwork | FireDetectionNet, *, scale: float, offset: float
    ) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.offset = offset

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, Tensor]:
        """Return the probabilities, [B], and the activation maps, [B, h, w], both in [0, 1]."""
        output = self.network(images)
        cells = output.cells
        if isinstance(self.network, FireActivationNetwork):
            cells = (self.scale * cells + self.offset).sigmoid()
        return (self.scale * output.logits + self.offset).sigmoid(), cells


def _slope(norm: nn.BatchNorm1d) -> Tensor:
    """What a normalisation in evaluation multiplies by."""
    assert norm.running_var is not None  # noqa: S101  # it tracks them
    return norm.weight / torch.sqrt(norm.running_var + norm.eps)


def _unit(channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.BatchNorm2d(out_channels),
    ]
