"""What an OpenPifPaf network is trained on: rendered scenes, and pictures of real people where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from activity.pose.openpifpaf import normalize_image
from activity.training.openpifpaf.config import OpenPifPafConfig
from activity.training.openpifpaf.photographs import Photographs
from activity.training.openpifpaf.samples import FieldEncoder, RenderedFields, relight

MEASURED_CUTS: Final = 64
"""Cuts of sources kept apart on which vectors are measured."""

Sample = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class TrainingFields(Dataset[Sample]):
    """Sample number n of a run: a normalised image, its CIF and its CAF target.

    Args:
        config: The run.
        head_metas: OpenPifPaf's CIF and CAF descriptions, with their strides.
        photographs: Pictures of real people, if any; `photographs.share` of the samples are cut from them.
        folder: Where rendered scenes are kept.
        first: Number of the first sample.
        end: One past the number of the last sample.
    """

    def __init__(
        self,
        config: OpenPifPafConfig,
        head_metas: list[Any],
        *,
        photographs: Photographs | None,
        folder: Path,
        first: int,
        end: int,
    ) -> None:
        self._rendered = RenderedFields(config, head_metas, folder=folder, first=first, end=end)
        self._encoder = FieldEncoder(head_metas)
        self._config, self._photographs, self._first = config, photographs, first

    def __len__(self) -> int:
        return len(self._rendered)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self._config.seed, self._first + index, 1))
        if self._photographs is None or rng.random() >= self._photographs.share:
            return self._rendered[index]
        cv2.setNumThreads(0)  # beside the trainer's threads
        return photographed_sample(self._photographs, self._encoder, rng, self._config)


def photographed_sample(
    photographs: Photographs,
    encoder: FieldEncoder,
    rng: np.random.Generator,
    config: OpenPifPafConfig,
    *,
    apart: bool = False,
) -> Sample:
    """Cut one sample from a picture; those of sources kept apart keep their light."""
    picture, people, ignored = photographs.sample(
        rng, width=config.image_width_px, height=config.image_height_px, apart=apart
    )
    normalised = normalize_image(picture if apart else relight(picture, rng))
    return normalised, *encoder(normalised, people, ignored)


def vector_errors(network: torch.nn.Module, samples: Sequence[Sample]) -> dict[str, float]:
    """How far a network's vectors miss, in cells, where there is a joint or a limb: what the gate of a long training asks.

    Args:
        network: In evaluation mode, when its vectors are positions of the field.
        samples: Normalised images and their targets.

    Returns:
        `cif_error_cells` and `caf_error_cells`, means over all labelled cells; those of CAF over both ends.
    """
    errors: dict[str, list[torch.Tensor]] = {"cif_error_cells": [], "caf_error_cells": []}
    for image, *targets in samples:
        with torch.no_grad():
            fields = network(image[None])
        for name, field, target in zip(errors, fields, targets, strict=True):
            rows, columns = target.shape[-2:]
            cells = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"))
            for end in range(1 if name == "cif_error_cells" else 2):
                found = field[0, :, 2 + 2 * end : 4 + 2 * end] - cells  # after log-width and confidence
                wanted = target[:, 1 + 2 * end : 3 + 2 * end]
                distance = (found - wanted).norm(dim=1)
                errors[name].append(distance[target[:, 0] == 1])
    return {name: float(torch.cat(parts).nanmean()) for name, parts in errors.items()}
