"""Objects in a frame: who is there, and what is a weapon."""

from activity.detection.detector import ObjectDetector
from activity.detection.yolox import COCO_LABELS, YoloxDetector

__all__ = ["COCO_LABELS", "ObjectDetector", "YoloxDetector"]
