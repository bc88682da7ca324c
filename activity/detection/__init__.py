"""Objects in a frame: who is there, what is a weapon, and whether something burns."""

from activity.detection.darknet import DarknetDetector
from activity.detection.detector import CheckpointDetector, ObjectDetector
from activity.detection.fire import FireClassifier, find_burning
from activity.detection.opening import open_detector
from activity.detection.yolo import YoloDetector
from activity.detection.yolox import COCO_LABELS, YoloxDetector

__all__ = [
    "COCO_LABELS",
    "CheckpointDetector",
    "DarknetDetector",
    "FireClassifier",
    "ObjectDetector",
    "YoloDetector",
    "YoloxDetector",
    "find_burning",
    "open_detector",
]
