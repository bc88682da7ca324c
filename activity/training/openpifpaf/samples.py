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

from activity.datasets.rendered import RenderedScene, random_scene, surveillance_scene
from activity.pose.openpifpaf import normalize_image
from activity.pose.openpifpaf_runtime import openpifpaf
from activity.structures import COCO_FLIP
from activity.training.openpifpaf.config import OpenPifPafConfig

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

    def __call__(
        self, image: torch.Tensor, keypoints: Field32, ignored: Field32 | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode the people of one image.

        Args:
            image: [3, H, W]; only its size counts.
            keypoints: [P, 17, 3] x px, y px, visibility 0 (no label), 1 (hidden) or 2 (seen).
            ignored: [R, 4] x0, y0, x1, y1 of regions that are neither people nor background.

        Returns:
            CIF [17, 5, h, w]: confidence, x, y, least width, width; CAF [19, 9, h, w]: confidence, x and y of
            both ends, least widths, widths; NaN where nothing is to be learnt.
        """
        annotations = [
            {"keypoints": person.astype(np.float32), "bbox": _box(person), "iscrowd": False}
            for person in keypoints
            if (person[:, 2] > 0).any()
        ]
        annotations += [
            {
                "keypoints": np.zeros((17, 3), np.float32),
                "bbox": np.concatenate((box[:2], box[2:] - box[:2])),
                "iscrowd": True,
            }
            for box in (() if ignored is None else ignored)
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

    Rendering costs more than a training step. So one sample in `samples_per_scene` is a new scene; the others are
    cut from those rendered so far, each time elsewhere, at another size, mirrored or not, with other brightness,
    contrast, colour and noise.

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
        config, number = self._config, self._first + index
        rng = np.random.default_rng((config.seed, number))
        newest, use = divmod(number, config.samples_per_scene)
        image, keypoints = self._scene(newest if use == 0 else int(rng.integers(newest + 1)))
        if rng.random() < 0.5:
            image, keypoints = mirror(image, keypoints)
        image, keypoints = cut(
            image,
            keypoints,
            rng,
            width=config.image_width_px,
            height=config.image_height_px,
            scale=float(np.exp(rng.uniform(*np.log(config.scale_range)))),
        )
        normalised = normalize_image(relight(image, rng))
        return normalised, *self._encoder(normalised, keypoints)

    def _scene(self, scene_number: int) -> tuple[Image, Field32]:
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


def cut(
    image: Image,
    keypoints: Field32,
    rng: np.random.Generator,
    *,
    width: int,
    height: int,
    scale: float,
) -> tuple[Image, Field32]:
    """Cut a picture out of [H, W, 3] around one of its people, chosen at random, after scaling by `scale`.

    Returns:
        [height, width, 3] and [P, 17, 3], see `cut_out`.
    """
    labelled = [person[person[:, 2] > 0, :2] for person in keypoints if (person[:, 2] > 0).any()]
    scene = np.array([[image.shape[1], image.shape[0]]], np.float32)
    chosen = labelled[int(rng.integers(len(labelled)))] if labelled else scene / np.float32(2)
    placement = choose_cut(image.shape[:2], chosen, rng, width=width, height=height, scale=scale)
    return cut_out(image, keypoints, placement, width=width, height=height)


def choose_cut(
    scene: tuple[int, ...],
    joints: Field32,
    rng: np.random.Generator,
    *,
    width: int,
    height: int,
    scale: float,
) -> npt.NDArray[np.float64]:
    """Choose where to cut [height, width] out of a scene of H, W pixels so that [J, 2] joints lie about its middle.

    Returns:
        [2, 3], from the scene's pixels to those of the cut.
    """
    size = np.array([width, height], np.float32)
    far = np.array([scene[1], scene[0]], np.float32) * scale - size
    middle = (joints.min(axis=0) + joints.max(axis=0)) / 2
    corner = middle * scale - size * rng.uniform(0.25, 0.75, 2)
    corner = np.clip(corner, np.minimum(0, far), np.maximum(0, far))
    return np.array([[scale, 0, -corner[0]], [0, scale, -corner[1]]])


def cut_out(
    image: Image, keypoints: Field32, placement: npt.NDArray[np.float64], *, width: int, height: int
) -> tuple[Image, Field32]:
    """Cut [height, width] out of [H, W, 3]; joints of [P, 17, 3] that fall outside lose their label.

    Where the scene ends before the picture does, its edge is repeated, as letterboxed cameras show it rarely and a
    black bar would be learnt.
    """
    moved = keypoints.copy()
    moved[..., :2] = keypoints[..., :2] @ placement[:, :2].T + placement[:, 2]
    last = np.array([width - 1, height - 1])
    inside = ((moved[..., :2] >= 0) & (moved[..., :2] <= last)).all(axis=-1) & (keypoints[..., 2] > 0)
    moved[~inside] = 0
    picture = cv2.warpAffine(
        image, placement, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return picture.astype(np.uint8, copy=False), moved


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
    """Render the scene of a seed: always the same, at the size of whole scenes."""
    rng = np.random.default_rng(seed)
    people = int(rng.integers(config.people[0], config.people[1] + 1))
    make = surveillance_scene if config.scenes == "surveillance" else random_scene
    return make(rng, width=config.scene_width_px, height=config.scene_height_px, people=people)
