"""Training crops for the heat-map network: what a detector and a bad camera do to a picture of a person.

Geometry is one warp from the stored region to the crop; everything else works on the crop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.person_crops import PersonCrop, capsule_mask
from activity.pose.heatmaps import FILL, crop_matrix
from activity.structures import COCO_FLIP, boxes_around_keypoints

UPPER_BODY: Final = tuple(range(11))
LOWER_BODY: Final = tuple(range(11, 17))
TURNED_SHARE: Final = 0.15
"""How many people are turned by any angle: who lies on the floor or turns a somersault has the head anywhere."""
STRETCHED_SHARE: Final = 0.5
"""How many people are stretched and sheared: other builds, other lenses, postures a little different from the photograph's."""
MOVED_SHARE: Final = 0.25
"""How many people without a mask are put elsewhere with a rim of their surroundings, so that the place does not tell the posture."""
RIM: Final = 0.32
"""Width of a limb and its surroundings there, over the longer side of the joints' box; a limb alone takes about 0.11."""
LEAST_MOVED_JOINTS: Final = 10
"""People with fewer labelled joints stay where they are: the limbs nobody marked would be cut away."""
HIDDEN_WEIGHT: Final = 0.5
"""How much a joint behind a pasted occluder still counts: it can be guessed, not seen."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCrop:
    """What the network is trained on.

    Attributes:
        image: [h, w, 3] uint8, RGB.
        joints: [17, 3] float32: x and y in pixels of the crop, weight in [0, 1]. Joints outside the crop
            are to be answered with an empty map.
    """

    image: npt.NDArray[np.uint8]
    joints: npt.NDArray[np.float32]


class CropAugmentation:
    """Draws training crops.

    Args:
        padding: Side of the region seen over the side of the box, as at inference.
        neighbours: Draws another person, to be pasted beside or before this one.
        backgrounds: Draws a picture without a person in its middle, for people who have a mask.
        generator: Source of all chance.
    """

    def __init__(
        self,
        *,
        padding: float,
        neighbours: Callable[[], PersonCrop],
        backgrounds: Callable[[], npt.NDArray[np.uint8]],
        generator: np.random.Generator,
    ) -> None:
        self._padding = padding
        self._neighbours = neighbours
        self._backgrounds = backgrounds
        self._random = generator

    def __call__(self, person: PersonCrop, *, size: tuple[int, int]) -> TrainingCrop:
        """Return one crop of `person` of `size` (height, width) in pixels."""
        random = self._random
        region = person.image
        if person.mask is not None and random.random() < 0.75:
            region = self._on_background(region, person.mask)
        elif (
            person.mask is None
            and random.random() < MOVED_SHARE
            and (person.keypoints[:, 2] > 0).sum() >= LEAST_MOVED_JOINTS
        ):
            shape = (region.shape[0], region.shape[1])
            rim = capsule_mask(shape, person.keypoints, thickness=RIM)
            blur = max(int(0.04 * max(shape)), 1)
            region = self._on_background(region, np.asarray(cv2.blur(rim, (blur, blur)), np.uint8))
        matrix = self._geometry(person, size)
        mirrored = random.random() < 0.5
        if mirrored:
            matrix[0] = -matrix[0]
            matrix[0, 2] += size[1] - 1
        image = _warp(region, matrix, size)
        joints = _move(person.keypoints, matrix)
        if mirrored:
            joints = joints[COCO_FLIP]
        if random.random() < 0.25:
            image, joints = self._beside_a_neighbour(image, joints, size)
        if random.random() < 0.12:
            image, joints = self._behind_a_block(image, joints)
        return TrainingCrop(self._through_a_camera(image), joints)

    def _geometry(self, person: PersonCrop, size: tuple[int, int]) -> npt.NDArray[np.float64]:
        random = self._random
        box = person.box.astype(np.float64)
        kind = random.random()
        if kind < 0.2:
            part = np.array(UPPER_BODY if random.random() < 0.65 else LOWER_BODY)
            seen = person.keypoints[part, 2] > 0
            if seen.sum() >= 4:
                points = person.keypoints[part[seen], :2]
                low, high = points.min(axis=0), points.max(axis=0)
                reach = 0.15 * (high - low).max() + 2
                box = np.concatenate([low - reach, high + reach]).astype(np.float64)
        elif kind < 0.3:
            # A detector that lost one side of the person.
            cut = random.uniform(0.1, 0.35)
            side = int(random.integers(4))
            extent = box[2:] - box[:2]
            box[side] += (1 if side < 2 else -1) * cut * extent[side % 2]
        elif kind < 0.4 and (person.keypoints[:, 2] > 0).sum() >= 10:
            # A box close around the joints.
            joints = boxes_around_keypoints(person.keypoints[None])[0].astype(np.float64)
            if (joints[2:] - joints[:2]).min() > 4:
                box = joints
        extent = np.tile(box[2:] - box[:2], 2)
        box = box + np.clip(random.normal(0, 0.04, 4), -0.1, 0.1) * extent
        rotation, turn = 0.0, random.random()
        if turn < TURNED_SHARE:
            rotation = float(random.uniform(-np.pi, np.pi))
        elif turn < 0.5:
            rotation = float(np.clip(random.normal(0, 0.28), -0.8, 0.8))
        padding = self._padding * float(np.exp(np.clip(random.normal(0, 0.13), -0.3, 0.35)))
        matrix = crop_matrix(box, size=size, padding=padding, rotation=rotation)
        return self._stretch(matrix, size) if random.random() < STRETCHED_SHARE else matrix

    def _stretch(self, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Stretch and shear what `matrix` puts into the crop, about the crop's centre."""
        random = self._random
        stretch = float(np.clip(random.normal(0, 0.09), -0.2, 0.2))
        shear = np.clip(random.normal(0, 0.1, 2), -0.25, 0.25)
        linear = np.array([[np.exp(stretch), shear[0]], [shear[1], np.exp(-stretch)]])
        centre = (np.array([size[1], size[0]], np.float64) - 1) / 2
        return np.concatenate(
            [linear @ matrix[:, :2], (linear @ (matrix[:, 2] - centre) + centre)[:, None]], axis=1
        )

    def _on_background(
        self, region: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        scene = self._backgrounds()
        height, width = region.shape[:2]
        zoom = max(height / scene.shape[0], width / scene.shape[1]) * self._random.uniform(1.0, 2.0)
        size = (max(int(scene.shape[1] * zoom) + 1, width), max(int(scene.shape[0] * zoom) + 1, height))
        scene = np.asarray(cv2.resize(scene, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        x = int(self._random.integers(scene.shape[1] - width + 1))
        y = int(self._random.integers(scene.shape[0] - height + 1))
        return _blend(scene[y : y + height, x : x + width], region, mask)

    def _beside_a_neighbour(
        self, image: npt.NDArray[np.uint8], joints: npt.NDArray[np.float32], size: tuple[int, int]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        random = self._random
        other = self._neighbours()
        matrix = crop_matrix(
            other.box,
            size=size,
            padding=self._padding * random.uniform(0.8, 1.5),
            rotation=random.normal(0, 0.15),
        )
        side = 1 if random.random() < 0.5 else -1
        matrix[0, 2] += side * random.uniform(0.2, 0.55) * size[1]
        matrix[1, 2] += random.normal(0, 0.12) * size[0]
        pasted = _warp(other.image, matrix, size)
        if other.mask is not None:
            mask = cv2.warpAffine(other.mask, matrix, (size[1], size[0]))
        else:
            mask = capsule_mask(size, _move(other.keypoints, matrix))
        mask = np.asarray(cv2.blur(mask, (3, 3)), np.uint8)
        own = capsule_mask(size, joints, thickness=0.14)
        if random.random() < 0.5:  # behind this person
            mask = np.where(own > 0, 0, mask).astype(np.uint8)
        elif ((mask > 127) & (own > 0)).sum() > 0.5 * max((own > 0).sum(), 1):
            return image, joints  # nothing of the person would be left
        return _blend(image, pasted, mask), _hide(joints, mask)

    def _behind_a_block(
        self, image: npt.NDArray[np.uint8], joints: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        random = self._random
        height, width = image.shape[:2]
        h, w = int(height * random.uniform(0.1, 0.35)), int(width * random.uniform(0.15, 0.45))
        y, x = int(random.integers(height - h)), int(random.integers(width - w))
        mask = np.zeros((height, width), np.uint8)
        mask[y : y + h, x : x + w] = 255
        filled = image.copy()
        if random.random() < 0.5:
            scene = self._backgrounds()
            filled[y : y + h, x : x + w] = cv2.resize(scene, (w, h), interpolation=cv2.INTER_AREA)
        else:
            filled[y : y + h, x : x + w] = random.integers(0, 256, 3)
        return filled, _hide(joints, mask)

    def _through_a_camera(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        random = self._random
        height, width = image.shape[:2]
        if random.random() < 0.3:  # a person of few pixels
            factor = random.uniform(0.22, 0.8)
            small = cv2.resize(
                image,
                (max(int(width * factor), 8), max(int(height * factor), 8)),
                interpolation=cv2.INTER_AREA,
            )
            image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
        blur = random.random()
        if blur < 0.05:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.6, 1.8)), np.uint8)
        elif blur < 0.09:
            image = np.asarray(cv2.filter2D(image, -1, _motion_kernel(random)), np.uint8)
        if random.random() < 0.6:
            image = self._light(image)
        if random.random() < 0.2:
            gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            if random.random() < 0.25:  # infrared: skin and cloth alike, high contrast
                gray = cv2.equalizeHist(gray)
            image = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)
        if random.random() < 0.15:
            sigma = random.uniform(3, 14)
            coarse = random.normal(0, sigma, (height, width, 1 if random.random() < 0.5 else 3))
            image = np.clip(image + coarse.astype(np.float32), 0, 255).astype(np.uint8)
        if random.random() < 0.15:
            done, encoded = cv2.imencode(
                ".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))]
            )
            if done:
                image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
        return image

    def _light(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Exposure, contrast, gamma and colour cast as one table per channel."""
        random = self._random
        levels = np.arange(256, dtype=np.float32) / 255
        levels = levels ** np.exp(random.normal(0, 0.2))
        levels = (levels - 0.5) * random.uniform(0.7, 1.3) + 0.5 + random.normal(0, 0.07)
        if random.random() < 0.08:  # night
            levels = levels * random.uniform(0.2, 0.5)
        gains = np.ones(3)
        if random.random() < 0.5:
            gains = np.exp(random.normal(0, 0.08 if random.random() < 0.7 else 0.25, 3))
        table = np.clip(levels[:, None] * gains * 255, 0, 255).astype(np.uint8)  # (256, 3)
        return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _warp(
    image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    if abs(np.linalg.det(matrix[:, :2])) < 0.3:  # shrinks: average over pixels first
        half = (max(image.shape[1] // 2, 1), max(image.shape[0] // 2, 1))
        zoom = np.array([image.shape[1] / half[0], image.shape[0] / half[1]])
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
        linear = matrix[:, :2]
        matrix = np.concatenate([linear * zoom, (matrix[:, 2] + linear @ ((zoom - 1) / 2))[:, None]], axis=1)
    warped = cv2.warpAffine(
        image,
        matrix,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FILL,
    )
    return np.asarray(warped, np.uint8)


def _move(keypoints: npt.NDArray[np.float32], matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    moved = keypoints.copy()
    moved[:, :2] = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _blend(
    below: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    share = mask[..., None].astype(np.float32) / 255
    return np.asarray(below * (1 - share) + above * share, np.uint8)


def _hide(joints: npt.NDArray[np.float32], mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Lower the weight of the joints under `mask`."""
    hidden = joints.copy()
    places = np.nan_to_num(joints[:, :2]).round().astype(int)
    inside = ((places >= 0) & (places < [mask.shape[1], mask.shape[0]])).all(axis=1)
    covered = np.zeros(len(joints), bool)
    covered[inside] = mask[places[inside, 1], places[inside, 0]] > 127
    hidden[covered, 2] *= HIDDEN_WEIGHT
    return hidden


def _motion_kernel(random: np.random.Generator) -> npt.NDArray[np.float32]:
    length = int(random.choice([3, 5, 7]))
    kernel = np.zeros((length, length), np.float32)
    if random.random() < 0.7:
        kernel[length // 2] = 1 / length
    else:
        np.fill_diagonal(kernel, 1 / length)
    return kernel
