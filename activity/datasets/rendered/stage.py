"""What stands before the camera: the place, remembered between frames, and the people in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from activity.datasets.rendered.body import Person
from activity.datasets.rendered.camera import Camera
from activity.datasets.rendered.fire import Fire
from activity.datasets.rendered.lighting import Lighting
from activity.datasets.rendered.posture import Posture
from activity.datasets.rendered.raytracing import Layer, trace
from activity.datasets.rendered.room import Room
from activity.datasets.rendered.sensor import Sensor
from activity.datasets.rendered.solids import Solids

Float = npt.NDArray[np.float32]

SUPERSAMPLING: Final = 2
"""Rays traced along each side of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person in one posture.

    Attributes:
        person: Who.
        posture: Where and how.
        armed: Holds a pistol-shaped object in the right hand.
        seed: Shifts the texture of the clothes; keep it the same through a clip.
    """

    person: Person
    posture: Posture
    armed: bool = False
    seed: int = 0


@dataclass(slots=True, eq=False)
class Stage:
    """Everything but the people: seen from one camera, and remembered between frames.

    Attributes:
        camera: The view.
        room: Floor and walls.
        furniture: Solids that may hide people.
        lighting: Lamps without the fire's.
        sensor: The camera's faults.
        fire: A fire, if any.
    """

    camera: Camera
    room: Room
    furniture: Solids
    lighting: Lighting
    sensor: Sensor
    fire: Fire | None = None
    _rays: Float | None = field(default=None, repr=False)
    _background: tuple[Float, npt.NDArray[np.bool_]] | None = field(default=None, repr=False)
    _furniture_layer: Layer | None = field(default=None, repr=False)

    def rays(self) -> Float:
        """Viewing rays of the supersampled picture."""
        if self._rays is None:
            self._rays = self.camera.scaled(SUPERSAMPLING).rays()
        return self._rays

    def background(self, lighting: Lighting) -> tuple[Float, npt.NDArray[np.bool_]]:
        """The empty room in linear RGB, and its floor; remembered unless a fire flickers."""
        if self._background is None or self.fire is not None:
            self._background = self.room.render(self.camera, self.camera.rays(), lighting)
        return self._background

    def furniture_layer(self) -> Layer | None:
        """The traced furniture."""
        if self._furniture_layer is None and len(self.furniture) > 0:
            self._furniture_layer = trace(self.furniture, self.camera.scaled(SUPERSAMPLING), self.rays())
        return self._furniture_layer
