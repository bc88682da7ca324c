"""Rendered people with exact truth: to train and to test pose networks, detectors and the whole chain."""

from activity.datasets.rendered.sampling import random_scene
from activity.datasets.rendered.scene import Figure, RenderedScene, Stage, render

__all__ = ["Figure", "RenderedScene", "Stage", "random_scene", "render"]
