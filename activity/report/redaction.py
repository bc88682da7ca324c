"""Make heads unrecognisable in pictures, driven by tracks: a frame that missed a person does not show the face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.report.drawing import RgbImage
from activity.structures import Track

Float = npt.NDArray[np.float64]

_FACE: Final = slice(0, 5)
_SHOULDERS: Final = [5, 6]
_DILATION: Final = 1.35
"""Factor on the radius that joints or box suggest: hair and chin lie outside the face's joints."""

_HEAD_OF_HEIGHT: Final = 0.09
"""Radius of a head over the height of a standing person's box; a generous eighth of stature is a head."""

_DRIFT_PER_S: Final = 0.8
"""How fast the unseen head may wander off the straight line, in box heights a second."""

_BEYOND_S: Final = 0.6
"""How long before the first and after the last frame of a track the head stays covered."""

_WIDE: Final = 0.4
"""From this width over its height on a box may be of somebody who leans, with the head at either end of its top."""

_CELLS: Final = 4
"""A head is averaged to this many cells across, whatever its size."""


@dataclass(frozen=True, slots=True, eq=False)
class _Heads:
    """One person's head through time.

    Attributes:
        times_s: [N].
        circles: [N, 3]: centre x, centre y, radius in pixels, already dilated.
        heights: [N] box heights in pixels.
    """

    times_s: Float
    circles: Float
    heights: Float


class HeadRedactor:
    """Covers the heads of all people of a clip.

    Between two frames in which a person was seen the head moves on a straight line and its cover grows with the time to
    the nearer of the two; it stays a while before the first and after the last. Nobody who was never found is covered.

    Args:
        tracks: The people.
        boxes: Time in seconds and [P, 4] boxes of everybody who was detected in a frame, followed or not.
    """

    def __init__(
        self, tracks: Sequence[Track], boxes: Sequence[tuple[float, npt.NDArray[np.float32]]] = ()
    ) -> None:
        # Also along the top of the box: where one person hides another, the pose may put the face on the wrong one.
        self._heads = [
            _Heads(track.times_s, circles, _heights(track.boxes))
            for track in tracks
            for circles in (head_circles(track.keypoints, track.boxes), *_along_the_top(track.boxes))
        ]
        self._box_times = np.array([time_s for time_s, _ in boxes])
        self._boxes = [found for _, found in boxes]
        steps = np.diff(self._box_times)
        self._reach_s = float(2 * np.median(steps)) if len(steps) else 0.2

    def circles_at(self, time_s: float) -> Float:
        """[N, 3] centre x, centre y and radius in pixels of every circle to cover at a time."""
        circles = [circle for heads in self._heads if (circle := _circle_at(heads, time_s)) is not None]
        near = np.flatnonzero(np.abs(self._box_times - time_s) <= self._reach_s)
        for i in near:
            found = self._boxes[i]
            nothing = np.zeros((len(found), 17, 3), np.float32)
            circles.extend(head_circles(nothing, found))
        return np.array(circles, np.float64).reshape(-1, 3)

    def redact(self, image: RgbImage, time_s: float) -> RgbImage:
        """A copy of a picture, [H, W, 3] RGB at `time_s` seconds, with every head covered."""
        covered = np.ascontiguousarray(image).copy()
        for x, y, radius in self.circles_at(time_s).tolist():
            _cover(covered, x, y, radius)
        return covered


def head_circles(keypoints: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> Float:
    """Where the heads are, [N, 3] centre x, centre y, dilated radius in pixels.

    By the face's joints where any was found, above the shoulders otherwise, at the top of the box where neither was.

    Args:
        keypoints: [N, 17, 3], x, y, confidence; 0 is missing.
        boxes: [N, 4] in pixels.
    """
    joints, frames = keypoints.astype(np.float64), boxes.astype(np.float64)
    heights = _heights(boxes)
    radius = np.maximum(_HEAD_OF_HEIGHT * heights, 2.0)
    top = np.stack([(frames[:, 0] + frames[:, 2]) / 2, frames[:, 1] + _HEAD_OF_HEIGHT * heights], axis=1)
    circles = np.concatenate([top, 1.3 * radius[:, None]], axis=1)
    shoulders = joints[:, _SHOULDERS]
    both = (shoulders[..., 2] > 0).all(axis=1)
    middle = shoulders[..., :2].mean(axis=1)
    width = np.linalg.norm(shoulders[:, 0, :2] - shoulders[:, 1, :2], axis=1)
    above = middle - np.stack([np.zeros(len(frames)), np.maximum(0.6 * width, 1.1 * radius)], axis=1)
    circles[both] = np.concatenate([above, np.maximum(0.7 * width, 1.2 * radius)[:, None]], axis=1)[both]
    face = joints[:, _FACE]
    seen = face[..., 2] > 0
    count = seen.sum(axis=1)
    centre = (face[..., :2] * seen[..., None]).sum(axis=1) / np.maximum(count, 1)[:, None]
    spread = np.where(seen, np.linalg.norm(face[..., :2] - centre[:, None], axis=2), 0.0).max(axis=1)
    by_face = np.concatenate([centre, np.maximum(1.3 * spread, radius)[:, None]], axis=1)
    circles[count > 0] = by_face[count > 0]
    circles[:, 2] *= _DILATION
    return circles


def _along_the_top(boxes: npt.NDArray[np.float32]) -> tuple[Float, Float, Float]:
    """Circles as of `head_circles` in the middle and, where boxes [N, 4] are wide, at both ends of their tops."""
    middle = head_circles(np.zeros((len(boxes), 17, 3), np.float32), boxes)
    widths = boxes[:, 2].astype(np.float64) - boxes[:, 0]
    aside = np.where(
        widths >= _WIDE * _heights(boxes), np.maximum(widths / 2 - middle[:, 2] / _DILATION, 0), 0
    )
    left, right = middle.copy(), middle.copy()
    left[:, 0] -= aside
    right[:, 0] += aside
    return left, middle, right


def _heights(boxes: npt.NDArray[np.float32]) -> Float:
    sides = boxes[:, 2:].astype(np.float64) - boxes[:, :2]
    return np.asarray(sides.max(axis=1, initial=0.0), np.float64)


def _circle_at(heads: _Heads, time_s: float) -> Float | None:
    times = heads.times_s
    if time_s < times[0] - _BEYOND_S or time_s > times[-1] + _BEYOND_S:
        return None
    circle = np.array([np.interp(time_s, times, heads.circles[:, axis]) for axis in range(3)])
    away_s = float(np.abs(times - time_s).min())
    circle[2] += _DRIFT_PER_S * away_s * float(np.interp(time_s, times, heads.heights))
    return circle


def _cover(image: RgbImage, x: float, y: float, radius: float) -> None:
    """Replace a circle by a few flat cells of its mean colours."""
    height, width = image.shape[:2]
    x0, y0 = max(0, int(x - radius)), max(0, int(y - radius))
    x1, y1 = min(width, int(x + radius) + 2), min(height, int(y + radius) + 2)
    if x1 <= x0 or y1 <= y0:
        return
    patch = image[y0:y1, x0:x1]
    small = cv2.resize(patch, (min(_CELLS, x1 - x0), min(_CELLS, y1 - y0)), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    patch[inside] = coarse.reshape(patch.shape)[inside]
