"""Everything that is said of a pose estimator: all people, by their height, by light, and joint by joint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from activity.datasets.coco_keypoints import LabelledPerson
from activity.errors import DatasetError
from activity.evaluation.light import LIGHTS
from activity.evaluation.pose import PosedPicture, match_poses, measure_poses, pck
from activity.evaluation.pose_matching import Heights, by_score, similarity_to_people, split_people

HEIGHTS_PX: Final[dict[str, Heights]] = {
    "under_64_px": (0, 64),
    "64_to_128_px": (64, 128),
    "from_128_px": (128, np.inf),
}
"""Groups of people by the height of their boxes in the picture."""
_NOWHERE: Final = 1e9


def describe_poses(
    pictures: Sequence[PosedPicture], *, min_agreement: float = 0.0, score_threshold: float = 0.0
) -> dict[str, Any]:
    """Measure what was found in any number of pictures.

    Returns:
        The fields of `PoseMetrics`; ``pck`` and ``pck_people``, see `pck_of_torso`; ``by_height`` and ``by_light``:
        for each group in which somebody counts ``recall_oks50``, ``precision_oks50``, ``mean_oks`` and ``people``,
        by light ``images`` too.

    Raises:
        DatasetError: If nobody counts.
    """
    metrics = measure_poses(pictures, min_agreement=min_agreement, score_threshold=score_threshold)
    share, people = pck_of_torso(pictures, min_agreement=min_agreement, score_threshold=score_threshold)
    by_height: dict[str, Any] = {}
    by_light: dict[str, Any] = {}
    for name, heights in HEIGHTS_PX.items():
        figures = _counts(pictures, min_agreement, score_threshold, heights)
        if figures is not None:
            by_height[name] = figures
    for light in LIGHTS:
        group = [picture for picture in pictures if picture.light == light]
        figures = _counts(group, min_agreement, score_threshold, (0, np.inf))
        if figures is not None:
            by_light[light] = figures | {"images": len(group)}
    return dataclasses.asdict(metrics) | {
        "pck": share,
        "pck_people": people,
        "by_height": by_height,
        "by_light": by_light,
    }


def pck_of_torso(
    pictures: Sequence[PosedPicture], *, min_agreement: float = 0.0, score_threshold: float = 0.0
) -> tuple[float | None, int]:
    """PCK@0.2 of the torso: the share of labelled joints found within a fifth of a torso's length.

    A person is given the pose of the assignment with the largest sum of OKS; the joints of a person without one,
    and joints that the pose does not have, are not found.

    Returns:
        The share, and the number of people who have a labelled torso: shoulder to opposite hip. `None` where
        nobody has.
    """
    detected, reference, lengths = [], [], []
    for picture in pictures:
        counted, _ = split_people(picture.people, min_agreement)
        keypoints = picture.poses.keypoints[by_score(picture.poses, score_threshold)]
        overlap = similarity_to_people(keypoints, counted)
        pose_of = dict(
            zip(*(side.tolist() for side in linear_sum_assignment(overlap.T, maximize=True)), strict=True)
        )
        for number, person in enumerate(counted):
            length = torso_px(person)
            if length > 0:
                reference.append(person.keypoints)
                lengths.append(length)
                pose = pose_of.get(number)
                points = np.full((len(person.keypoints), 2), _NOWHERE)
                if pose is not None:
                    present = keypoints[pose, :, 2] > 0
                    points[present] = keypoints[pose, present, :2]
                detected.append(points)
    if not lengths:
        return None, 0
    return pck(detected, reference, lengths), len(lengths)


def torso_px(person: LabelledPerson) -> float:
    """Length from a shoulder to the opposite hip, the longer where both are labelled; 0 where none is."""
    joints: npt.NDArray[np.float32] = person.keypoints
    return max(
        (
            float(np.linalg.norm(joints[shoulder, :2] - joints[hip, :2]))
            for shoulder, hip in ((5, 12), (6, 11))
            if joints[shoulder, 2] > 0 and joints[hip, 2] > 0
        ),
        default=0.0,
    )


def _counts(
    pictures: Sequence[PosedPicture], min_agreement: float, score_threshold: float, heights: Heights
) -> dict[str, Any] | None:
    try:
        counts = match_poses(
            pictures, min_agreement=min_agreement, score_threshold=score_threshold, heights=heights
        )
    except DatasetError:
        return None  # nobody of this group: it is left out
    return dataclasses.asdict(counts)
