"""Rendered people with exact truth: to train and to test pose networks, detectors and the whole chain."""

from activity.datasets.rendered.sampling import random_scene
from activity.datasets.rendered.scene import RenderedScene, render
from activity.datasets.rendered.stage import Figure, Stage
from activity.datasets.rendered.staging import Actor, Beat, Interval, StagedScene
from activity.datasets.rendered.story import demo_story
from activity.datasets.rendered.surveillance import surveillance_scene

__all__ = [
    "Actor",
    "Beat",
    "Figure",
    "Interval",
    "RenderedScene",
    "Stage",
    "StagedScene",
    "demo_story",
    "random_scene",
    "render",
    "surveillance_scene",
]
