"""Poses to tracks with stable ids."""

from activity.tracking.bytetrack import ByteTrackPoseTracker
from activity.tracking.pose_tracker import PoseTracker
from activity.tracking.similarity import pose_similarity

__all__ = ["ByteTrackPoseTracker", "PoseTracker", "pose_similarity"]
