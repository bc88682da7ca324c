"""Top-down pose estimation: a detector's people, one crop each."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from activity.networks.onnx import OnnxModel
from activity.pose.foreign_crops import ForeignCrops
from activity.pose.heatmap_crops import HeatmapCrops
from activity.pose.joints import check_image, check_threshold, joints_in_frame
from activity.structures import Detections, Poses, explained_by_others

PERSON: Final = "person"
COPY: Final = 0.5
"""A pose whose joints are to this share those of surer poses is doubtful, see `explained_by_others`."""


class CropNetwork(Protocol):
    """Finds the joints of people whose boxes are known.

    Attributes:
        sha256: Digest of the file.
        people_per_call: People that one call sees.
    """

    sha256: str
    people_per_call: int

    def find_joints(
        self, image: npt.NDArray[np.uint8], boxes: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Joints of the people in [P, 4] boxes of [H, W, 3] uint8 RGB: [P, 17, 3], x and y in its pixels, confidence."""
        ...


class TopDownEstimator:
    """Finds the joints of each person that a detector found.

    A box around a part of somebody, or around two people, gives joints that surer poses have already. Such a pose keeps
    the share of its score that is its own: too little to begin a person, enough to go on with one who is being covered
    by another. That is the suppression by OKS of other top-down estimators (Papandreou et al., "Towards Accurate
    Multi-person Pose Estimation in the Wild", 2017), made soft and for mixtures of several people.

    A person's box stays the detector's. A person's score is the detector's score times the mean confidence
    of the joints found, so that boxes around no one fall behind (as is usual for COCO's keypoint ranking).
    Joints below `keypoint_threshold` and joints beyond the edge of the frame get confidence 0, their best guess stays
    in x and y.

    Args:
        network: What finds the joints.
        keypoint_threshold: Least confidence of a joint, in [0, 1).

    Attributes:
        sha256: Digest of the network's file, for reports.

    Raises:
        ConfigurationError: If the threshold is out of bounds.
    """

    def __init__(self, network: CropNetwork, *, keypoint_threshold: float = 0.1) -> None:
        check_threshold("keypoint_threshold", keypoint_threshold)
        self._network, self._threshold = network, keypoint_threshold
        self.sha256 = network.sha256

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
            CheckpointError: If the network fails or answers in another layout.
        """
        check_image(image)
        persons = people.of(PERSON)
        if not len(persons):
            return Poses.empty()
        step = self._network.people_per_call
        found = np.concatenate(
            [
                self._network.find_joints(image, persons.boxes[start : start + step])
                for start in range(0, len(persons), step)
            ]
        )
        height, width = image.shape[:2]
        keypoints = joints_in_frame(found, height=height, width=width, threshold=self._threshold)
        poses = Poses(keypoints, persons.boxes, persons.scores * _mean_confidence(keypoints[..., 2]))
        explained = explained_by_others(poses)
        own = np.where(explained >= COPY, 1 - explained, 1).astype(np.float32)
        return Poses(poses.keypoints, poses.boxes, poses.scores * own)


def load_topdown(
    checkpoint: Path, *, keypoint_threshold: float = 0.1, threads: int = 1, flip_test: bool = False
) -> TopDownEstimator:
    """Load a top-down network: ours, which says so in its file, or one of another project.

    Args:
        checkpoint: The ONNX file.
        keypoint_threshold: Least confidence of a joint, in [0, 1).
        threads: Threads that one picture may use.
        flip_test: Also look at the mirror image of each person.

    Raises:
        CheckpointError: If the file is missing, damaged or of no known layout.
        ConfigurationError: If the threshold is out of bounds.
    """
    model = OnnxModel(checkpoint, threads=threads)
    network: CropNetwork
    if "kind" in model.metadata:
        network = HeatmapCrops(model, flip_test=flip_test)
    else:
        network = ForeignCrops(model, flip_test=flip_test)
    return TopDownEstimator(network, keypoint_threshold=keypoint_threshold)


def _mean_confidence(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over the joints above 0 of [P, 17]; 0 for a person without any."""
    found = (confidence > 0).sum(axis=1)
    return np.asarray(confidence.sum(axis=1) / np.maximum(found, 1), np.float32)
