"""What flows through the pipeline: frozen, validated, numpy-only."""

from activity.structures.activities import ActivityScore, AttentionMap
from activity.structures.alerts import Agency, Evidence, SceneAlert, Severity
from activity.structures.detections import Detections
from activity.structures.explained import explained_by_others
from activity.structures.fire import BurningObject, FireFinding
from activity.structures.geometry import box_area, box_iou, boxes_around_keypoints, oks
from activity.structures.hands import Hands
from activity.structures.holders import HolderCandidate, HolderLink, HolderRule
from activity.structures.leading import BACKGROUND, LEADING_RULE, LeadingPeople, find_leading_people
from activity.structures.motion import MOTION_MEASURES, SceneMotion
from activity.structures.poses import Poses
from activity.structures.skeleton import (
    BODY_PARTS,
    COCO_FLIP,
    COCO_KEYPOINT_NAMES,
    COCO_LIMBS,
    COCO_SIGMAS,
    KEYPOINT_COUNT,
    BodyPart,
)
from activity.structures.summary import ClipSummary
from activity.structures.tracks import Track
from activity.structures.tubelets import Tubelet
from activity.structures.video import Frame, VideoInfo

__all__ = [
    "BACKGROUND",
    "BODY_PARTS",
    "COCO_FLIP",
    "COCO_KEYPOINT_NAMES",
    "COCO_LIMBS",
    "COCO_SIGMAS",
    "KEYPOINT_COUNT",
    "LEADING_RULE",
    "MOTION_MEASURES",
    "ActivityScore",
    "Agency",
    "AttentionMap",
    "BodyPart",
    "BurningObject",
    "ClipSummary",
    "Detections",
    "Evidence",
    "FireFinding",
    "Frame",
    "Hands",
    "HolderCandidate",
    "HolderLink",
    "HolderRule",
    "LeadingPeople",
    "Poses",
    "SceneAlert",
    "SceneMotion",
    "Severity",
    "Track",
    "Tubelet",
    "VideoInfo",
    "box_area",
    "box_iou",
    "boxes_around_keypoints",
    "explained_by_others",
    "find_leading_people",
    "oks",
]
