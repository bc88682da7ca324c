"""Whether something burns in an image, where, and what."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.detection.boxes import fitted_size
from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.networks.onnx import OnnxModel
from activity.structures import BurningObject, Detections, FireFinding

PERSON_AND_VEHICLES: Final = ("person", "bicycle", "car", "motorcycle", "bus", "train", "truck", "boat")
"""What the report should say burns: names of COCO."""
_HOT: Final = 0.5  # of the loudest cell: what is at least as loud belongs to the flames
_FINER = 4  # the map is interpolated to this many points a cell before its outline is taken


class FireClassifier:
    """Says whether something burns in an image, and where.

    Args:
        checkpoint: An ``.onnx`` file made by `activity train fire`: input ``images`` [1, 3, H, W], RGB in 0-255;
            outputs ``probability`` [1] and ``activation`` [1, h, w], both in [0, 1].
        threshold: The least probability that counts as fire; `None` takes what the checkpoint states.
        threads: Threads that one image may use.

    Raises:
        CheckpointError: If the file is missing, damaged, or no fire classifier.
        ConfigurationError: If the threshold is out of bounds.
    """

    def __init__(self, checkpoint: Path | str, *, threshold: float | None = None, threads: int = 1) -> None:
        self._model = OnnxModel(checkpoint, threads=threads)
        shape = self._model.input_shapes.get("images")
        if (
            shape is None
            or len(self._model.input_shapes) != 1
            or len(shape) != 4
            or shape[1] != 3
            or set(self._model.output_names) != {"probability", "activation"}
        ):
            raise CheckpointError(
                f"{self._model.path}: expected the input 'images' [1, 3, H, W] and the outputs 'probability' and "
                f"'activation', the file has {self._model.input_shapes} and {list(self._model.output_names)}; use a "
                "checkpoint made by `activity train fire`"
            )
        self._rows, self._columns = shape[2], shape[3]
        self._long_side = 0 if self._rows and self._columns else int(self._stated("input_long_side"))
        self._threshold = float(self._stated("threshold")) if threshold is None else threshold
        if not 0 <= self._threshold <= 1:
            raise ConfigurationError(f"threshold: expected a value in [0, 1], got {self._threshold}")

    @property
    def threshold(self) -> float:
        """The least probability that counts as fire."""
        return self._threshold

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the checkpoint, for reports."""
        return self._model.sha256

    def classify(self, image: npt.NDArray[np.uint8]) -> FireFinding:
        """Look for fire in one image.

        Args:
            image: [H, W, 3] uint8, RGB.

        Raises:
            StructureError: If `image` is not a colour image of at least one pixel.
            CheckpointError: If the network's output is not that of a fire classifier.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise StructureError(
                f"image: expected uint8 of shape [H, W, 3] with at least one pixel, "
                f"got {image.dtype} {list(image.shape)}"
            )
        rows, columns = image.shape[:2]
        outputs = self._model.run({"images": self._fit(image)})
        probability, activation = outputs["probability"], outputs["activation"]
        if probability.shape != (1,) or activation.ndim != 3 or len(activation) != 1 or activation.size == 0:
            raise CheckpointError(
                f"{self._model.path}: expected a probability [1] and an activation map [1, h, w], the network gave "
                f"{list(probability.shape)} and {list(activation.shape)}"
            )
        if not (np.isfinite(probability).all() and np.isfinite(activation).all()):
            raise CheckpointError(
                f"{self._model.path}: the network gave NaN or infinity; its weights are damaged"
            )
        chance = float(np.clip(probability[0], 0, 1))
        cells = np.clip(activation[0], 0, 1).astype(np.float32)
        box = flame_box(cells, height=rows, width=columns) if chance >= self._threshold else None
        return FireFinding(chance, cells, box)

    def _fit(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Stretch an image over the whole input: flames have no aspect, and every cell shows a part of the image."""
        rows, columns = image.shape[:2]
        if self._rows and self._columns:
            height, width = self._rows, self._columns
        else:
            height, width = fitted_size(rows, columns, long_side=self._long_side)
        method = cv2.INTER_AREA if height < rows or width < columns else cv2.INTER_LINEAR
        fitted = cv2.resize(image, (width, height), interpolation=method)
        return np.ascontiguousarray(fitted.transpose(2, 0, 1)[None], np.float32)

    def _stated(self, key: str) -> float:
        text = self._model.metadata.get(key)
        try:
            value = json.loads(text or "")
        except json.JSONDecodeError:
            value = None
        if not isinstance(value, (int, float)):
            raise CheckpointError(
                f"{self._model.path}: expected a number under the metadata key {key!r}, got {text!r}; use a "
                "checkpoint made by `activity train fire`"
            )
        return value


def flame_box(
    activation: npt.NDArray[np.float32], *, height: int, width: int
) -> npt.NDArray[np.float32] | None:
    """Box around the connected cells at least half as loud as the loudest one, which is among them.

    Args:
        activation: [h, w] in [0, 1], covering the image evenly.
        height: Image pixels down.
        width: Image pixels across.

    Returns:
        [4] x0, y0, x1, y1 in pixels; `None` where the map is all zero.
    """
    if activation.max() <= 0:
        return None
    rows, columns = activation.shape
    fine = cv2.resize(activation, (columns * _FINER, rows * _FINER), interpolation=cv2.INTER_LINEAR)
    _, names = cv2.connectedComponents((fine >= _HOT * fine.max()).astype(np.uint8), connectivity=8)
    hot = names == names.flat[int(fine.argmax())]
    across, down = np.flatnonzero(hot.any(0)), np.flatnonzero(hot.any(1))
    scale = np.array([width / fine.shape[1], height / fine.shape[0]] * 2)
    return np.asarray(np.array([across[0], down[0], across[-1] + 1, down[-1] + 1]) * scale, np.float32)


def find_burning(
    finding: FireFinding,
    detections: Detections,
    *,
    height: int,
    width: int,
    labels: Collection[str] = PERSON_AND_VEHICLES,
    least_share: float = 0.5,
) -> tuple[BurningObject, ...]:
    """Say what burns: the objects whose boxes hold the hot part of the activation map.

    The seed reads it off by eye: "the red part of the heatmap is inside the truck's bounding box" (Moura et al.,
    "Detection of weapon possession and fire in Public Safety surveillance cameras", figure 6). Here the red part
    is every cell at least half as loud as the loudest, weighed by its loudness. A box is weak evidence: what
    stands before or behind the flames shares it.

    Args:
        finding: Of one image; without a box nothing burns.
        detections: Of the same image.
        height: Image pixels down.
        width: Image pixels across.
        labels: The classes that count.
        least_share: An object burns when its box holds at least this share of the hot part.

    Returns:
        The burning objects, the greatest share first, of equal shares the smaller box first.
    """
    if finding.box is None:
        return ()
    cells = finding.activation_map
    loud = np.where(cells >= _HOT * cells.max(), cells, 0)
    rows, columns = cells.shape
    found: list[tuple[float, float, BurningObject]] = []
    for index, (label, box) in enumerate(zip(detections.labels, detections.boxes, strict=True)):
        if label not in labels:
            continue
        inside = _overlap(box[1] * rows / height, box[3] * rows / height, rows)[:, None] * _overlap(
            box[0] * columns / width, box[2] * columns / width, columns
        )
        share = float(np.clip((loud * inside).sum() / loud.sum(), 0, 1))
        if share >= least_share:
            area = float((box[2:] - box[:2]).prod())
            found.append((-round(share, 3), area, BurningObject(label, index, share)))
    return tuple(burning for _, _, burning in sorted(found, key=lambda entry: entry[:2]))


def _overlap(low: float, high: float, count: int) -> npt.NDArray[np.float64]:
    """[count] share of each unit interval [i, i + 1] that lies in [low, high]."""
    starts = np.arange(count)
    return np.asarray(np.clip(np.minimum(starts + 1, high) - np.maximum(starts, low), 0, 1))
