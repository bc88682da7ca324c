"""What people look like: the colours of their upper and lower clothes, to know them again."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.structures import Poses

_LOOK_PX: Final = (12, 36)  # width, height to which a person is shrunk: a crowd costs little
_BANDS: Final = ((0.15, 0.5), (0.5, 0.85))  # from the top of the box: chest, legs
_SIDE: Final = 0.25  # left out on either side, where the background shows
_BINS: Final = (8, 4, 4)  # lightness, green to red, blue to yellow
_LOW: Final = np.array([0.0, 88.0, 88.0])
_HIGH: Final = np.array([255.0, 168.0, 168.0])
"""Range of CIE Lab's axes that the bins cover, 128 being grey; brighter colours, rare in CCTV, share the last bins."""
_LAST_BIN: Final = np.array(_BINS) - 1
_STRIDES: Final = np.array([_BINS[1] * _BINS[2], _BINS[2], 1])
_CORNERS: Final = np.array(list(np.ndindex(2, 2, 2)))


def describe_appearance(
    image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Describe the clothes of people by colour histograms.

    Two histograms in CIE Lab, of chest and legs, of the middle half of the box; neighbouring bins share a pixel, so
    that a small change of light is a small change of the description.

    Args:
        image: [H, W, 3] uint8, RGB.
        boxes: [P, 4], x0, y0, x1, y1 in pixels; may reach beyond the image.

    Returns:
        [P, 256] float32, not negative, each of length 1 (root of the histogram, as `appearance_similarity` wants
        it); zeros for a person of whom no pixel is in the image.
    """
    height, width = image.shape[:2]
    described = np.zeros((len(boxes), 2 * int(np.prod(_BINS))), np.float32)
    for row, (x0, y0, x1, y1) in enumerate(np.asarray(boxes, np.float64)):
        left, right = x0 + _SIDE * (x1 - x0), x1 - _SIDE * (x1 - x0)
        bands = []
        for low, high in _BANDS:
            top, bottom = y0 + low * (y1 - y0), y0 + high * (y1 - y0)
            columns = slice(max(0, int(left)), max(0, min(width, int(np.ceil(right)))))
            rows = slice(max(0, int(top)), max(0, min(height, int(np.ceil(bottom)))))
            bands.append(_histogram(image[rows, columns]))
        whole = np.concatenate(bands)
        total = float(whole.sum())
        if total > 0:
            described[row] = np.sqrt(whole / total)
    return described


def describe_people(
    image: npt.NDArray[np.uint8] | None, poses: Poses, least_score: float
) -> npt.NDArray[np.float32]:
    """[P, D] appearance of the poses that can be somebody; zeros for the rest, and where there is no picture."""
    wanted = poses.scores >= least_score
    if image is None or not wanted.any():
        return np.zeros((len(poses), 1), np.float32)
    described = describe_appearance(image, poses.boxes[wanted])
    dress = np.zeros((len(poses), described.shape[1]), np.float32)
    dress[wanted] = described
    return dress


def appearance_similarity(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Bhattacharyya coefficient of every description of `first` [A, D] with every one of `second` [B, D].

    Returns:
        [A, B] in [0, 1]: 1 for the same colours in the same shares, 0 for no colour in common.
    """
    product: npt.NDArray[np.float64] = np.asarray(first, np.float64) @ np.asarray(second, np.float64).T
    return np.clip(product, 0, 1)


def _histogram(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Soft histogram [128] of [h, w, 3] pixels; zeros where there are none."""
    if pixels.size == 0:
        return np.zeros(int(np.prod(_BINS)))
    small = cv2.resize(pixels, (_LOOK_PX[0], _LOOK_PX[1] // len(_BANDS)), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).reshape(-1, 3).astype(np.float64)
    scaled = np.clip((lab - _LOW) / (_HIGH - _LOW), 0, 1) * _LAST_BIN
    floor = np.minimum(scaled.astype(np.int64), _LAST_BIN - 1)
    share = scaled - floor  # (N, 3), of the bin above
    bins = (floor[None] + _CORNERS[:, None]) @ _STRIDES  # (8, N)
    weights = np.where(_CORNERS[:, None], share[None], 1 - share[None]).prod(axis=2)
    counts = np.bincount(bins.reshape(-1), weights=weights.reshape(-1), minlength=int(np.prod(_BINS)))
    return np.asarray(counts, np.float64)
