"""Average precision and recall of the COCO keypoint evaluation, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from activity.datasets.coco_keypoints import LabelledPerson
from activity.evaluation.pose_matching import split_people
from activity.structures import Poses


def coco_figures(
    pictures: Sequence[tuple[Sequence[LabelledPerson], Poses]], min_agreement: float
) -> tuple[float, float, float]:
    """AP, AP at OKS 0.5 and AR of the COCO keypoint evaluation."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image_id, (people, poses) in enumerate(pictures, start=1):
        counted, _ = split_people(people, min_agreement)
        for person in people:
            is_region = person not in counted
            labelled = int((person.keypoints[:, 2] > 0).sum())
            entry = _coco_entry(image_id, len(truth) + 1, person.keypoints * (not is_region), person.box)
            entry |= {"area": person.area, "num_keypoints": 0 if is_region else labelled}
            # a crowd swallows any number of poses, a person without joints only one
            truth.append(entry | {"iscrowd": int(is_region and (person.is_crowd or labelled > 0))})
        for keypoints, box, score in zip(poses.keypoints, poses.boxes, poses.scores, strict=True):
            entry = _coco_entry(image_id, len(found) + 1, keypoints, box)
            found.append(entry | {"area": entry["bbox"][2] * entry["bbox"][3], "score": float(score)})

    sides = []
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        for entries in (truth, found):
            side = COCO()
            side.dataset = {
                "images": [{"id": image_id} for image_id in range(1, len(pictures) + 1)],
                "categories": [{"id": 1}],
                "annotations": entries,
            }
            side.createIndex()
            sides.append(side)
        evaluator = COCOeval(*sides, iouType="keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return float(evaluator.stats[0]), float(evaluator.stats[1]), float(evaluator.stats[5])


def _coco_entry(
    image_id: int, entry_id: int, keypoints: npt.NDArray[np.float32], box: npt.NDArray[np.float32]
) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return {
        "id": entry_id,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints.astype(np.float64).ravel().tolist(),
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }
