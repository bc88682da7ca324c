"""Skeleton-based activity recognition: a clip goes in, a scene alert with its evidence comes out."""

__version__ = "0.1.0"
