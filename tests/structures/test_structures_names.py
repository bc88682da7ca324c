"""What `activity.structures` offers is decided here, and it stays light."""

from __future__ import annotations

import subprocess
import sys

from activity import structures


def test_the_public_names_are_these() -> None:
    assert structures.__all__ == [
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
    assert all(hasattr(structures, name) for name in structures.__all__)


def test_importing_the_structures_loads_neither_torch_nor_opencv() -> None:
    script = "import sys, activity.structures; print([m for m in ('torch', 'cv2', 'av', 'scipy') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert result.stdout.strip() == "[]"
