"""Who holds a weapon: the overlap of boxes, corrected by how far the weapon is from the hands.

The seed (Moura et al., "Detection of weapon possession and fire in Public Safety surveillance cameras", section 4.3)
names the person whose box has the greatest IoU with the weapon's box, and takes a weapon that overlaps nobody for a
false alarm. Its section 6 says where that fails: an arm raised out of the person's box, and neighbours whose boxes
overlap. Here each person's hands are compared with the weapon as well:

    s_p = (b + (1 - b) c_p) max_h exp(-d_h^2 / (2 v_h)) / v_h,    v_h = sigma_h^2 + g^2

with c_p the share of the weapon's box inside the person's and b the weight of a box that does not overlap;
d_h^2 = e_h^2 + (m_h / 2)^2 with e_h the distance of hand h from the weapon's box and m_h from its middle, and sigma_h
the hand's standard deviation, all over the person's size; g is the slack of a grip. A hand that was not seen may be anywhere in reach of the trunk, so it speaks softly and broadly.
"Nobody" scores what a hand would at the edge of reach, and who is hardly larger than the weapon's box scores nothing: such
a box is around a person, a door or a car. Scores over their sum are the probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import Detections, Hands, HolderCandidate, HolderLink, HolderRule, Poses, box_iou

Float = npt.NDArray[np.float64]

_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP = 5, 6, 11, 12
_MIDDLE_SHARE: Final = 0.5
"""Weight of the distance to the middle of the weapon's box: it parts two hands that both touch the box."""

_LARGEST: Final = 0.8
"""Longer side of a held weapon over its holder's size, at most: a rifle is 0.6 of a stature, and boxes are loose."""

_TORSO_SHARE: Final = 0.29
"""Length of the trunk, mid-shoulder to mid-hip, over stature (Winter's segment lengths)."""


@dataclass(frozen=True, slots=True)
class HolderModel:
    """The constants of the score; lengths are shares of a person's size.

    The defaults were read off a grid on 120 rendered scenes that `activity evaluate holders` does not draw.

    Attributes:
        grip: g, how far the box of a held weapon is from the hand that holds it.
        reach: Distance at which a well-seen hand holds the weapon as probably as nobody does.
        no_overlap_weight: b, weight of a person whose box does not overlap the weapon's.
        unseen_reach: Standard deviation of a hand that was not seen, around the middle of the person's box.
    """

    grip: float = 0.05
    reach: float = 0.17
    no_overlap_weight: float = 0.5
    unseen_reach: float = 0.15

    @property
    def nobody(self) -> float:
        """The score of "nobody": that of a hand without error at the edge of reach."""
        return float(np.exp(-(self.reach**2) / (2 * self.grip**2)) / self.grip**2)


def link_holders(
    *,
    frame_index: int,
    time_s: float,
    weapons: Detections,
    people: Poses,
    track_ids: npt.NDArray[np.int64],
    hands: Hands,
    model: HolderModel | None = None,
) -> list[HolderLink]:
    """Link each weapon of a frame to the person who holds it, with the evidence for every person.

    Args:
        frame_index: The decoded frame.
        time_s: Its presentation time in seconds.
        weapons: K weapons, boxes in pixels.
        people: P people, boxes and keypoints in pixels.
        track_ids: [P], the track of each person.
        hands: Left and right hand of each person, in pixels, with their standard deviations.
        model: The constants; the shipped ones otherwise.

    Returns:
        K links, in the order of `weapons`. The rule is ``hand_distance`` where the holder's hand was seen, ``iou``
        where only boxes spoke, and ``none`` where nobody is more probable than anybody.

    Raises:
        StructureError: If the shapes do not fit each other.
    """
    count = len(people)
    if track_ids.shape != (count,) or len(hands.points) != count:
        raise StructureError(
            f"expected a track and two hands for each of {count} people, got {len(track_ids)} tracks and the hands of "
            f"{len(hands.points)}"
        )
    constants = model or HolderModel()
    sizes = person_sizes(people)
    deviations = np.where(hands.found, hands.std_px, np.nan).astype(np.float64)
    iou = box_iou(weapons.boxes, people.boxes)
    return [
        _link(
            frame_index=frame_index,
            time_s=time_s,
            weapon=np.asarray(box, np.float32),
            weapon_score=float(score),
            iou=overlap,
            people=people,
            track_ids=track_ids,
            hands=hands.points.astype(np.float64) / sizes[:, None, None],
            deviations=deviations / sizes[:, None],
            sizes=sizes,
            model=constants,
        )
        for box, score, overlap in zip(weapons.boxes, weapons.scores, iou, strict=True)
    ]


def person_sizes(people: Poses) -> Float:
    """Length in pixels to which distances near each person compare, [P], at least 1.

    The greatest of the box's height, its width, and the stature that the trunk tells where shoulders and hips were
    seen: a person who crouches, lies or is cut off by the picture's edge keeps about the size of one who stands.
    """
    boxes = people.boxes.astype(np.float64)
    sizes = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    joints = people.keypoints.astype(np.float64)
    trunk = (_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP)
    seen = (joints[:, trunk, 2] > 0).all(axis=1)
    shoulders = joints[:, (_LEFT_SHOULDER, _RIGHT_SHOULDER), :2].mean(axis=1)
    hips = joints[:, (_LEFT_HIP, _RIGHT_HIP), :2].mean(axis=1)
    stature = np.linalg.norm(shoulders - hips, axis=1) / _TORSO_SHARE
    result: Float = np.maximum(np.where(seen, np.maximum(sizes, stature), sizes), 1.0)
    return result


def _link(
    *,
    frame_index: int,
    time_s: float,
    weapon: npt.NDArray[np.float32],
    weapon_score: float,
    iou: Float,
    people: Poses,
    track_ids: npt.NDArray[np.int64],
    hands: Float,
    deviations: Float,
    sizes: Float,
    model: HolderModel,
) -> HolderLink:
    boxes = people.boxes.astype(np.float64)
    distances = distance_to_box(hands, weapon[None, None] / sizes[:, None, None])  # (P, 2)
    seen = np.isfinite(deviations) & np.isfinite(distances)
    middle = (weapon[:2] + weapon[2:]) / 2
    from_middle = np.linalg.norm(hands - middle / sizes[:, None, None], axis=2)
    squares = distances**2 + (_MIDDLE_SHARE * from_middle) ** 2
    variances = np.where(seen, deviations, 0.0) ** 2 + model.grip**2
    likelihood = np.where(seen, np.exp(-np.where(seen, squares, 0.0) / (2 * variances)) / variances, 0.0)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 / sizes[:, None]
    from_body = distance_to_box(middles, weapon[None] / sizes[:, None])
    unseen = np.exp(-(from_body**2) / (2 * model.unseen_reach**2)) / model.unseen_reach**2
    likelihood = np.where(seen, likelihood, unseen[:, None])
    overlap = _shares_inside(weapon.astype(np.float64), boxes)
    weight = model.no_overlap_weight + (1 - model.no_overlap_weight) * overlap
    longer = float(max(weapon[2] - weapon[0], weapon[3] - weapon[1]))
    scores = np.where(longer <= _LARGEST * sizes, weight * likelihood.max(axis=1, initial=0.0), 0.0)
    total = float(scores.sum()) + model.nobody
    probabilities = scores / total
    candidates = tuple(
        HolderCandidate(
            track_id=int(track_ids[p]),
            iou=float(iou[p]),
            hand_distance=float(distances[p, hand]) if seen[p].any() else None,
            hand_deviation=float(deviations[p, hand]) if seen[p].any() else None,
            probability=float(probabilities[p]),
        )
        for p in range(len(people))
        for hand in [int(np.where(seen[p], distances[p], np.inf).argmin())]
    )
    holder, rule = _decide(candidates, likelihood, seen, probabilities, model.nobody / total)
    return HolderLink(frame_index, time_s, weapon, weapon_score, holder, rule, candidates)


def _decide(
    candidates: Sequence[HolderCandidate],
    likelihood: Float,
    seen: npt.NDArray[np.bool_],
    probabilities: Float,
    nobody: float,
) -> tuple[int | None, HolderRule]:
    if len(candidates) == 0:
        return None, "none"
    best = int(probabilities.argmax())
    if probabilities[best] <= nobody:
        return None, "none"
    by_hand = bool(seen[best, int(likelihood[best].argmax())])
    return candidates[best].track_id, "hand_distance" if by_hand else "iou"


def distance_to_box(points: Float, boxes: Float) -> Float:
    """Distance of points [..., 2] from boxes [..., 4], as [...]: 0 inside, NaN where a coordinate is."""
    outside = np.maximum(np.maximum(boxes[..., :2] - points, points - boxes[..., 2:]), 0.0)
    result: Float = np.hypot(outside[..., 0], outside[..., 1])
    return result


def _shares_inside(weapon: Float, boxes: Float) -> Float:
    """Share of the weapon's box [4] that lies inside each of [P, 4] boxes; a box without area counts by its middle."""
    sides = np.maximum(weapon[2:] - weapon[:2], 1e-6)
    low, high = np.maximum(boxes[:, :2], weapon[:2]), np.minimum(boxes[:, 2:], weapon[:2] + sides)
    result: Float = np.clip((np.maximum(high - low, 0.0) / sides).prod(axis=1), 0.0, 1.0)
    return result
