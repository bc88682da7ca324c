"""How well a pose estimator finds the people of annotated pictures, and their joints.

Average precision and recall are those of the COCO keypoint evaluation. The figures at OKS 0.5 match people by the same rule at the scores that an analysis works with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from activity.datasets.coco_keypoints import LabelledPerson
from activity.errors import DatasetError, StructureError
from activity.evaluation.light import Light
from activity.evaluation.pose_coco import coco_figures
from activity.evaluation.pose_matching import (
    MATCH_OKS,
    Heights,
    assigned_similarity,
    by_score,
    has_height,
    match_people,
    similarity_to_people,
    similarity_to_region,
    split_people,
)
from activity.structures import Poses


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
        light: What the picture was taken in, where somebody looked.
    """

    people: Sequence[LabelledPerson]
    poses: Poses
    light: Light | None = None


@dataclass(frozen=True, slots=True)
class MatchCounts:
    """What matching at OKS 0.5 counts; every share in [0, 1].

    Attributes:
        recall_oks50: As in `PoseMetrics`.
        precision_oks50: As in `PoseMetrics`.
        mean_oks: As in `PoseMetrics`.
        people: People who count.
    """

    recall_oks50: float
    precision_oks50: float
    mean_oks: float
    people: int


def measure_poses(
    pictures: Sequence[PosedPicture], *, min_agreement: float = 0.0, score_threshold: float = 0.0
) -> PoseMetrics:
    """Compare what was found with what is annotated, in any number of pictures.

    Average precision looks at every pose, the other figures at those of at least `score_threshold`.

    Raises:
        DatasetError: As `match_poses`.
    """
    counts = match_poses(pictures, min_agreement=min_agreement, score_threshold=score_threshold)
    ap, ap50, ar = coco_figures([(picture.people, picture.poses) for picture in pictures], min_agreement)
    return PoseMetrics(
        ap=ap,
        ap50=ap50,
        ar=ar,
        recall_oks50=counts.recall_oks50,
        precision_oks50=counts.precision_oks50,
        mean_oks=counts.mean_oks,
        images=len(pictures),
        people=counts.people,
    )


def match_poses(
    pictures: Sequence[PosedPicture],
    *,
    min_agreement: float = 0.0,
    score_threshold: float = 0.0,
    heights: Heights = (0, np.inf),
) -> MatchCounts:
    """Match what was found with what is annotated, at OKS 0.5.

    Crowds, people without any labelled joint and people below `min_agreement` count neither way: a pose
    that finds nobody else is left out if it lies in such a person's region, the box widened by its own
    size on every side (COCO's rule). With `heights`, so do people of other heights, and poses of other
    heights that find nobody (COCO's rule for areas).

    Args:
        pictures: What is annotated and what was found.
        min_agreement: People whose labels agree less than this, in [0, 1], count neither way.
        score_threshold: Poses with a lower score, in [0, 1], are left out.
        heights: Of the people who count, in pixels of their boxes: at least the first, less than the second.

    Raises:
        DatasetError: If nobody counts.
    """
    found = posed = 0
    similarities: list[float] = []
    for picture in pictures:
        counted, regions = split_people(picture.people, min_agreement, heights)
        order = by_score(picture.poses, score_threshold)
        keypoints = picture.poses.keypoints[order]
        overlap = similarity_to_people(keypoints, counted)
        matches = match_people(overlap)
        ignored = np.array([not has_height(box, heights) for box in picture.poses.boxes[order]], np.bool_)
        for region in regions:
            ignored |= similarity_to_region(keypoints, region) >= MATCH_OKS
        found += int((matches >= 0).sum())
        posed += int(((matches >= 0) | ~ignored).sum())
        similarities.extend(assigned_similarity(overlap))
    if not similarities:
        raise DatasetError(
            f"nobody to look for in {len(pictures)} pictures: expected at least one person with a labelled "
            f"joint, no crowd, whose labels agree by {min_agreement} or more"
        )
    return MatchCounts(
        recall_oks50=found / len(similarities),
        precision_oks50=found / posed if posed else 1.0,
        mean_oks=float(np.mean(similarities)),
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
