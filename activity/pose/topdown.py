"""Top-down pose estimation: a detector's people, one crop and 17 heat maps each."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.errors import CheckpointError, ConfigurationError, StructureError
from activity.networks.onnx import OnnxModel
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps, to_frame
from activity.structures import COCO_FLIP, KEYPOINT_COUNT, Detections, Poses, explained_by_others

KIND: Final = "topdown-heatmaps"
"""What the metadata of a checkpoint of this estimator says."""
PERSON: Final = "person"
COPY: Final = 0.5
"""A pose whose joints are to this share those of surer poses is doubtful, see `explained_by_others`."""
CROPS_PER_CALL: Final = 16
"""People that one call of the network sees: more gain no speed and only cost memory in a crowd."""


class TopDownEstimator:
    """Finds the joints of each person that a detector found.

    A box around a part of somebody, or around two people, gives joints that surer poses have already. Such a pose keeps
    the share of its score that is its own: too little to begin a person, enough to go on with one who is being covered
    by another. That is the suppression by OKS of other top-down estimators (Papandreou et al., "Towards Accurate
    Multi-person Pose Estimation in the Wild", 2017), made soft and for mixtures of several people.

    A person's box stays the detector's. A person's score is the detector's score times the mean confidence
    of the joints found, so that boxes around no one fall behind (as is usual for COCO's keypoint ranking).
    A joint's confidence is the height of its heat map. Joints below `keypoint_threshold` and joints beyond
    the edge of the frame get confidence 0, their best guess stays in x and y.

    Args:
        checkpoint: The ONNX file that `activity train pose` wrote.
        keypoint_threshold: Least confidence of a joint, in [0, 1).
        threads: Threads that one picture may use.
        flip_test: Also look at the mirror image of each person and average both maps: more exact at twice the cost.

    Attributes:
        sha256: Digest of the checkpoint, for reports.

    Raises:
        CheckpointError: If the file is missing, damaged, or no heat-map network of 17 COCO joints.
        ConfigurationError: If a setting is out of bounds.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        keypoint_threshold: float = 0.1,
        threads: int = 1,
        flip_test: bool = False,
    ) -> None:
        if not 0 <= keypoint_threshold < 1:
            raise ConfigurationError(f"keypoint_threshold: expected 0 <= value < 1, got {keypoint_threshold}")
        self._threshold = keypoint_threshold
        self._flip_test = flip_test
        self._model = OnnxModel(checkpoint, threads=threads)
        self._input, self._size, self._stride, self._padding = _read_layout(self._model)
        self.sha256 = self._model.sha256

    @property
    def uses_person_boxes(self) -> bool:
        """True: without a detector's people there is nothing to look at."""
        return True

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:
        """Return one pose for each detection labelled ``person``, in the detector's order.

        Args:
            image: [H, W, 3] uint8, RGB.
            people: The detections of this picture; other labels are passed over.

        Raises:
            StructureError: If `image` has another shape or type.
            CheckpointError: If the network fails or answers with another shape than its file says.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise StructureError(
                f"image: expected [H, W, 3] uint8 of at least one pixel, got {list(image.shape)} {image.dtype}"
            )
        persons = people.of(PERSON)
        if not len(persons):
            return Poses.empty()
        found = np.concatenate(
            [
                self._joints(image, persons.boxes[start : start + CROPS_PER_CALL])
                for start in range(0, len(persons), CROPS_PER_CALL)
            ]
        )
        height, width = image.shape[:2]
        x, y, confidence = found[..., 0], found[..., 1], np.clip(found[..., 2], 0, 1)
        outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
        confidence[outside | (confidence < self._threshold)] = 0
        keypoints = np.stack([np.clip(x, 0, width - 1), np.clip(y, 0, height - 1), confidence], axis=2)
        poses = Poses(keypoints, persons.boxes, persons.scores * _mean_confidence(confidence))
        explained = explained_by_others(poses)
        own = np.where(explained >= COPY, 1 - explained, 1).astype(np.float32)
        return Poses(poses.keypoints, poses.boxes, poses.scores * own)

    def _joints(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Joints of [P, 4] boxes in pixels of the frame: [P, 17, 3]."""
        matrices = np.stack([crop_matrix(box, size=self._size, padding=self._padding) for box in boxes])
        crops = np.stack([cut_crop(image, matrix, size=self._size) for matrix in matrices])
        heatmaps = self._heatmaps(crops)
        if self._flip_test:
            mirrored = self._heatmaps(np.ascontiguousarray(crops[:, :, ::-1]))
            heatmaps = np.asarray((heatmaps + mirrored[:, COCO_FLIP, :, ::-1]) / 2, np.float32)
        return to_frame(decode_heatmaps(heatmaps), matrices, stride=self._stride)

    def _heatmaps(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        outputs = self._model.run({self._input: crops})
        heatmaps = np.asarray(outputs[self._model.output_names[0]], np.float32)
        height, width = self._size
        wanted = (len(crops), KEYPOINT_COUNT, height // self._stride, width // self._stride)
        if heatmaps.shape != wanted:
            raise CheckpointError(
                f"{self._model.path}: expected heat maps {list(wanted)}, the network gave {list(heatmaps.shape)}; "
                "export it again with `activity train pose`"
            )
        if not np.isfinite(heatmaps).all():
            raise CheckpointError(
                f"{self._model.path}: the network's heat maps hold NaN or infinity; its weights are damaged, "
                "fetch or train the checkpoint again"
            )
        return heatmaps


def _mean_confidence(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over the joints above 0 of [P, 17]; 0 for a person without any."""
    found = (confidence > 0).sum(axis=1)
    return np.asarray(confidence.sum(axis=1) / np.maximum(found, 1), np.float32)


def _read_layout(model: OnnxModel) -> tuple[str, tuple[int, int], int, float]:
    """Name of the input, size of the crops, stride and padding, from the file."""
    kind = model.metadata.get("kind")
    if kind != KIND:
        raise CheckpointError(
            f"{model.path}: expected a checkpoint of kind {KIND!r}, got {kind!r}; name the pose network that "
            "`activity train pose` exported, not a detector or a recogniser"
        )
    try:
        stride, padding = int(model.metadata["stride"]), float(model.metadata["padding"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{model.path}: metadata `stride` and `padding` are missing or no numbers ({error}); export it again"
        ) from error
    shapes = list(model.input_shapes.items())
    name, shape = shapes[0] if len(shapes) == 1 else ("", ())
    if len(shape) != 4 or shape[0] is not None or shape[1] is None or shape[2] is None or shape[3] != 3:
        raise CheckpointError(
            f"{model.path}: expected one input [people, height, width, 3], got {dict(shapes)}; export it again"
        )
    if stride < 1 or padding < 1 or shape[1] % stride or shape[2] % stride:
        raise CheckpointError(
            f"{model.path}: stride {stride} and padding {padding} do not fit crops of {shape[1]}x{shape[2]}; "
            "export it again"
        )
    return name, (shape[1], shape[2]), stride, padding
