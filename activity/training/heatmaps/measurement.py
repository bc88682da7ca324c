"""Held-out figures of the heat-map network during and after training, on labelled boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.person_crops import PersonCrops
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps, to_frame
from activity.structures import oks

LEAST_AGREEMENT: Final = 0.5
HEIGHTS_PX: Final = ((0, 64), (64, 128), (128, 256), (256, 10_000))

Heatmaps = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""[B, h, w, 3] uint8 crops to [B, 17, h/s, w/s] heat maps in [0, 1]."""


def measure_crops(
    heatmaps: Heatmaps,
    crops: PersonCrops,
    *,
    origin: str,
    size: tuple[int, int],
    stride: int,
    padding: float,
    at_most: int | None = None,
) -> dict[str, float]:
    """Measure on the held-out people of one collection, in their labelled boxes.

    Args:
        heatmaps: The network.
        crops: Stored people.
        origin: The collection; of doubtful labels only people with weight >= 0.5 count.
        size: Height and width of the crops.
        stride: Crop pixels per cell.
        padding: Side of the crop over the box.
        at_most: Take people at even steps, no more than this many.

    Returns:
        `people`, `mean_oks`, `recall_oks50` (share of people with OKS > 0.5) and `pck` (share of labelled
        joints within 0.2 of the torso's length, where both a shoulder and the opposite hip are labelled);
        `recall_oks50/<low>-<high>px` by the height of the person's box in the frame; `peak_right`,
        `peak_wrong`: mean height of the map for joints within and beyond 0.2 of the torso.
    """
    chosen = np.flatnonzero((crops.origins == origin) & crops.held_out & (crops.weights >= LEAST_AGREEMENT))
    if at_most is not None and len(chosen) > at_most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, at_most).astype(int)]
    if not len(chosen):
        return {}
    similarities, heights, hits, peaks = [], [], [], []
    for start in range(0, len(chosen), 32):
        people = [crops[int(index)] for index in chosen[start : start + 32]]
        matrices = np.stack([crop_matrix(person.box, size=size, padding=padding) for person in people])
        images = np.stack(
            [
                cut_crop(person.image, matrix, size=size)
                for person, matrix in zip(people, matrices, strict=True)
            ]
        )
        found = to_frame(decode_heatmaps(heatmaps(images)), matrices, stride=stride)
        for person, joints in zip(people, found, strict=True):
            labelled = person.keypoints[:, 2] > 0
            similarities.append(oks(joints[None], person.keypoints[None], [person.area])[0, 0])
            heights.append((person.box[3] - person.box[1]) / person.scale)
            torso = _torso(person.keypoints)
            if torso > 0:
                distance = np.linalg.norm(joints[labelled, :2] - person.keypoints[labelled, :2], axis=1)
                hits.append(distance < 0.2 * torso)
                peaks.append(joints[labelled, 2])
    values, tall = np.array(similarities), np.array(heights)
    result = {
        "people": float(len(values)),
        "mean_oks": float(values.mean()),
        "recall_oks50": float((values > 0.5).mean()),
    }
    if hits:
        hit, peak = np.concatenate(hits), np.concatenate(peaks)
        result["pck"] = float(hit.mean())
        result["peak_right"] = float(peak[hit].mean()) if hit.any() else 0.0
        result["peak_wrong"] = float(peak[~hit].mean()) if (~hit).any() else 0.0
    for low, high in HEIGHTS_PX:
        band = (tall >= low) & (tall < high)
        if band.any():
            result[f"recall_oks50/{low}-{high}px"] = float((values[band] > 0.5).mean())
    return result


def _torso(keypoints: npt.NDArray[np.float32]) -> float:
    """Length from a shoulder to the opposite hip, the longer where both are labelled; 0 where none is."""
    lengths = [
        float(np.linalg.norm(keypoints[shoulder, :2] - keypoints[hip, :2]))
        for shoulder, hip in ((5, 12), (6, 11))
        if keypoints[shoulder, 2] > 0 and keypoints[hip, 2] > 0
    ]
    return max(lengths, default=0.0)
