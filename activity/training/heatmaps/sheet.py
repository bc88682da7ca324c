"""A picture for the training's log: crops of people with the skeletons that the network finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.datasets.person_crops import PersonCrops
from activity.pose.heatmaps import decode_heatmaps
from activity.structures import COCO_LIMBS
from activity.training.heatmaps.samples import CropSampler

SHOWN_ORIGINS: Final = ("single17", "rendered")
"""Collections whose pictures may go into the log: studio photographs and rendered people, none from a camera."""


def draw_crops(
    find_heatmaps: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
    crops: PersonCrops,
    *,
    size: tuple[int, int],
    stride: int,
    padding: float,
    seed: int,
) -> npt.NDArray[np.uint8] | None:
    """Eight training crops with the network's skeletons, side by side.

    Args:
        find_heatmaps: The network: [B, 3, H, W] uint8 to [B, 17, H / stride, W / stride].
        crops: Stored people.
        size: Rows and columns of a crop.
        stride: Crop pixels in a cell.
        padding: Side of the crop over the person's box.
        seed: Of who is shown.

    Returns:
        [H, 8 W, 3] uint8, or `None` where nobody agreed to be seen.
    """
    if not np.isin(crops.origins[~crops.held_out], SHOWN_ORIGINS).any():
        return None
    sampler = CropSampler(crops, shares=dict.fromkeys(SHOWN_ORIGINS, 1.0), padding=padding, seed=seed)
    images, _ = sampler.draw(8, size=size)
    for image, joints in zip(images, decode_heatmaps(find_heatmaps(images)), strict=True):
        places = ((joints[:, :2] + 0.5) * stride - 0.5).round().astype(int)
        for first, second in COCO_LIMBS:
            if min(joints[first, 2], joints[second, 2]) > 0.2:
                cv2.line(
                    image, tuple(map(int, places[first])), tuple(map(int, places[second])), (0, 255, 0), 1
                )
    return np.concatenate(list(images), axis=1)
