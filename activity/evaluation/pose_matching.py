"""Which pose found which person: the rules of the COCO keypoint evaluation (cocodataset.org/#keypoints-eval)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from activity.datasets.coco_keypoints import LabelledPerson
from activity.structures import COCO_SIGMAS, KEYPOINT_COUNT, Poses, oks

MATCH_OKS: Final = 0.5
"""Object keypoint similarity from which on a person counts as found."""

Heights = tuple[float, float]
"""Least height of a person's box in pixels, and the height from which on a person is too tall."""


def split_people(
    people: Sequence[LabelledPerson], min_agreement: float, heights: Heights = (0, np.inf)
) -> tuple[list[LabelledPerson], list[LabelledPerson]]:
    """The people who count, and those who are only regions: crowds, the unlabelled, and other heights."""
    counted = [
        person
        for person in people
        if not person.is_crowd
        and person.weight >= min_agreement
        and (person.keypoints[:, 2] > 0).any()
        and has_height(person.box, heights)
    ]
    return counted, [person for person in people if person not in counted]


def has_height(box: npt.NDArray[np.float32], heights: Heights) -> bool:
    """Whether a box [4] is at least as high as the first of two heights, and less high than the second."""
    return bool(heights[0] <= box[3] - box[1] < heights[1])


def by_score(poses: Poses, threshold: float) -> npt.NDArray[np.int64]:
    """Indices of the poses of at least a score, best first."""
    order = np.argsort(-poses.scores, kind="stable")
    return order[poses.scores[order] >= threshold]


def similarity_to_people(
    keypoints: npt.NDArray[np.float32], people: Sequence[LabelledPerson]
) -> npt.NDArray[np.float64]:
    """[D, G]: OKS of every pose with every person."""
    reference = np.array([person.keypoints for person in people]).reshape(-1, KEYPOINT_COUNT, 3)
    return oks(keypoints, reference, [person.area for person in people])


def similarity_to_region(
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


def match_people(overlap: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
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


def assigned_similarity(overlap: npt.NDArray[np.float64]) -> list[float]:
    """For each person, the OKS with the pose of the assignment with the largest sum; 0 without a pose."""
    similarity = np.zeros(overlap.shape[1])
    poses, people = linear_sum_assignment(overlap, maximize=True)
    similarity[people] = overlap[poses, people]
    return [float(value) for value in similarity]
