"""Overlap of boxes and similarity of poses. All coordinates are pixels, x right, y down."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError
from activity.structures._validation import check_boxes, check_finite
from activity.structures.skeleton import COCO_SIGMAS, KEYPOINT_COUNT


def box_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Intersection over union of every box of `first` with every box of `second`.

    Args:
        first: [A, 4], each x0, y0, x1, y1 with x0 <= x1 and y0 <= y1.
        second: [B, 4], likewise.

    Returns:
        [A, B] in [0, 1]; `[i, j]` is the overlap of `first[i]` with `second[j]`. Two boxes of area 0
        overlap by 0.

    Raises:
        StructureError: If an argument is not [N, 4], not finite, or has x1 < x0 or y1 < y0.

    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    a, b = _as_boxes("first", first), _as_boxes("second", second)
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    intersection = np.clip(bottom_right - top_left, 0, None).prod(axis=2)  # (A, B)
    union = box_area(a)[:, None] + box_area(b)[None, :] - intersection
    iou: npt.NDArray[np.float64] = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=union > 0
    )
    return iou


def box_area(boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Area in square pixels of each of [N, 4] boxes, as [N]."""
    array = _as_boxes("boxes", boxes)
    return (array[:, 2] - array[:, 0]) * (array[:, 3] - array[:, 1])


def oks(
    detected: npt.ArrayLike,
    reference: npt.ArrayLike,
    reference_areas: npt.ArrayLike,
    *,
    sigmas: npt.NDArray[np.float64] = COCO_SIGMAS,
) -> npt.NDArray[np.float64]:
    """Object keypoint similarity of every detected pose with every reference pose.

    For pose i and reference j, the mean over the joints k that the reference labels of
    ``exp(-d_k^2 / (2 area_j (2 sigma_k)^2))`` (the COCO keypoint evaluation).

    Args:
        detected: [A, 17, 2 or 3], x and y in pixels; a third column is not looked at.
        reference: [B, 17, 3], x, y and a visibility or confidence: 0 marks a joint without a label.
        reference_areas: [B], square pixels: the scale of each reference person.
        sigmas: [17], per-joint standard deviation over scale.

    Returns:
        [A, B] in [0, 1]. A reference without any labelled joint has similarity 0 with everything.

    Raises:
        StructureError: If the shapes do not fit, a coordinate is NaN, or an area is negative.

    >>> person = np.zeros((1, 17, 3)); person[..., 2] = 1
    >>> oks(person, person, [100.0]).tolist()
    [[1.0]]
    """
    a = np.asarray(detected, dtype=np.float64)
    b = np.asarray(reference, dtype=np.float64)
    areas = np.asarray(reference_areas, dtype=np.float64)
    if a.ndim != 3 or a.shape[1] != KEYPOINT_COUNT or a.shape[2] not in (2, 3):
        raise StructureError(f"detected: expected shape [any, 17, 2 or 3], got {list(a.shape)}")
    if b.ndim != 3 or b.shape[1:] != (KEYPOINT_COUNT, 3):
        raise StructureError(f"reference: expected shape [any, 17, 3], got {list(b.shape)}")
    if areas.shape != (len(b),):
        raise StructureError(f"reference_areas: expected shape [{len(b)}], got {list(areas.shape)}")
    if sigmas.shape != (KEYPOINT_COUNT,):
        raise StructureError(f"sigmas: expected shape [{KEYPOINT_COUNT}], got {list(sigmas.shape)}")
    for name, values in (("detected", a[..., :2]), ("reference", b), ("reference_areas", areas)):
        check_finite(name, values)
    if (areas < 0).any():
        raise StructureError(f"reference_areas: expected areas of 0 or more, got {areas.min()}")
    squared = ((a[:, None, :, :2] - b[None, :, :, :2]) ** 2).sum(axis=3)  # (A, B, 17)
    variances = (2 * sigmas) ** 2
    scale = 2 * variances[None, :] * (areas[:, None] + np.spacing(1))  # (B, 17)
    similarity = np.exp(-squared / scale[None])
    labelled = b[None, :, :, 2] > 0  # (1, B, 17)
    counts = labelled.sum(axis=2)
    total = np.where(labelled, similarity, 0).sum(axis=2)
    mean: npt.NDArray[np.float64] = np.divide(total, counts, out=np.zeros_like(total), where=counts > 0)
    return mean


def boxes_around_keypoints(keypoints: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The smallest box around the joints of each pose whose confidence is above 0.

    Args:
        keypoints: [P, 17, 3], x and y in pixels, confidence.

    Returns:
        [P, 4], x0, y0, x1, y1 in pixels; all zeros where a pose has no joint.

    Raises:
        StructureError: If `keypoints` is not [P, 17, 3].
    """
    array = np.asarray(keypoints, dtype=np.float32)
    if array.ndim != 3 or array.shape[1:] != (KEYPOINT_COUNT, 3):
        raise StructureError(f"keypoints: expected shape [any, 17, 3], got {list(array.shape)}")
    present = array[..., 2:] > 0
    low = np.where(present, array[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(present, array[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1)
    boxes[~present.any(axis=(1, 2))] = 0
    return boxes.astype(np.float32)


def _as_boxes(name: str, boxes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape == (0,):  # an empty list
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise StructureError(f"{name}: expected shape [any, 4], got {list(array.shape)}")
    check_finite(name, array)
    check_boxes(name, array)
    return array
