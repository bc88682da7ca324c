"""Where an armed person's arm points, and who stands in that line: weak evidence, for a picture has no depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.structures import Poses

_ARMS: Final = ((5, 7, 9), (6, 8, 10))
"""Shoulder, elbow and wrist, left and right."""

STRAIGHT_DEG: Final = 35.0
"""An arm that bends more at the elbow does not point."""

HANGING_DEG: Final = 35.0
"""An arm nearer to the vertical than this hangs by the side."""

CONE_DEG: Final = 12.0
"""Half width of the line of sight: error of the joints, and the unknown angle between forearm and barrel."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """One arm that points.

    Attributes:
        origin: x and y of the wrist in pixels.
        direction: Unit vector from the elbow through the wrist, x right and y down.
        targets: Rows of the people whose trunk lies in the line, nearest first.
    """

    origin: tuple[float, float]
    direction: tuple[float, float]
    targets: tuple[int, ...]


def find_pointing(people: Poses, row: int, weapon: npt.NDArray[np.floating]) -> Pointing | None:
    """Where the arm nearest to a weapon points, and at whom.

    Args:
        people: Everybody in the frame.
        row: The armed person.
        weapon: [4] box of the weapon in pixels.

    Returns:
        `None` where no arm is seen whole, or it is bent or hangs.
    """
    joints = people.keypoints[row].astype(np.float64)
    middle = np.array([weapon[0] + weapon[2], weapon[1] + weapon[3]], np.float64) / 2
    whole = [arm for arm in _ARMS if (joints[list(arm), 2] > 0).all()]
    if not whole:
        return None
    shoulder, elbow, wrist = (
        joints[k, :2] for k in min(whole, key=lambda arm: float(np.linalg.norm(joints[arm[2], :2] - middle)))
    )
    upper, lower = elbow - shoulder, wrist - elbow
    if min(np.linalg.norm(upper), np.linalg.norm(lower)) < 1e-6:
        return None
    arm = wrist - shoulder
    down = abs(math.degrees(math.atan2(arm[0], arm[1])))  # 0 hangs straight down
    if _angle_deg(upper, lower) > STRAIGHT_DEG or down < HANGING_DEG:
        return None
    direction = arm / np.linalg.norm(arm)
    found = []
    for other in range(len(people)):
        trunk = _trunk(people.keypoints[other], people.boxes[other])
        to_middle = np.array([(trunk[0] + trunk[2]) / 2, (trunk[1] + trunk[3]) / 2]) - wrist
        if other == row or float(to_middle @ direction) <= 0:
            continue
        if _crosses(wrist, direction, trunk):
            found.append((float(np.linalg.norm(to_middle)), other))
    return Pointing(
        (float(wrist[0]), float(wrist[1])),
        (float(direction[0]), float(direction[1])),
        tuple(other for _, other in sorted(found)),
    )


def _angle_deg(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    cosine = float(first @ second) / float(np.linalg.norm(first) * np.linalg.norm(second))
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine))))


def _trunk(keypoints: npt.NDArray[np.float32], box: npt.NDArray[np.float32]) -> Sequence[float]:
    """Box from head to hips: the upper 60 % of the person's box where these joints were not found."""
    seen = keypoints[[*range(7), 11, 12]]
    seen = seen[seen[:, 2] > 0]
    if len(seen) < 3:
        return [float(box[0]), float(box[1]), float(box[2]), float(box[1] + 0.6 * (box[3] - box[1]))]
    return [*seen[:, :2].min(axis=0).tolist(), *seen[:, :2].max(axis=0).tolist()]


def _crosses(
    origin: npt.NDArray[np.float64], direction: npt.NDArray[np.float64], box: Sequence[float]
) -> bool:
    """Whether some point of the box's outline or middle lies within the cone."""
    xs, ys = np.linspace(box[0], box[2], 5), np.linspace(box[1], box[3], 9)
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2) - origin
    lengths = np.linalg.norm(points, axis=1)
    cosines = (points @ direction) / np.maximum(lengths, 1e-9)
    return bool((cosines >= math.cos(math.radians(CONE_DEG))).any())
