"""People with COCO keypoints: annotation files in COCO's layout, and three collections brought into it.

Keypoints are [17, 3]: x and y in pixels of the image, and how much the label counts in [0, 1]; 0 marks a
joint without a label. Format: cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.splits import is_held_out, is_in_held_out_tail
from activity.errors import DatasetError
from activity.structures import KEYPOINT_COUNT

LSP_JOINTS: Final = (16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9)
"""COCO index of each of the first twelve joints of the Leeds Sports Pose order; neck and head top have none."""

HEAD_MARGIN: Final = 0.12
"""How far a person reaches beyond the outermost joints, as a share of the box around the joints."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where the pixels are.

    Attributes:
        path: An image, or a video.
        frame: Index of the decoded frame, from 0, where `path` is a video.
        width: Pixels across, 0 where the data set does not say.
        height: Pixels down, 0 where the data set does not say.
        source: What the picture was taken from; pictures of one source are never split.
    """

    path: Path
    frame: int | None
    width: int
    height: int
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPerson:
    """One person of one picture.

    Attributes:
        image: The picture.
        keypoints: [17, 3] float32: x px, y px, weight in [0, 1].
        box: [4] float32: x0, y0, x1, y1 in pixels.
        area: Square pixels: the scale of object keypoint similarity.
        weight: How far the person's labels are to be trusted, in [0, 1].
        origin: Name of the collection.
        held_out: Whether the person is kept apart from training.
        is_crowd: Whether this is a region of people without single labels.
    """

    image: ImageReference
    keypoints: npt.NDArray[np.float32]
    box: npt.NDArray[np.float32]
    area: float
    weight: float
    origin: str
    held_out: bool
    is_crowd: bool = False


@dataclass(frozen=True, slots=True)
class CocoKeypoints:
    """An annotation file as read.

    Attributes:
        images: Every image by its id, those without people too.
        people: The people by the id of their image; images without people have no entry.
    """

    images: Mapping[int, ImageReference]
    people: Mapping[int, Sequence[LabelledPerson]]


def read_coco_keypoints(annotations: Path, images: Path, *, origin: str = "coco") -> CocoKeypoints:
    """Read the people of a COCO annotation file; a label of any visibility above 0 counts fully.

    Annotations of categories that have no keypoints, such as objects, are passed over.

    Two fields beyond COCO's are understood: an image's `source` is the subfolder of `images` that its file
    name is relative to, and a person's `agreement` in [0, 1] becomes the weight (null counts as 0, a person
    without the field as 1).

    Args:
        annotations: The JSON file.
        images: Folder that the file names are relative to. The images are not opened.
        origin: Name of the collection, kept with each person.

    Raises:
        DatasetError: If the file is missing, is no JSON or not in COCO's layout.
    """
    content = _read_json(annotations)
    try:
        references = {
            int(entry["id"]): ImageReference(
                images / str(entry.get("source", "")) / entry["file_name"],
                int(entry["frame"]) if "frame" in entry else None,
                int(entry.get("width", 0)),
                int(entry.get("height", 0)),
                str(entry["file_name"]),
            )
            for entry in content["images"]
        }
        others = {entry["id"] for entry in content.get("categories", ()) if "keypoints" not in entry}
        people: dict[int, list[LabelledPerson]] = {}
        for entry in content["annotations"]:
            if entry.get("category_id") in others:
                continue
            keypoints = _keypoints(entry["keypoints"])
            x, y, width, height = (float(value) for value in entry["bbox"])
            person = LabelledPerson(
                references[int(entry["image_id"])],
                keypoints,
                np.array([x, y, x + width, y + height], np.float32),
                float(entry.get("area", width * height)),
                float(entry.get("agreement", 1.0) or 0.0),
                origin,
                held_out=False,
                is_crowd=bool(entry.get("iscrowd", 0)),
            )
            people.setdefault(int(entry["image_id"]), []).append(person)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{annotations}: expected COCO keypoint annotations, got {error!r}") from error
    return CocoKeypoints(references, people)


def read_teacher_people(
    annotations: Path, *, clips: Path, weapons: Path, least_agreement: float = 0.25
) -> list[LabelledPerson]:
    """Read people labelled by two networks; a person's weight is how far the two agree.

    A joint's weight is the networks' confidence in it, stretched so that 0.5 and above counts fully.

    Args:
        annotations: COCO JSON with `source` per image, `agreement` and `confidences` per person.
        clips: Folder of the clips, with `sources.csv`.
        weapons: Folder of the weapon images.
        least_agreement: People below it, and those whom one network alone saw, are left out.

    Raises:
        DatasetError: If a file is missing or laid out differently.
    """
    content = _read_json(annotations)
    clip_sources = read_clip_sources(clips / "sources.csv").sources
    people = []
    try:
        images = {int(entry["id"]): entry for entry in content["images"]}
        for entry in content["annotations"]:
            agreement = entry["agreement"]
            if agreement is None or agreement < least_agreement or entry["num_keypoints"] < 4:
                continue
            image = images[int(entry["image_id"])]
            is_clip = image["source"] == "clips"
            name = str(image["file_name"])
            source = clip_sources[Path(name).stem] if is_clip else name
            keypoints = _keypoints(entry["keypoints"])
            confidences = np.asarray(entry["confidences"], np.float32)
            keypoints[:, 2] *= np.clip(2 * confidences, 0.2, 1)
            x, y, width, height = (float(value) for value in entry["bbox"])
            people.append(
                LabelledPerson(
                    ImageReference(
                        (clips if is_clip else weapons) / name,
                        int(image["frame"]) if is_clip else None,
                        int(image["width"]),
                        int(image["height"]),
                        source,
                    ),
                    keypoints,
                    np.array([x, y, x + width, y + height], np.float32),
                    float(entry["area"]),
                    float(agreement),
                    "clips" if is_clip else "weapons",
                    is_held_out(source),
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{annotations}: expected people with `agreement`, got {error!r}") from error
    return people


def read_single17(root: Path) -> list[LabelledPerson]:
    """Read photographs of one person each; boxes are taken from the joints, for some stored ones are off.

    Args:
        root: Folder with `annotations.json` and `images/`.

    Raises:
        DatasetError: If a file is missing or laid out differently.
    """
    content = read_coco_keypoints(root / "annotations.json", root / "images", origin="single17")
    ids = sorted(content.images)
    people = []
    for index, image_id in enumerate(ids):
        for person in content.people.get(image_id, ()):
            box = box_around_labelled(person.keypoints[person.keypoints[:, 2] > 0, :2])
            people.append(
                LabelledPerson(
                    person.image,
                    person.keypoints,
                    box,
                    person.area,
                    1.0,
                    "single17",
                    is_in_held_out_tail(index, len(ids)),
                )
            )
    return people


def read_lspet(root: Path) -> list[LabelledPerson]:
    """Read the extended Leeds Sports Pose people: twelve limb joints, the face without labels.

    Args:
        root: Folder with `joints.npz` (`joints` [N, 14, 3], `names` [N]) and `images/`.

    Raises:
        DatasetError: If a file is missing or laid out differently.
    """
    path = root / "joints.npz"
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            joints, names = np.asarray(arrays["joints"], np.float32), arrays["names"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: expected arrays `joints` and `names`, got {error!r}") from error
    if joints.ndim != 3 or joints.shape[1:] != (14, 3) or len(joints) != len(names):
        raise DatasetError(
            f"{path}: expected joints [N, 14, 3] and N names, got {joints.shape}, {len(names)}"
        )
    people = []
    for index, name in enumerate(names):
        keypoints = np.zeros((KEYPOINT_COUNT, 3), np.float32)
        visible = joints[index, :, 2] > 0
        keypoints[list(LSP_JOINTS)] = np.where(visible[:12, None], joints[index, :12], 0)
        box = box_around_labelled(joints[index, visible, :2], margin=0.06)
        people.append(
            LabelledPerson(
                ImageReference(root / "images" / str(name), None, 0, 0, str(name)),
                keypoints,
                box,
                float((box[2] - box[0]) * (box[3] - box[1])) * 0.6,
                1.0,
                "lspet",
                is_in_held_out_tail(index, len(names)),
            )
        )
    return people


def box_around_labelled(
    points: npt.NDArray[np.float32], *, margin: float = HEAD_MARGIN
) -> npt.NDArray[np.float32]:
    """The box around [K, 2] joints, widened on each side by `margin` of its longer side: [4]."""
    if not len(points):
        raise DatasetError("a person without any labelled joint and without a box")
    low, high = points.min(axis=0), points.max(axis=0)
    reach = margin * float((high - low).max())
    return np.concatenate([low - reach, high + reach]).astype(np.float32)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected a JSON annotation file, got {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _keypoints(values: Sequence[float]) -> npt.NDArray[np.float32]:
    array = np.asarray(values, np.float32)
    if array.shape != (KEYPOINT_COUNT * 3,):
        raise ValueError(f"{len(values)} keypoint values, expected {KEYPOINT_COUNT * 3}")
    array = array.reshape(KEYPOINT_COUNT, 3).copy()
    array[:, 2] = array[:, 2] > 0
    return array
