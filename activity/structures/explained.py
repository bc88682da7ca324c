"""Poses that are made of the joints of others: copies, and mixtures of two people in one box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from activity.structures.geometry import box_area
from activity.structures.poses import Poses
from activity.structures.skeleton import COCO_SIGMAS


def explained_by_others(poses: Poses, *, sigma_scale: float = 1.0) -> npt.NDArray[np.float64]:
    """How far each pose is made of the joints of better ones: near 1 for a copy, or a mixture of two people.

    A box around two people who overlap gives a third pose, with the head of one and the legs of the other. Each of its
    joints lies on the same joint of somebody who was found better.

    Args:
        poses: P people of one frame.
        sigma_scale: Factor on the sigmas of COCO.

    Returns:
        [P] in [0, 1], the mean over a pose's joints, by their confidence, of the likeness (as in OKS) to the nearest
        same joint of all better poses, by score and then by order; 0 where there is none.
    """
    points, confidence = (
        poses.keypoints[..., :2].astype(np.float64),
        poses.keypoints[..., 2].astype(np.float64),
    )
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=3)  # (P, P, 17)
    variances = (2 * COCO_SIGMAS * sigma_scale) ** 2
    areas = np.minimum(box_area(poses.boxes)[:, None], box_area(poses.boxes)[None, :])
    likeness = np.exp(-squared / (2 * variances * (areas[..., None] + np.spacing(1))))
    ranks = np.argsort(np.argsort(-poses.scores, kind="stable"), kind="stable")
    better = (
        ranks[None, :] < ranks[:, None]
    )  # of equal scores the first is better, so that of two copies one stays
    likeness = likeness * better[..., None] * (confidence > 0)[None]
    nearest = likeness.max(axis=1, initial=0)
    total = confidence.sum(axis=1)
    share: npt.NDArray[np.float64] = np.divide(
        (nearest * confidence).sum(axis=1), total, out=np.zeros(len(poses)), where=total > 0
    )
    return share
