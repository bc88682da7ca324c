"""Opens the pose estimator that the settings name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from activity.config import Settings, embedded_checkpoint
from activity.errors import ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.pose.estimator import PoseEstimator
from activity.pose.topdown import load_topdown
from activity.pose.yolo_pose import YoloPoseEstimator
from activity.report import ModelInfo

TOPDOWN_CHECKPOINT: Final = "pose_topdown.onnx"
OPENPIFPAF_CHECKPOINT: Final = "openpifpaf_rendered.safetensors"
_WHY_TOPDOWN: Final = "Embedded default: trained on real surveillance people, and on those the better of our two pose estimators."
_WHY_OPENPIFPAF: Final = "Chosen by the user. Our own OpenPifPaf checkpoint has seen rendered people only."


def load_estimator(settings: Settings, *, threads: int) -> tuple[PoseEstimator, ModelInfo]:
    """Load the pose estimator that `settings` names.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or of another kind.
    """
    pose = settings.pose
    match pose.estimator:
        case "topdown":
            path = Path(pose.checkpoint) if pose.checkpoint else embedded_checkpoint(TOPDOWN_CHECKPOINT)
            topdown = load_topdown(
                path, keypoint_threshold=pose.keypoint_score, threads=threads, flip_test=pose.flip_test
            )
            note = "Chosen by the user." if pose.checkpoint else _WHY_TOPDOWN
            return topdown, ModelInfo(path.stem, "pose", path.name, topdown.sha256, note)
        case "yolo_pose":
            if not pose.checkpoint:
                raise ConfigurationError(
                    "pose.checkpoint: yolo_pose has no embedded network; name an .onnx file"
                )
            path = Path(pose.checkpoint)
            yolo = YoloPoseEstimator(OnnxModel(path, threads=threads), keypoint_threshold=pose.keypoint_score)
            return yolo, ModelInfo(path.stem, "pose", path.name, yolo.sha256, "Chosen by the user.")
        case "openpifpaf":
            # Imported here: OpenPifPaf loads torchvision and matplotlib, seconds that the default need not pay.
            from activity.pose.openpifpaf import OpenPifPafEstimator  # noqa: PLC0415

            checkpoint = pose.checkpoint or str(embedded_checkpoint(OPENPIFPAF_CHECKPOINT))
            one_shot = OpenPifPafEstimator(
                Path(checkpoint) if checkpoint.endswith(".safetensors") else checkpoint,
                threads=threads,
                keypoint_threshold=pose.keypoint_score,
            )
            file = Path(checkpoint)
            digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
            name = f"openpifpaf {file.stem}"
            return one_shot, ModelInfo(name, "pose", file.name if digest else None, digest, _WHY_OPENPIFPAF)
