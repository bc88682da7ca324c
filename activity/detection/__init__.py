"""Objects in a frame: who is there, what is a weapon, and whether something burns."""

from activity.detection.detector import ObjectDetector
from activity.detection.fire import FireClassifier, find_burning
from activity.detection.yolox import COCO_LABELS, YoloxDetector

__all__ = ["COCO_LABELS", "FireClassifier", "ObjectDetector", "YoloxDetector", "find_burning"]
