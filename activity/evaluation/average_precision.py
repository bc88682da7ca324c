"""Average precision as COCO counts it; the counting is pycocotools' (cocodataset.org/#detection-eval)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from activity.structures import Detections

Boxes = npt.NDArray[np.float32]


def average_precision(
    truths: Sequence[Boxes], ignored: Sequence[Boxes], found: Sequence[Detections]
) -> tuple[float, float]:
    """Average precision of one class over images, of all sizes and at most 100 detections an image.

    Args:
        truths: [N, 4] true boxes of each image, x0, y0, x1, y1 in pixels.
        ignored: [M, 4] regions of each image in which a detection counts neither way.
        found: What was found in each image, of this class.

    Returns:
        At an overlap of 0.5, and averaged over 0.5, 0.55 ... 0.95.
    """
    from pycocotools.coco import COCO  # noqa: PLC0415  # comes with the extra `train`
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415

    annotations: list[dict[str, Any]] = []
    for index, (own, regions) in enumerate(zip(truths, ignored, strict=True), start=1):
        for box, is_ignored in [*((box, 0) for box in own), *((box, 1) for box in regions)]:
            x0, y0, x1, y1 = (float(value) for value in box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": is_ignored,
                }
            )
    results = [
        {
            "image_id": index,
            "category_id": 1,
            "bbox": [float(x0), float(y0), float(x1 - x0), float(y1 - y0)],
            "score": float(score),
        }
        for index, detections in enumerate(found, start=1)
        for (x0, y0, x1, y1), score in zip(detections.boxes, detections.scores, strict=True)
    ]
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports to stdout, which is ours
        reference = COCO()
        reference.dataset = {
            "images": [{"id": index} for index in range(1, len(truths) + 1)],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "object"}],
            "info": {},
        }
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, -1]  # (overlaps, recalls) of all sizes, 100 an image
    return float(precision[0].mean()), float(precision.mean())
