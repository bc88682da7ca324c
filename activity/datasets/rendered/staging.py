"""Actors who follow a script: where each one is, and what each one does, at any time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from activity.datasets.rendered import motions
from activity.datasets.rendered.body import Person
from activity.datasets.rendered.posture import Posture, blend
from activity.datasets.rendered.scene import RenderedScene, render
from activity.datasets.rendered.stage import Figure, Stage
from activity.datasets.rendered.vectors import Vector


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in seconds, end excluded."""

    start_s: float
    end_s: float

    def __contains__(self, time_s: float) -> bool:
        return self.start_s <= time_s < self.end_s


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that an actor does.

    Attributes:
        start_s: When it begins; it lasts until the next beat.
        act: Posture at a time, without place and heading.
        fade_s: How long the actor takes to change over from the beat before.
    """

    start_s: float
    act: Callable[[float], Posture]
    fade_s: float = 0.35


@dataclass(frozen=True, slots=True)
class Actor:
    """A person with a script.

    Attributes:
        person: Who.
        seed: Shifts the texture of the clothes.
        path: Keyframes (time in seconds, x, y in metres).
        headings: Keyframes (time in seconds, direction in radians).
        beats: What the actor does, in order of time; the first starts at 0 or before.
        armed: When a pistol-shaped object is in the right hand, if ever.
    """

    person: Person
    seed: int
    path: tuple[tuple[float, float, float], ...]
    headings: tuple[tuple[float, float], ...]
    beats: tuple[Beat, ...]
    armed: Interval | None = None

    def place(self, time_s: float) -> Vector:
        """Where the actor is, [2] in metres."""
        times = [key[0] for key in self.path]
        return np.array([_ease(time_s, times, [key[i] for key in self.path]) for i in (1, 2)])

    def travelled(self, time_s: float) -> float:
        """Metres walked since the first keyframe."""
        times = np.arange(self.path[0][0], time_s, 0.02)
        spots = np.array([self.place(float(t)) for t in (*times, time_s)])
        return float(np.linalg.norm(np.diff(spots, axis=0), axis=1).sum())

    def posture(self, time_s: float) -> Posture:
        """Posture with place and heading at a time."""
        current = max(
            i for i, beat in enumerate(self.beats) if beat.start_s <= max(time_s, self.beats[0].start_s)
        )
        beat = self.beats[current]
        posture = beat.act(time_s)
        if current > 0 and beat.fade_s > 0:
            done = motions.smooth_step((time_s - beat.start_s) / beat.fade_s)
            posture = blend(self.beats[current - 1].act(time_s), posture, done)
        posture.position = self.place(time_s)
        posture.heading = _ease(time_s, [key[0] for key in self.headings], [key[1] for key in self.headings])
        return posture

    def figure(self, time_s: float) -> Figure:
        """The actor as `render` takes it."""
        armed = self.armed is not None and time_s in self.armed
        return Figure(self.person, self.posture(time_s), armed=armed, seed=self.seed)


@dataclass(frozen=True, slots=True)
class StagedScene:
    """A scripted scene that can be rendered at any time.

    Attributes:
        stage: Room, camera and light.
        actors: The people; an actor's number in `RenderedScene.actors` is its place here.
        duration_s: Length of the script.
        fight: When blows are traded, if ever.
        fighters: Numbers of the actors who fight.
        seed: Draws the camera's noise.
    """

    stage: Stage
    actors: tuple[Actor, ...]
    duration_s: float
    fight: Interval | None
    fighters: tuple[int, ...]
    seed: int

    def render(self, time_s: float) -> RenderedScene:
        """Take the picture at a time in seconds; the same time always gives the same picture."""
        rng = np.random.default_rng([self.seed, round(time_s * 1000)])
        return render(self.stage, [actor.figure(time_s) for actor in self.actors], rng, time_s=time_s)


def _ease(time_s: float, times: list[float], values: list[float]) -> float:
    """Value between keyframes: constant speed, with short ramps where a stretch of rest begins or ends."""
    smoothing = 0.18
    around = [time_s - smoothing, time_s, time_s + smoothing]
    return float(np.interp(around, times, values) @ np.array([0.25, 0.5, 0.25]))
