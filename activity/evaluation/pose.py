"""How well a pose estimator finds the people of annotated pictures, and their joints.

Average precision and recall are those of the COCO keypoint evaluation (cocodataset.org/#keypoints-eval), by
pycocotools. The figures at OKS 0.5 match people by the same rule at the scores that an analysis works with.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.optimize import linear_sum_assignment

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson, read_coco_keypoints
from activity.datasets.pictures import read_pictures
from activity.errors import DatasetError, StructureError
from activity.structures import COCO_SIGMAS, KEYPOINT_COUNT, Poses, oks

MATCH_OKS: Final = 0.5
"""Object keypoint similarity from which on a person counts as found."""


@dataclass(frozen=True, slots=True)
class PoseMetrics:
    """What `evaluate_pose` measures; every share in [0, 1].

    Attributes:
        ap: Average precision over OKS 0.50 to 0.95 in steps of 0.05, at most 20 people a picture.
        ap50: Average precision at OKS 0.50.
        ar: Average recall over OKS 0.50 to 0.95.
        recall_oks50: Share of the people who were found at OKS 0.5.
        precision_oks50: Share of the poses that found somebody; 1 where there was no pose at all.
        mean_oks: Mean over the people of the OKS with the pose assigned to them (one to one, largest
            sum), 0 for those who have none.
        images: Pictures looked at.
        people: People who count.
    """

    ap: float
    ap50: float
    ar: float
    recall_oks50: float
    precision_oks50: float
    mean_oks: float
    images: int
    people: int


@dataclass(frozen=True, slots=True, eq=False)
class PosedPicture:
    """The people of one picture, as annotated and as found.

    Attributes:
        people: Everyone annotated, crowds included.
        poses: Everyone found.
    """

    people: Sequence[LabelledPerson]
    poses: Poses


def evaluate_pose(
    annotations: Path,
    images: Path,
    estimate: Callable[[npt.NDArray[np.uint8]], Poses],
    *,
    min_agreement: float = 0.0,
    score_threshold: float = 0.0,
    keep: Callable[[ImageReference], bool] = lambda _: True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PoseMetrics:
    """Run an estimator over annotated pictures and measure what it found.

    Args:
        annotations: COCO keypoint JSON. An image with a `frame` is that frame of a video.
        images: Folder that the file names are relative to; see `read_coco_keypoints`.
        estimate: Finds the people of one [H, W, 3] uint8 RGB picture.
        min_agreement: People whose labels agree less than this, in [0, 1], count neither way.
        score_threshold: Poses with a lower score, in [0, 1], are left out of the figures at OKS 0.5.
        keep: Chooses the pictures to look at.
        progress: Called after each picture with how many are done and how many there are.

    Raises:
        DatasetError: If the annotations or a picture cannot be read, or nobody in them counts.
    """
    content = read_coco_keypoints(annotations, images)
    ids = {id(reference): key for key, reference in content.images.items()}
    chosen = [reference for reference in content.images.values() if keep(reference)]
    pictures = []
    for reference, picture in read_pictures(chosen):
        people = content.people.get(ids[id(reference)], ())
        pictures.append(PosedPicture(people, estimate(picture)))
        progress(len(pictures), len(chosen))
    return measure_poses(pictures, min_agreement=min_agreement, score_threshold=score_threshold)


def measure_poses(
    pictures: Sequence[PosedPicture], *, min_agreement: float = 0.0, score_threshold: float = 0.0
) -> PoseMetrics:
    """Compare what was found with what is annotated, in any number of pictures.

    Crowds, people without any labelled joint and people below `min_agreement` count neither way: a pose
    that finds nobody else is left out if it lies in such a person's region, the box widened by its own
    size on every side (COCO's rule).

    Raises:
        DatasetError: If nobody counts.
    """
    found = posed = 0
    similarities: list[float] = []
    for picture in pictures:
        counted, regions = _split(picture.people, min_agreement)
        keypoints = picture.poses.keypoints[_by_score(picture.poses, score_threshold)]
        overlap = _similarity(keypoints, counted)
        matches = _match(overlap)
        in_region = np.zeros(len(keypoints), np.bool_)
        for region in regions:
            in_region |= _similarity_to_region(keypoints, region) >= MATCH_OKS
        found += int((matches >= 0).sum())
        posed += int(((matches >= 0) | ~in_region).sum())
        similarities.extend(_assigned_similarity(overlap))
    if not similarities:
        raise DatasetError(
            f"nobody to look for in {len(pictures)} pictures: expected at least one person with a labelled "
            f"joint, no crowd, whose labels agree by {min_agreement} or more"
        )
    ap, ap50, ar = _coco_figures(pictures, min_agreement)
    return PoseMetrics(
        ap=ap,
        ap50=ap50,
        ar=ar,
        recall_oks50=found / len(similarities),
        precision_oks50=found / posed if posed else 1.0,
        mean_oks=float(np.mean(similarities)),
        images=len(pictures),
        people=len(similarities),
    )


def pck(
    detected: npt.ArrayLike, reference: npt.ArrayLike, lengths: npt.ArrayLike, *, share: float = 0.2
) -> float:
    """Share of the labelled joints that were found within `share` of a reference length of their person.

    For data sets without areas. PCK@0.2 of Leeds Sports Pose takes the torso, left shoulder to right hip
    (Yang & Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", 2013).

    Args:
        detected: [N, K, 2 or 3], x and y in pixels, one pose for each reference.
        reference: [N, K, 3], x, y and a visibility: 0 marks a joint without a label.
        lengths: [N], pixels, above 0.
        share: Of the length, above 0.

    Raises:
        StructureError: If the shapes do not fit, a length is not above 0, or no joint is labelled.

    >>> pck([[[0, 0], [10, 0]]], [[[0, 1, 2], [13, 0, 2]]], [10])
    0.5
    """
    a, b = np.asarray(detected, np.float64), np.asarray(reference, np.float64)
    scale = np.asarray(lengths, np.float64)
    if b.ndim != 3 or b.shape[2] != 3:
        raise StructureError(f"reference: expected shape [N, K, 3], got {list(b.shape)}")
    if a.ndim != 3 or a.shape[:2] != b.shape[:2] or a.shape[2] not in (2, 3):
        raise StructureError(f"detected: expected shape {[*b.shape[:2], '2 or 3']}, got {list(a.shape)}")
    if scale.shape != (len(b),) or not (scale > 0).all():
        raise StructureError(f"lengths: expected {len(b)} lengths above 0, got {scale.tolist()}")
    labelled = b[..., 2] > 0
    if not labelled.any():
        raise StructureError("reference: expected at least one labelled joint")
    distances = np.linalg.norm(a[..., :2] - b[..., :2], axis=2)  # (N, K)
    return float((distances <= share * scale[:, None])[labelled].mean())


def _split(
    people: Sequence[LabelledPerson], min_agreement: float
) -> tuple[list[LabelledPerson], list[LabelledPerson]]:
    """The people who count, and those who are only regions."""
    counted = [
        person
        for person in people
        if not person.is_crowd and person.weight >= min_agreement and (person.keypoints[:, 2] > 0).any()
    ]
    return counted, [person for person in people if person not in counted]


def _by_score(poses: Poses, threshold: float) -> npt.NDArray[np.int64]:
    order = np.argsort(-poses.scores, kind="stable")
    return order[poses.scores[order] >= threshold]


def _similarity(
    keypoints: npt.NDArray[np.float32], people: Sequence[LabelledPerson]
) -> npt.NDArray[np.float64]:
    """[D, G]: OKS of every pose with every person."""
    reference = np.array([person.keypoints for person in people]).reshape(-1, KEYPOINT_COUNT, 3)
    return oks(keypoints, reference, [person.area for person in people])


def _similarity_to_region(
    keypoints: npt.NDArray[np.float32], person: LabelledPerson
) -> npt.NDArray[np.float64]:
    """[D] in [0, 1]: like OKS, with each joint's distance to the widened box (COCOeval.computeOks)."""
    x0, y0, x1, y1 = person.box.astype(np.float64)
    size = np.array([x1 - x0, y1 - y0])
    low, high = np.array([x0, y0]) - size, np.array([x1, y1]) + size
    points = keypoints[..., :2].astype(np.float64)
    outside = np.maximum(low - points, 0) + np.maximum(points - high, 0)  # (D, 17, 2)
    scale = 2 * (2 * COCO_SIGMAS) ** 2 * (person.area + np.spacing(1))
    similarity: npt.NDArray[np.float64] = np.exp(-(outside**2).sum(axis=2) / scale).mean(axis=1)
    return similarity


def _match(overlap: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """For each pose, best score first, the most similar person not yet found, from OKS 0.5 on; else -1."""
    free = overlap.copy()
    matches = np.full(len(overlap), -1)
    if not overlap.size:
        return matches
    for pose, row in enumerate(free):  # rows are views: a person taken is gone for later rows
        best = int(row.argmax())
        if row[best] >= MATCH_OKS:
            matches[pose] = best
            free[:, best] = -1
    return matches


def _assigned_similarity(overlap: npt.NDArray[np.float64]) -> list[float]:
    """For each person, the OKS with the pose of the assignment with the largest sum; 0 without a pose."""
    similarity = np.zeros(overlap.shape[1])
    poses, people = linear_sum_assignment(overlap, maximize=True)
    similarity[people] = overlap[poses, people]
    return [float(value) for value in similarity]


def _coco_figures(pictures: Sequence[PosedPicture], min_agreement: float) -> tuple[float, float, float]:
    """AP, AP at OKS 0.5 and AR of the COCO keypoint evaluation."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, start=1):
        counted, _ = _split(picture.people, min_agreement)
        for person in picture.people:
            is_region = person not in counted
            labelled = int((person.keypoints[:, 2] > 0).sum())
            entry = _coco_entry(image_id, len(truth) + 1, person.keypoints * (not is_region), person.box)
            entry |= {"area": person.area, "num_keypoints": 0 if is_region else labelled}
            # a crowd swallows any number of poses, a person without joints only one
            truth.append(entry | {"iscrowd": int(is_region and (person.is_crowd or labelled > 0))})
        poses = picture.poses
        for keypoints, box, score in zip(poses.keypoints, poses.boxes, poses.scores, strict=True):
            entry = _coco_entry(image_id, len(found) + 1, keypoints, box)
            found.append(entry | {"area": entry["bbox"][2] * entry["bbox"][3], "score": float(score)})

    sides = []
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        for entries in (truth, found):
            side = COCO()
            side.dataset = {
                "images": [{"id": image_id} for image_id in range(1, len(pictures) + 1)],
                "categories": [{"id": 1}],
                "annotations": entries,
            }
            side.createIndex()
            sides.append(side)
        evaluator = COCOeval(*sides, iouType="keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return float(evaluator.stats[0]), float(evaluator.stats[1]), float(evaluator.stats[5])


def _coco_entry(
    image_id: int, entry_id: int, keypoints: npt.NDArray[np.float32], box: npt.NDArray[np.float32]
) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return {
        "id": entry_id,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints.astype(np.float64).ravel().tolist(),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }
