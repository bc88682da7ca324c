"""Decode, sample and encode video, one frame in memory at a time."""

from activity.video.contents import describe_contents, sha256_of
from activity.video.reader import MAX_PIXELS, VideoReader
from activity.video.timing import FrameSampler, PresentationClock
from activity.video.writer import VideoWriter

__all__ = [
    "MAX_PIXELS",
    "FrameSampler",
    "PresentationClock",
    "VideoReader",
    "VideoWriter",
    "describe_contents",
    "sha256_of",
]
