"""How the picture as a whole moves: dense optical flow, put into a few numbers."""

from activity.motion.flow import FramePair, MotionSampler, measure_motion

__all__ = ["FramePair", "MotionSampler", "measure_motion"]
