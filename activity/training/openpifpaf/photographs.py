"""Labelled pictures of real people for an OpenPifPaf network: read once, kept small, cut like rendered scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.pictures import read_pictures
from activity.errors import DatasetError
from activity.evaluation.pose import PosedPicture
from activity.evaluation.pose_pictures import (
    Estimate,
    LabelledPicture,
    find_poses,
    keep_held_out,
    read_coco_pictures,
    read_single_person_pictures,
)
from activity.training.openpifpaf.config import PhotographsSection
from activity.training.openpifpaf.samples import choose_cut, cut_out, mirror

LONGEST_SIDE_PX: Final = 961
"""Larger pictures are kept at this longer side: people are scaled down further for training anyway."""
SCALES: Final = (0.3, 4.0)
"""Least and greatest factor from the picture as kept to what is trained on."""


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """One picture with its labels, in pixels of the picture as kept.

    Attributes:
        path: A JPEG file.
        keypoints: [P, 17, 3] x px, y px, visibility 0 or 2, of the people to learn from.
        ignored: [R, 4] x0, y0, x1, y1 of regions about which nothing is to be learned.
    """

    path: Path
    keypoints: npt.NDArray[np.float32]
    ignored: npt.NDArray[np.float32]


class Photographs:
    """The pictures of a run: those to train on, and those of sources kept apart.

    Args:
        section: Where they are.
        folder: Where the pictures are kept as they are trained on; those found there are used again.

    Attributes:
        training: Pictures with somebody to learn from.
        apart: The same, of sources kept apart.

    Raises:
        DatasetError: If a file is missing or laid out differently, or nobody is left to learn from.
    """

    def __init__(self, section: PhotographsSection, *, folder: Path) -> None:
        self._section = section
        pictures = read_coco_pictures(section.annotations, section.images)
        self._held_out = keep_held_out(pictures, section.sources)
        apart = {id(picture) for picture in self._held_out}
        learned = [picture for picture in pictures if id(picture) not in apart]
        if section.single17 is not None:
            learned += [
                picture
                for picture in read_single_person_pictures("single17", section.single17)
                if not any(person.held_out for person in picture.people)
            ]
        learned = [picture for picture in learned if any(map(self._counts, picture.people))]
        if not learned:
            raise DatasetError(
                f"{section.annotations}: nobody with agreement of at least {section.least_agreement} is left to learn from"
            )
        self.training = self._keep(learned, folder)
        self.apart = self._keep(
            [picture for picture in self._held_out if any(map(self._counts, picture.people))], folder
        )

    @property
    def share(self) -> float:
        """Share of a run's samples that are cut from pictures."""
        return self._section.share

    @property
    def least_agreement(self) -> float:
        """People of a lower agreement count neither in training nor in what is measured."""
        return self._section.least_agreement

    def _counts(self, person: LabelledPerson) -> bool:
        return (
            not person.is_crowd
            and person.weight >= self._section.least_agreement
            and bool((person.keypoints[:, 2] > 0).any())
        )

    def _keep(self, pictures: Sequence[LabelledPicture], folder: Path) -> tuple[Photograph, ...]:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            if not (picture.reference.width and picture.reference.height):
                raise DatasetError(
                    f"{picture.reference.path}: expected width and height in the annotations, found none; without them nobody "
                    "knows where people are in the picture as it is kept"
                )
        names = {id(picture.reference): folder / _name(picture.reference) for picture in pictures}
        missing = [picture.reference for picture in pictures if not names[id(picture.reference)].is_file()]
        for reference, image in read_pictures(missing):
            scale = min(LONGEST_SIDE_PX / max(image.shape[:2]), 1.0)
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
            coded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
            fresh = names[id(reference)].with_suffix(".part")
            fresh.write_bytes(coded.tobytes())
            fresh.replace(names[id(reference)])
        return tuple(self._photograph(picture, names[id(picture.reference)]) for picture in pictures)

    def _photograph(self, picture: LabelledPicture, path: Path) -> Photograph:
        scale = min(LONGEST_SIDE_PX / max(picture.reference.width, picture.reference.height), 1.0)
        people = [person for person in picture.people if self._counts(person)]
        keypoints = np.stack([person.keypoints for person in people]).astype(np.float32)
        labelled = keypoints[..., 2] > 0
        keypoints[..., :2] *= scale
        keypoints[..., 2] = 2
        keypoints[~labelled] = 0
        doubtful = [person.box for person in picture.people if not self._counts(person)]
        return Photograph(path, keypoints, np.array(doubtful, np.float32).reshape(-1, 4) * np.float32(scale))

    def sample(
        self, rng: np.random.Generator, *, width: int, height: int, apart: bool = False
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Cut a picture of [height, width] around one of the people, scaled to a height drawn from the settings.

        Args:
            rng: Decides everything.
            width: Of the cut.
            height: Of the cut.
            apart: Draw from the sources kept apart.

        Returns:
            [height, width, 3] uint8 RGB, the people [P, 17, 3], the regions to be ignored [R, 4].
        """
        photographs = self.apart if apart else self.training
        photograph = photographs[int(rng.integers(len(photographs)))]
        coded = np.frombuffer(photograph.path.read_bytes(), np.uint8)
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB), np.uint8)
        person = photograph.keypoints[int(rng.integers(len(photograph.keypoints)))]
        joints = person[person[:, 2] > 0, :2]
        extent = max(float((joints.max(axis=0) - joints.min(axis=0)).max()), 8.0)
        wanted = float(np.exp(rng.uniform(*np.log(self._section.person_px))))
        placement = choose_cut(
            image.shape[:2],
            joints,
            rng,
            width=width,
            height=height,
            scale=float(np.clip(wanted / extent, *SCALES)),
        )
        corners = photograph.ignored.reshape(-1, 2, 2) @ placement[:, :2].T + placement[:, 2]
        ignored = np.clip(corners, 0, [width - 1, height - 1]).reshape(-1, 4).astype(np.float32)
        ignored = ignored[((ignored[:, 2:] - ignored[:, :2]) > 0).all(axis=1)]
        picture, people = cut_out(image, photograph.keypoints, placement, width=width, height=height)
        if rng.random() < 0.5:
            picture, people = mirror(picture, people)
            ignored[:, [0, 2]] = width - 1 - ignored[:, [2, 0]]
        return picture, people, ignored

    def measured(self, estimate: Estimate) -> list[PosedPicture]:
        """What an estimator finds in pictures of sources kept apart, evenly drawn, at most as many as the settings say."""
        count = min(self._section.held_out_pictures, len(self._held_out))
        chosen = np.linspace(0, len(self._held_out) - 1, count).astype(int)
        return find_poses([self._held_out[int(place)] for place in chosen], estimate)


def _name(reference: ImageReference) -> str:
    """A file name that two pictures never share, whatever their folders."""
    digest = hashlib.sha256(str(reference.path.resolve()).encode()).hexdigest()[:12]
    return f"{reference.path.stem}_{reference.frame or 0}_{digest}.jpg"
