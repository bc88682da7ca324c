"""Labelled people cut out once and kept on disk as pixels, so that training never waits for a decoder.

Each person is stored with the surroundings that augmentation may ask for, at no more than the resolution
that the network can use.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.pictures import read_pictures
from activity.errors import DatasetError
from activity.structures import COCO_LIMBS

LONG_SIDE_PX: Final = 300
"""Longest side of a stored region."""
_TABLE = "people.npz"
_PIXELS = "pixels.bin"
_MASKS = "masks.bin"


@dataclass(frozen=True, slots=True, eq=False)
class PersonCrop:
    """One person and the surroundings.

    Attributes:
        image: [h, w, 3] uint8, RGB: the region around the person, cut at the edge of the frame.
        keypoints: [17, 3] float32: x and y in pixels of `image`, weight in [0, 1].
        box: [4] float32: x0, y0, x1, y1 in pixels of `image`.
        area: Square pixels of `image`: the scale of object keypoint similarity.
        scale: Pixels of `image` per pixel of the frame.
        weight: How far the labels are to be trusted, in [0, 1].
        mask: [h, w] uint8, 255 on the person, where one was asked for.
    """

    image: npt.NDArray[np.uint8]
    keypoints: npt.NDArray[np.float32]
    box: npt.NDArray[np.float32]
    area: float
    scale: float
    weight: float
    mask: npt.NDArray[np.uint8] | None


class PersonCrops:
    """Stored people of one or more folders, read through memory maps.

    Args:
        directories: What `store_person_crops` wrote.

    Attributes:
        origins: [N] names of the collections.
        sources: [N] names of the sources.
        held_out: [N] whether a person is kept apart from training.
        weights: [N] how far a person's labels are to be trusted, in [0, 1].

    Raises:
        DatasetError: If a folder is not complete.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        self._parts = [_StoredPart(directory) for directory in directories]
        self._starts = np.cumsum([0, *[len(part.table["origins"]) for part in self._parts]])
        self.origins: npt.NDArray[np.str_] = self._column("origins")
        self.sources: npt.NDArray[np.str_] = self._column("sources")
        self.held_out: npt.NDArray[np.bool_] = self._column("held_out")
        self.weights: npt.NDArray[np.float32] = self._column("weights")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> PersonCrop:
        if not 0 <= index < len(self):
            raise IndexError(f"person {index} of {len(self)}")
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self._parts[part].read(index - int(self._starts[part]))

    def _column(self, name: str) -> npt.NDArray[Any]:
        return np.concatenate([part.table[name] for part in self._parts])


class _StoredPart:
    """One folder of stored people."""

    def __init__(self, directory: Path) -> None:
        try:
            with (directory / _TABLE).open("rb") as file, np.load(file) as table:
                self.table = {name: table[name] for name in table.files}
            self._pixels = np.memmap(directory / _PIXELS, np.uint8, "r")
            self._masks = np.memmap(directory / _MASKS, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{directory}: expected stored people ({error}); delete the folder to make it again"
            ) from error

    def read(self, index: int) -> PersonCrop:
        height, width = (int(n) for n in self.table["shapes"][index])
        start, mask_start = int(self.table["starts"][index]), int(self.table["mask_starts"][index])
        image = self._pixels[start : start + height * width * 3].reshape(height, width, 3)
        mask = None
        if mask_start >= 0:
            mask = np.asarray(self._masks[mask_start : mask_start + height * width].reshape(height, width))
        return PersonCrop(
            np.asarray(image),
            self.table["keypoints"][index],
            self.table["boxes"][index],
            float(self.table["areas"][index]),
            float(self.table["scales"][index]),
            float(self.table["weights"][index]),
            mask,
        )


def store_person_crops(people: Iterable[tuple[LabelledPerson, PersonCrop]], directory: Path) -> None:
    """Write people to a folder that appears only when it is complete.

    Args:
        people: Whom to store.
        directory: Where to; replaced if it exists.

    Raises:
        DatasetError: If there is nobody.
    """
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    rows: list[tuple[LabelledPerson, PersonCrop, int, int]] = []
    start, mask_start = 0, 1
    with (unfinished / _PIXELS).open("wb") as pixels, (unfinished / _MASKS).open("wb") as masks:
        masks.write(b"\0")  # a memory map cannot be empty
        for person, crop in people:
            pixels.write(crop.image.tobytes())
            rows.append((person, crop, start, mask_start if crop.mask is not None else -1))
            start += crop.image.size
            if crop.mask is not None:
                masks.write(crop.mask.tobytes())
                mask_start += crop.mask.size
    if not rows:
        raise DatasetError(f"{directory}: nobody to store; check the data paths of the configuration")
    np.savez(
        unfinished / _TABLE,
        shapes=np.array([crop.image.shape[:2] for _, crop, _, _ in rows], np.int64),
        starts=np.array([start for _, _, start, _ in rows], np.int64),
        mask_starts=np.array([start for _, _, _, start in rows], np.int64),
        keypoints=np.array([crop.keypoints for _, crop, _, _ in rows], np.float32),
        boxes=np.array([crop.box for _, crop, _, _ in rows], np.float32),
        areas=np.array([crop.area for _, crop, _, _ in rows], np.float32),
        scales=np.array([crop.scale for _, crop, _, _ in rows], np.float32),
        weights=np.array([crop.weight for _, crop, _, _ in rows], np.float32),
        origins=np.array([person.origin for person, _, _, _ in rows]),
        sources=np.array([person.image.source for person, _, _, _ in rows]),
        held_out=np.array([person.held_out for person, _, _, _ in rows], np.bool_),
    )
    shutil.rmtree(directory, ignore_errors=True)
    unfinished.rename(directory)


def cut_people(
    people: Sequence[LabelledPerson], *, reach: float = 2.0, masked_origins: Sequence[str] = ()
) -> Iterator[tuple[LabelledPerson, PersonCrop]]:
    """Cut out people, opening every image and video once.

    Args:
        people: Whom to cut out, in any order.
        reach: Side of the square cut out over the longer side of the person's box.
        masked_origins: Collections whose people stand before plain backgrounds and get a mask.

    Raises:
        DatasetError: If an image or a frame is missing or damaged.
    """
    waiting: dict[ImageReference, list[LabelledPerson]] = {}
    for person in people:
        waiting.setdefault(person.image, []).append(person)
    for reference, image in read_pictures(waiting):
        for person in waiting[reference]:
            masked = person.origin in masked_origins
            yield person, cut_person(person, image, reach=reach, masked=masked)


def cut_person(
    person: LabelledPerson,
    image: npt.NDArray[np.uint8],
    *,
    reach: float,
    masked: bool = False,
    mask: npt.NDArray[np.uint8] | None = None,
) -> PersonCrop:
    """Cut one person with surroundings out of an image [H, W, 3], shrunk to at most `LONG_SIDE_PX`.

    Args:
        person: Whom.
        image: [H, W, 3] uint8, RGB.
        reach: Side of the square cut out over the longer side of the person's box.
        masked: Whether to find the person's mask on a plain background.
        mask: [H, W] uint8, the mask where it is known.

    Raises:
        DatasetError: If the person's box lies outside the image.
    """
    x0, y0, x1, y1 = (float(value) for value in person.box)
    half = reach * max(x1 - x0, y1 - y0, 8.0) / 2
    height, width = image.shape[:2]
    left, top = int(max((x0 + x1) / 2 - half, 0)), int(max((y0 + y1) / 2 - half, 0))
    right, bottom = int(min((x0 + x1) / 2 + half, width)), int(min((y0 + y1) / 2 + half, height))
    if right - left < 2 or bottom - top < 2:
        raise DatasetError(
            f"{person.image.path}: a person's box {person.box.tolist()} lies outside the image"
        )
    region = image[top:bottom, left:right]
    part = None if mask is None else mask[top:bottom, left:right]
    scale = min(LONG_SIDE_PX / (2 * half), 1.0)
    if scale < 1:
        size = (max(round(region.shape[1] * scale), 2), max(round(region.shape[0] * scale), 2))
        region = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_AREA), np.uint8)
        part = (
            None
            if part is None
            else np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
        )
    origin = np.array([left, top], np.float32)
    keypoints = person.keypoints.copy()
    # Pixel centres are whole numbers, box edges lie half a pixel outside them.
    keypoints[:, :2] = (keypoints[:, :2] - origin + 0.5) * scale - 0.5
    box = (person.box - np.tile(origin, 2)) * scale
    if part is None and masked:
        part = person_mask(region, keypoints)
    return PersonCrop(
        np.ascontiguousarray(region), keypoints, box, person.area * scale**2, scale, person.weight, part
    )


def capsule_mask(
    shape: tuple[int, int], keypoints: npt.NDArray[np.float32], *, thickness: float = 0.11
) -> npt.NDArray[np.uint8]:
    """Draw a body of capsules along the skeleton: [h, w] uint8, 255 on the body.

    Args:
        shape: Height and width of the mask.
        keypoints: [17, 3], x and y in pixels, weight: joints of weight 0 are left out.
        thickness: Width of a limb over the longer side of the joints' box.
    """
    mask = np.zeros(shape, np.uint8)
    seen = keypoints[:, 2] > 0
    if seen.sum() < 2:
        return mask
    points = keypoints[seen, :2]
    extent = float((points.max(axis=0) - points.min(axis=0)).max())
    width = max(int(thickness * extent), 1)
    places = np.clip(keypoints[:, :2], -1e4, 1e4).round().astype(np.int32)
    for first, second in COCO_LIMBS:
        if seen[first] and seen[second]:
            cv2.line(mask, tuple(map(int, places[first])), tuple(map(int, places[second])), 255, width)
    torso = [joint for joint in (5, 6, 12, 11) if seen[joint]]
    if len(torso) >= 3:
        cv2.fillConvexPoly(mask, cv2.convexHull(places[torso]), 255)
    face = [joint for joint in range(5) if seen[joint]]
    if face:
        centre = places[face].mean(axis=0)
        cv2.circle(mask, (int(centre[0]), int(centre[1])), max(int(0.08 * extent), 1), 255, -1)
    return mask


def person_mask(image: npt.NDArray[np.uint8], keypoints: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Cut a person from a plain background with GrabCut, started from the skeleton: [h, w] uint8.

    Source: Rother et al., "GrabCut" (SIGGRAPH 2004), as in OpenCV.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(width // 2, 2), max(height // 2, 2)), interpolation=cv2.INTER_AREA)
    scaled = keypoints.copy()
    scaled[:, :2] /= 2
    shape = (int(small.shape[0]), int(small.shape[1]))
    body = capsule_mask(shape, scaled, thickness=0.04)
    near = capsule_mask(shape, scaled, thickness=0.35)
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[near > 0] = cv2.GC_PR_BGD
    labels[capsule_mask(shape, scaled) > 0] = cv2.GC_PR_FGD
    labels[body > 0] = cv2.GC_FGD
    if (labels == cv2.GC_BGD).any() and (body > 0).any():
        cv2.setRNGSeed(0)
        cv2.grabCut(
            np.asarray(small), labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK
        )
    person = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255
    return np.asarray(cv2.resize(person, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
