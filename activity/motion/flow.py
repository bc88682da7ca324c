"""Dense optical flow between frames a tenth of a second apart, put into numbers.

People who lock into each other, lie, or are cut off by the frame are often not found, and the picture moves all the same.

Sources: Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016), as in OpenCV; Hassner et al., "Violent
Flows: Real-time detection of violent crowd behavior" (CVPR workshops 2012) for judging a crowd by how its flow changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

LONG_SIDE_PX: Final = 256
"""Longer side of the pictures that are compared."""
LEAST_SIDE_PX: Final = 64
"""Least shorter side: under 32 rows OpenCV's search reads beyond its buffers and ends the process."""
LEAST_GAP_S: Final = 0.075
"""Least time between two frames that are compared: shorter, and a slow motion is lost in the noise."""
MOVING_HEIGHTS_PER_S: Final = 0.08
"""Pixels faster than this, in heights of the picture a second, move."""
DIRECTIONS: Final = 8
DERIVATIVE_SCALE: Final = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """Two small gray pictures of one size.

    Attributes:
        before: [h, w] uint8, at least `LEAST_SIDE_PX` on either side.
        after: [h, w] uint8.
        gap_s: Seconds between them.
        time_s: When the later one was taken.
    """

    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]
    gap_s: float
    time_s: float


class MotionSampler:
    """Pairs each frame with one at least `LEAST_GAP_S` before it; keeps one small picture at a time."""

    def __init__(self) -> None:
        self._before: npt.NDArray[np.uint8] | None = None
        self._before_s = 0.0

    def pair(self, image: npt.NDArray[np.uint8], time_s: float) -> FramePair | None:
        """Take the next frame.

        Args:
            image: [H, W, 3] uint8, RGB.
            time_s: Seconds, later than that of the frame before.

        Returns:
            The pair that this frame ends, or `None`: it is the first, it comes too soon, or the picture's size changed.
        """
        if self._before is not None and time_s - self._before_s < LEAST_GAP_S - 1e-6:
            return None
        after = _small_gray(image)
        before, gap_s = self._before, time_s - self._before_s
        self._before, self._before_s = after, time_s
        if before is None or before.shape != after.shape:
            return None
        return FramePair(before, after, gap_s, time_s)


def measure_motion(pair: FramePair) -> npt.NDArray[np.float32]:
    """Put the flow of a pair into numbers.

    Returns:
        [17] float32: `activity.structures.MOTION_MEASURES`, finite, none below 0.
    """
    finder = cv2.DISOpticalFlow.create(
        cv2.DISOPTICAL_FLOW_PRESET_FAST
    )  # holds buffers: one a call, for threads
    empty = np.zeros((*pair.after.shape, 2), np.float32)
    before, after = (np.ascontiguousarray(picture) for picture in (pair.before, pair.after))
    flow = np.asarray(finder.calc(before, after, empty), np.float32)
    flow = flow / np.float32(pair.after.shape[0] * pair.gap_s)  # heights of the picture a second
    flow = np.nan_to_num(flow - np.median(flow.reshape(-1, 2), axis=0)).astype(np.float32)
    speed = np.hypot(flow[..., 0], flow[..., 1])  # (h, w)
    mean = float(speed.mean())
    moving = speed > MOVING_HEIGHTS_PER_S
    across, down = (cv2.Sobel(flow, cv2.CV_32F, *axis, ksize=3) / 8 for axis in ((1, 0), (0, 1)))
    divergence = np.abs(across[..., 0] + down[..., 1])
    curl = np.abs(across[..., 1] - down[..., 0])
    return np.array(
        [
            *np.quantile(speed, (0.5, 0.75, 0.9, 0.95, 0.98, 0.995)),
            mean,
            moving.mean(),
            DERIVATIVE_SCALE * np.quantile(divergence, 0.98),
            DERIVATIVE_SCALE * np.quantile(curl, 0.98),
            DERIVATIVE_SCALE * divergence.mean(),
            DERIVATIVE_SCALE * curl.mean(),
            _direction_entropy(flow[moving], speed[moving]),
            *_largest_area(moving, speed),
            speed.std() / (mean + 1e-6),
        ],
        np.float32,
    )


def _small_gray(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    zoom = LONG_SIDE_PX / max(height, width)
    size = (max(round(width * zoom), LEAST_SIDE_PX), max(round(height * zoom), LEAST_SIDE_PX))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def _direction_entropy(flow: npt.NDArray[np.float32], speed: npt.NDArray[np.float32]) -> float:
    """Entropy in nats of the directions of [M, 2], weighted by speed [M]; 0 where nothing moves."""
    if not len(flow):
        return 0.0
    angles = np.arctan2(flow[:, 1], flow[:, 0])
    weights, _ = np.histogram(angles, bins=DIRECTIONS, range=(-np.pi, np.pi), weights=speed)
    shares = weights / weights.sum()
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _largest_area(
    moving: npt.NDArray[np.bool_], speed: npt.NDArray[np.float32]
) -> tuple[float, float, float]:
    """Share of the picture, mean speed and its deviation in the largest connected moving area; zeros without one."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(moving.astype(np.uint8))
    if count < 2:
        return 0.0, 0.0, 0.0
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    inside = speed[labels == largest]
    return inside.size / speed.size, float(inside.mean()), float(inside.std())
