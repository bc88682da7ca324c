"""Which pictures show the same scene: the unit by which fire pictures are split.

Frames of one video, crops and re-compressed copies on both sides of a split would measure memory, not sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.csgraph import connected_components
from torch.nn import functional

from activity.networks.yolox import YoloxBackbone, load_onnx_weights

Image = npt.NDArray[np.uint8]
_SIDE: Final = 224
_SAME_CONTENT: Final = 0.57  # cosine of centred backbone features: one scene from near and far
_SAME_LAYOUT: Final = 0.9  # correlation of 12x12 thumbnails: one picture, re-compressed or re-coloured


class SceneDescriptor:
    """Describes pictures so that two of the same scene come out alike.

    Args:
        weights: YOLOX-nano trained on COCO, an ONNX file.

    Raises:
        CheckpointError: If the weights are not YOLOX-nano's.
    """

    def __init__(self, weights: Path) -> None:
        self._backbone = YoloxBackbone().eval()
        load_onnx_weights(self._backbone, weights)

    def describe(self, image: Image) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return [1024] features of a picture's four quarters and its [432] thumbnail of unit length.

        Args:
            image: [H, W, 3] uint8, RGB.
        """
        small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        images = torch.from_numpy(np.ascontiguousarray(small[None, ..., ::-1].transpose(0, 3, 1, 2))).float()
        with torch.inference_mode():
            coarse = self._backbone.darkest_features(images)
            quarters = functional.adaptive_avg_pool2d(coarse, 2).flatten()
        thumbnail = cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        thumbnail -= thumbnail.mean()
        thumbnail /= max(float(np.linalg.norm(thumbnail)), 1e-6)
        return quarters.numpy(), thumbnail


def group_scenes(
    features: npt.NDArray[np.float32],
    thumbnails: npt.NDArray[np.float32],
    known: Sequence[str],
) -> npt.NDArray[np.int64]:
    """Number the groups of pictures that hang together by likeness or by a known source.

    Args:
        features: [N, F], as `SceneDescriptor` gives them.
        thumbnails: [N, T], of unit length.
        known: N names of what each picture was cut from; equal names are one group.

    Returns:
        [N] group numbers from 0.
    """
    if not len(known):
        return np.zeros(0, np.int64)
    centred = (features - features.mean(0)) / (features.std(0) + 1e-6)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    sources = np.array(known)
    linked = (
        (centred @ centred.T > _SAME_CONTENT)
        | (thumbnails @ thumbnails.T > _SAME_LAYOUT)
        | (sources[:, None] == sources[None, :])
    )
    return np.asarray(connected_components(linked, directed=False)[1], np.int64)
