"""Batches of training crops drawn from stored people by collection and source."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.person_crops import PersonCrop, PersonCrops
from activity.errors import DatasetError
from activity.training.heatmaps.augmentation import CropAugmentation


class CropSampler:
    """Draws batches; the collections by fixed shares, sources by the root of their size.

    Args:
        crops: Stored people; held-out ones are never drawn.
        shares: Share of each collection; those without people give way to the others.
        padding: Side of the crop over the person's box.
        seed: Seed of all chance.

    Raises:
        DatasetError: If nobody is left to train on.
    """

    def __init__(self, crops: PersonCrops, *, shares: Mapping[str, float], padding: float, seed: int) -> None:
        self._crops = crops
        self._random = np.random.default_rng(seed)
        indices, chances = [], []
        for origin, share in shares.items():
            chosen = np.flatnonzero((crops.origins == origin) & ~crops.held_out & (crops.weights > 0))
            if not len(chosen) or share <= 0:
                continue
            _, inverse, counts = np.unique(crops.sources[chosen], return_inverse=True, return_counts=True)
            # Frames of one clip look alike; a source of 16 times the people is drawn 4 times as often.
            chance = crops.weights[chosen] / np.sqrt(counts[inverse])
            indices.append(chosen)
            chances.append(share * chance / chance.sum())
        if not indices:
            raise DatasetError("no stored person to train on; check the data paths of the configuration")
        self._indices = np.concatenate(indices)
        self._cumulative = np.cumsum(np.concatenate(chances))
        self._masked = np.flatnonzero((crops.origins == "single17") & ~crops.held_out)
        self._scenes = np.flatnonzero(np.isin(crops.origins, ("clips", "lspet", "weapons")) & ~crops.held_out)
        self._augmentation = CropAugmentation(
            padding=padding, neighbours=self._neighbour, backgrounds=self._background, generator=self._random
        )

    def draw(
        self, count: int, *, size: tuple[int, int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Return `count` crops [B, h, w, 3] and their joints [B, 17, 3] (x px, y px, weight)."""
        drawn = [self._augmentation(self._person(), size=size) for _ in range(count)]
        joints = np.stack([crop.joints for crop in drawn])
        return np.stack([crop.image for crop in drawn]), joints.astype(np.float32)

    def _person(self) -> PersonCrop:
        place = int(np.searchsorted(self._cumulative, self._random.random() * self._cumulative[-1]))
        return self._crops[int(self._indices[min(place, len(self._indices) - 1)])]

    def _neighbour(self) -> PersonCrop:
        if len(self._masked) and self._random.random() < 0.6:
            return self._crops[int(self._random.choice(self._masked))]
        return self._person()

    def _background(self) -> npt.NDArray[np.uint8]:
        """A strip beside somebody: the surroundings without the person."""
        if not len(self._scenes):
            return np.asarray(self._random.integers(0, 256, (32, 32, 3)), np.uint8)
        for _ in range(4):
            crop = self._crops[int(self._random.choice(self._scenes))]
            height, width = crop.image.shape[:2]
            x0, _, x1, _ = crop.box
            left, right = int(max(x0, 0)), int(max(width - x1, 0))
            strip = crop.image[:, :left] if left >= right else crop.image[:, width - right :]
            if strip.shape[1] >= 24 and height >= 24:
                break
        else:
            strip = crop.image
        return np.asarray(cv2.flip(strip, 1) if self._random.random() < 0.5 else strip, np.uint8)
