"""How alike two sets of people are in place and pose, and who is whom."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from activity.structures import COCO_SIGMAS, box_area, box_iou

_FULL_TRUST: Final = 4.0
"""Summed confidence of common joints from which on the pose has its whole say: eight joints at 0.5."""
_ALONE_IOU: Final = 0.2
_MOTION_SIGMA_SCALE: Final = 1.5
"""Limbs move between frames: OKS's sigmas, made for two views of one picture, are widened by this."""


def pose_similarity(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    areas: npt.NDArray[np.floating],
    *,
    sigma_scale: float = _MOTION_SIGMA_SCALE,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Object keypoint similarity over the joints that both poses have.

    OKS (cocodataset.org/#keypoints-eval) with three changes that tracking needs: a joint counts only where
    both sides found it, since neither is the truth; it counts by the geometric mean of both confidences; and the
    sigmas are wider by `sigma_scale`.

    Args:
        first: [A, 17, 3], x and y in pixels and confidence; 0 is missing.
        second: [B, 17, 3], likewise.
        areas: [A, B], scale of each pair in square pixels.
        sigma_scale: Factor on the sigmas of COCO.

    Returns:
        [A, B] similarities in [0, 1], 0 where no joint is common, and [A, B] the summed confidence of the common
        joints, 0 to 17.
    """
    weights = np.sqrt(first[:, None, :, 2].astype(np.float64) * second[None, :, :, 2])  # (A, B, 17)
    squared = ((first[:, None, :, :2].astype(np.float64) - second[None, :, :, :2]) ** 2).sum(axis=3)
    variances = (2 * COCO_SIGMAS * sigma_scale) ** 2  # (17,)
    likeness = np.exp(-squared / (2 * variances * (areas[..., None] + np.spacing(1))))
    trust = weights.sum(axis=2)
    total = (likeness * weights).sum(axis=2)
    mean = np.divide(total, trust, out=np.zeros_like(total), where=trust > 0)
    return mean, trust


def person_similarity(
    boxes: npt.NDArray[np.floating],
    keypoints: npt.NDArray[np.floating],
    other_boxes: npt.NDArray[np.floating],
    other_keypoints: npt.NDArray[np.floating],
    *,
    pose_weight: float,
) -> npt.NDArray[np.float64]:
    """Box overlap and pose similarity as one number in [0, 1], [A, B].

    The pose counts `pose_weight` where the common joints are sure enough, eight of confidence 0.5 for example,
    proportionally less where they are fewer or less sure, and the box the rest. The smaller of two people is their
    scale: a bloated box is like nobody.
    """
    overlap = box_iou(boxes, other_boxes)
    if pose_weight == 0 or overlap.size == 0:
        return overlap
    areas = np.minimum(box_area(boxes)[:, None], box_area(other_boxes)[None, :])
    likeness, trust = pose_similarity(keypoints, other_keypoints, areas)
    weight = pose_weight * np.minimum(1, trust / _FULL_TRUST)
    blended: npt.NDArray[np.float64] = (1 - weight) * overlap + weight * likeness
    return blended


def box_containment(
    box: npt.NDArray[np.floating], others: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """[N]: overlap of a box [4] with each of [N, 4] others, as a share of the smaller of the two."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).astype(np.float64).prod(axis=1)
    smaller = np.minimum(box_area(box[None]), box_area(others))
    share: npt.NDArray[np.float64] = np.divide(shared, smaller, out=np.zeros(len(others)), where=smaller > 0)
    return share


def are_alone(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """[N], whether no other of [N, 4] boxes overlaps by `_ALONE_IOU` or more."""
    overlap = box_iou(boxes, boxes)
    np.fill_diagonal(overlap, 0)
    return np.asarray(overlap.max(axis=1, initial=0) < _ALONE_IOU)


def assign(similarity: npt.NDArray[np.float64], *, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) that make the sum of similarities largest; none below `least`, none twice."""
    if similarity.size == 0:
        return []
    gated = np.where(similarity >= least, similarity, 0)
    rows, columns = linear_sum_assignment(gated, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if gated[r, c] > 0]
