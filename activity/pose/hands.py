"""Where a person's hands hold something: the forearm, carried on past the wrist.

COCO's wrist is a joint, not a hand: a pistol or a knife lies a hand's breadth beyond it. Proportions are those
of Drillis & Contini, "Body Segment Parameters" (1966), as printed in Winter, "Biomechanics and Motor Control of
Human Movement", figure 4.1, in shares of the stature.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures import COCO_SIGMAS, KEYPOINT_COUNT, Hands, box_area

_SHOULDERS: Final = (5, 6)
_ELBOWS: Final = (7, 8)
_WRISTS: Final = (9, 10)
_HIPS: Final = (11, 12)

_FOREARM_OF_STATURE: Final = 0.146
_UPPER_ARM_OF_STATURE: Final = 0.186
_TRUNK_OF_STATURE: Final = 0.288  # shoulder to hip
GRIP_OF_FOREARM: Final = 0.3
"""How far beyond the wrist things are held, as a share of the forearm: the middle of a closed hand."""
_GRIP_STD: Final = 0.1
"""Of `GRIP_OF_FOREARM`, for hands and grips differ."""
_BEND_STD_RAD: Final = 0.5
"""How far a hand bends away from its forearm: about 30 degrees."""
_ERROR_OF_SIGMA: Final = 0.5
"""A joint's error at confidence 1, as a share of COCO's sigma. The median error of elbows and wrists that our
heat-map network finds in the rendered demo is what a share of 0.35 predicts, at all heights of the map from 0.1
to 0.7; the rest is for its long tail."""


def find_hands(keypoints: npt.ArrayLike, boxes: npt.ArrayLike) -> Hands:
    """The point of each hand that would hold something, with its standard deviation.

    Where elbow and wrist were found, the point lies beyond the wrist, on the line from the elbow, by
    `GRIP_OF_FOREARM` of the forearm as it is seen: a forearm that points at the camera is seen short, and so is
    the hand. Where only the wrist was found, the point is the wrist. Without a wrist there is no hand.

    The variance of a point along each axis is the sum of

    * what the joints' own errors make of it, each ``sigma_k sqrt(area) / (2 confidence)`` with COCO's sigma_k,
      extrapolation included: the wrist counts 1.3 times, the elbow 0.3 times;
    * where in the hand the thing is, and how the hand bends at the wrist, in shares of the whole forearm,
      seen from whichever side: the longest that the person's own limbs suggest;
    * where only the wrist was found, the whole reach of the hand, whose direction is unknown.

    Args:
        keypoints: [P, 17, 3]: x px, y px, confidence in [0, 1]; 0 is a missing joint. The people of a frame, or
            the frames of a track.
        boxes: [P, 4], x0, y0, x1, y1 in pixels: gives the scale of the joints' errors, and the stature of a
            person without limbs.

    Raises:
        StructureError: If a shape does not fit or a coordinate is not finite.

    >>> arm = np.zeros((1, 17, 3))
    >>> arm[0, 7], arm[0, 9] = (100, 100, 1), (140, 100, 1)  # the left forearm, 40 px across
    >>> find_hands(arm, [[80, 50, 150, 250]]).points[0, 0].tolist()
    [152.0, 100.0]
    """
    joints = np.asarray(keypoints, np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (KEYPOINT_COUNT, 3):
        raise StructureError(f"keypoints: expected shape [any, 17, 3], got {list(joints.shape)}")
    if not np.isfinite(joints).all():
        raise StructureError(
            "keypoints: expected finite values, got NaN or infinity; confidence 0 marks what is missing"
        )
    frames = np.asarray(boxes, np.float64)
    frames = frames.reshape(0, 4) if frames.size == 0 else frames
    if frames.shape != (len(joints), 4):
        raise StructureError(f"boxes: expected shape [{len(joints)}, 4], got {list(frames.shape)}")
    elbows, wrists = joints[:, _ELBOWS], joints[:, _WRISTS]  # (P, 2, 3)
    forearm_px = _forearm_length(joints, frames)[:, None]  # (P, 1)
    scale_px = np.sqrt(box_area(frames))[:, None]
    has_wrist = wrists[..., 2] > 0
    has_both = has_wrist & (elbows[..., 2] > 0)

    reach = np.where(has_both, GRIP_OF_FOREARM, 0.0)
    points = wrists[..., :2] + reach[..., None] * (wrists[..., :2] - elbows[..., :2])
    wrist_std = _joint_std(wrists[..., 2], COCO_SIGMAS[_WRISTS[0]] * scale_px)
    elbow_std = _joint_std(elbows[..., 2], COCO_SIGMAS[_ELBOWS[0]] * scale_px)
    bend = np.hypot(_GRIP_STD, GRIP_OF_FOREARM * np.sin(_BEND_STD_RAD))
    held = np.where(has_both, bend, GRIP_OF_FOREARM) * forearm_px
    variance = ((1 + reach) * wrist_std) ** 2 + (reach * elbow_std) ** 2 + held**2
    return Hands(
        points=np.where(has_wrist[..., None], points, 0).astype(np.float32),
        # a person of no area has a hand all the same: of a hundredth of a pixel
        std_px=np.where(has_wrist, np.maximum(np.sqrt(variance), 0.01), 0).astype(np.float32),
        found=has_wrist,
    )


def _joint_std(
    confidence: npt.NDArray[np.float64], sigma_px: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Standard deviation of a joint along each axis in px, 0 for a joint that was not found."""
    found = confidence > 0
    std: npt.NDArray[np.float64] = np.divide(
        _ERROR_OF_SIGMA * sigma_px, confidence, out=np.zeros(confidence.shape), where=found
    )
    return std


def _forearm_length(
    joints: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """[P] px: the forearm if it lay across the line of sight.

    A limb is never seen longer than it is, so the longest forearm that any limb suggests is nearest the truth;
    the box, which also bounds the stature, caps a misplaced joint's and speaks alone where no limb was found.
    """
    stature_px = np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    suggested = np.zeros(len(joints))
    for starts, ends, share in (
        (_SHOULDERS, _ELBOWS, _UPPER_ARM_OF_STATURE),
        (_ELBOWS, _WRISTS, _FOREARM_OF_STATURE),
        (_SHOULDERS, _HIPS, _TRUNK_OF_STATURE),
    ):
        start, end = joints[:, starts], joints[:, ends]
        seen = (start[..., 2] > 0) & (end[..., 2] > 0)
        length = np.linalg.norm(start[..., :2] - end[..., :2], axis=2) / share
        suggested = np.maximum(suggested, np.where(seen, length, 0).max(axis=1))
    whole = np.where(suggested > 0, np.minimum(suggested, stature_px), stature_px)
    return np.asarray(_FOREARM_OF_STATURE * whole, np.float64)
