"""Where a person will be: constant velocity, with how sure that is."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

# All in units of the person's height, so that near and far people are alike.
_MEASURED: Final = np.array([0.04, 0.04, 0.06, 0.06])  # std of an observed centre x, y, width, height
_ACCELERATION: Final = np.array([3.0, 3.0, 1.0, 1.0])  # std of the acceleration, 1/s^2
_FIRST_SPEED: Final = np.array([1.0, 0.5, 0.3, 0.3])  # std of the unknown first speed, 1/s


class BoxMotion:
    """A Kalman filter of a box's centre and size, each coordinate for itself, with velocity.

    Works in seconds: the steps may be of any length. While a person is not seen the speed fades, because
    people who vanish behind something rarely go straight on.

    Args:
        box: [4], x0, y0, x1, y1 in pixels.
        coasting_s: Time in which the speed of an unseen person falls to 1/e.

    Source: Kalman (1960) for a white-noise acceleration model, Bar-Shalom, Li & Kirubarajan (2001), 6.2.
    """

    __slots__ = ("_coasting_s", "_pp", "_pv", "_vv", "position", "velocity")

    def __init__(self, box: npt.NDArray[np.floating], *, coasting_s: float) -> None:
        self._coasting_s = coasting_s
        self.position = _to_centre(box)
        self.velocity = np.zeros(4)
        height = self._scale()
        self._pp = (_MEASURED * height) ** 2
        self._pv = np.zeros(4)
        self._vv = (_FIRST_SPEED * height) ** 2

    @property
    def box(self) -> npt.NDArray[np.float64]:
        """[4], x0, y0, x1, y1 in pixels, where the person is expected."""
        half = np.maximum(self.position[2:], 1.0) / 2
        return np.concatenate([self.position[:2] - half, self.position[:2] + half])

    @property
    def uncertainty_px(self) -> float:
        """Standard deviation of the expected centre, the larger of x and y."""
        return math.sqrt(float(self._pp[:2].max()))

    def predict(self, elapsed_s: float, *, unseen: bool) -> None:
        """Move on by `elapsed_s` seconds."""
        if unseen:
            self.velocity *= math.exp(-elapsed_s / self._coasting_s)
        noise = (_ACCELERATION * self._scale()) ** 2
        self.position = self.position + self.velocity * elapsed_s
        self._pp = self._pp + 2 * elapsed_s * self._pv + elapsed_s**2 * self._vv + noise * elapsed_s**4 / 4
        self._pv = self._pv + elapsed_s * self._vv + noise * elapsed_s**3 / 2
        self._vv = self._vv + noise * elapsed_s**2

    def correct(self, box: npt.NDArray[np.floating]) -> None:
        """Take in an observed box [4]."""
        measured = _to_centre(box)
        innovation = measured - self.position
        variance = self._pp + (_MEASURED * max(float(measured[3]), 1.0)) ** 2
        gain_p, gain_v = self._pp / variance, self._pv / variance
        self.position = self.position + gain_p * innovation
        self.velocity = self.velocity + gain_v * innovation
        self._vv = self._vv - gain_v * self._pv
        self._pv = (1 - gain_p) * self._pv
        self._pp = (1 - gain_p) * self._pp

    def _scale(self) -> float:
        return max(float(self.position[3]), 1.0)


def _to_centre(box: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    x0, y0, x1, y1 = (float(value) for value in box)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
