"""Rendered people as an OpenPifPaf network is trained on them: images and the fields that it should give."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from activity.datasets.rendered import RenderedScene, random_scene
from activity.pose.openpifpaf import normalize_image
from activity.pose.openpifpaf_runtime import openpifpaf
from activity.structures import COCO_FLIP
from activity.training.openpifpaf.config import OpenPifPafConfig
from activity.training.openpifpaf.scenes import surveillance_scene

SCENES_PER_SEED: Final = 1_000_000
HELD_OUT_SEED: Final = 1_000 * SCENES_PER_SEED
"""Scenes from this seed on are never trained on."""

Image = npt.NDArray[np.uint8]
Field32 = npt.NDArray[np.float32]


class FieldEncoder:
    """Turns people into the fields that a network should give, with OpenPifPaf's encoders.

    Args:
        head_metas: OpenPifPaf's CIF and CAF descriptions, with their strides.
    """

    def __init__(self, head_metas: list[Any]) -> None:
        cif, caf = head_metas
        self._encoders = (openpifpaf.encoder.Cif(cif), openpifpaf.encoder.Caf(caf))

    def __call__(self, image: torch.Tensor, keypoints: Field32) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the people of one image.

        Args:
            image: [3, H, W]; only its size counts.
            keypoints: [P, 17, 3] x px, y px, visibility 0 (no label), 1 (hidden) or 2 (seen).

        Returns:
            CIF [17, 5, h, w]: confidence, x, y, least width, width; CAF [19, 9, h, w]: confidence, x and y of
            both ends, least widths, widths; NaN where nothing is to be learnt.
        """
        annotations = [
            {"keypoints": person.astype(np.float32), "bbox": _box(person), "iscrowd": False}
            for person in keypoints
            if (person[:, 2] > 0).any()
        ]
        cif, caf = (encoder(image, annotations, {}) for encoder in self._encoders)
        return cif, caf


def _box(person: Field32) -> Field32:
    """The smallest x, y, width and height around the labelled joints of [17, 3]."""
    labelled = person[person[:, 2] > 0, :2]
    low, high = labelled.min(axis=0), labelled.max(axis=0)
    return np.concatenate((low, high - low)).astype(np.float32)


class RenderedFields(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Sample number n of a run: a normalised image, its CIF and its CAF target.

    Rendering and encoding cost more than a training step. So one sample in `samples_per_scene` is a new scene;
    the others are drawn from those rendered so far, mirrored or not, with other brightness, contrast, colour and
    noise.

    Args:
        config: The run.
        head_metas: OpenPifPaf's CIF and CAF descriptions, with their strides.
        folder: Where scenes are kept.
        first: Number of the first sample.
        end: One past the number of the last sample.
    """

    def __init__(
        self, config: OpenPifPafConfig, head_metas: list[Any], *, folder: Path, first: int, end: int
    ) -> None:
        self._config = config
        self._encoder = FieldEncoder(head_metas)
        self._folder = folder
        self._first = first
        self._end = end

    def __len__(self) -> int:
        return self._end - self._first

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        cv2.setNumThreads(0)  # beside the trainer's threads
        number = self._first + index
        rng = np.random.default_rng((self._config.seed, number))
        newest, use = divmod(number, self._config.samples_per_scene)
        scene_number = newest if use == 0 else int(rng.integers(newest + 1))
        image, cif, caf = self._encoded(scene_number, mirrored=bool(rng.random() < 0.5))
        return normalize_image(relight(image, rng)), torch.from_numpy(cif), torch.from_numpy(caf)

    def _encoded(self, scene_number: int, *, mirrored: bool) -> tuple[Image, Field32, Field32]:
        path = self._folder / f"{scene_number}{'-mirrored' if mirrored else ''}.npz"
        if path.exists():
            with np.load(path) as kept:
                return kept["image"], kept["cif"].astype(np.float32), kept["caf"].astype(np.float32)
        image, keypoints = self._rendered(scene_number)
        if mirrored:
            image, keypoints = mirror(image, keypoints)
        cif, caf = (target.numpy() for target in self._encoder(normalize_image(image), keypoints))
        _write(path, image=image, cif=cif.astype(np.float16), caf=caf.astype(np.float16))
        return image, cif, caf

    def _rendered(self, scene_number: int) -> tuple[Image, Field32]:
        path = self._folder / f"{scene_number}-scene.npz"
        if path.exists():
            with np.load(path) as kept:
                return kept["image"], kept["keypoints"]
        scene = render_numbered_scene(self._config, self._config.seed * SCENES_PER_SEED + scene_number)
        _write(path, image=scene.image, keypoints=scene.keypoints)
        return scene.image, scene.keypoints


def _write(path: Path, **arrays: npt.NDArray[np.generic]) -> None:
    """Write arrays so that no reader, in whichever process, ever meets half a file."""
    fresh = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(fresh, **arrays)  # type: ignore[arg-type]
    fresh.replace(path)


def mirror(image: Image, keypoints: Field32) -> tuple[Image, Field32]:
    """Swap left and right of [H, W, 3] and of its people [P, 17, 3]."""
    turned = keypoints[:, COCO_FLIP].copy()
    turned[..., 0] = np.where(turned[..., 2] > 0, image.shape[1] - 1 - turned[..., 0], 0)
    return np.ascontiguousarray(image[:, ::-1]), turned


def relight(image: Image, rng: np.random.Generator) -> Image:
    """Change brightness, contrast, colours and noise of [H, W, 3] as another camera would."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    pixels = image.astype(np.float32) * gain.astype(np.float32) + np.float32(rng.uniform(-20, 20))
    if rng.random() < 0.2:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.3:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 1.0)))
    noise = rng.standard_normal((*image.shape[:2], 1), dtype=np.float32) * np.float32(rng.uniform(0, 8))
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def render_numbered_scene(config: OpenPifPafConfig, seed: int) -> RenderedScene:
    """Render the scene of a seed: always the same, at the size of training."""
    rng = np.random.default_rng(seed)
    people = int(rng.integers(config.people[0], config.people[1] + 1))
    make = surveillance_scene if config.scenes == "surveillance" else random_scene
    return make(rng, width=config.image_width_px, height=config.image_height_px, people=people)
