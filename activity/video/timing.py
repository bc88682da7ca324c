"""From a stream's timestamps to times that only ever increase, and from those to a chosen rate."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Final

from activity.errors import ConfigurationError

_DISCONTINUITY_S: Final = 1.0


class PresentationClock:
    """Turns presentation timestamps into strictly increasing seconds from the first frame.

    A timestamp that lies after the one before is used exactly as it stands. The rest is repaired:

    - missing: one nominal frame period after the frame before;
    - equal to or up to a second before the frame before (duplicates, small jitter): half a nominal
      period after the frame before, so that the true times that follow stay as they are;
    - more than a second before it (the counter wrapped or the recorder restarted): one nominal period
      after the frame before, and what follows keeps its spacing from there.

    Attributes:
        last_s: Time of the latest frame, 0 before the first.
        repaired: How many timestamps were not used as they stood.
    """

    def __init__(self, *, time_base: Fraction, frame_rate_hz: float) -> None:
        self._time_base = time_base
        self._period_s = 1.0 / frame_rate_hz
        self._origin_s: float | None = None
        self._started = False
        self.last_s = 0.0
        self.repaired = 0

    def time_of(self, pts: int | None) -> float:
        """Return the time in seconds of the frame that follows, 0 for the first."""
        stamp_s = None if pts is None else float(pts * self._time_base)
        if not self._started:
            self._started = True
            self._origin_s = stamp_s
            self.repaired += stamp_s is None
            return 0.0
        if stamp_s is None:
            return self._repair(self.last_s + self._period_s)
        if self._origin_s is None:
            self._origin_s = stamp_s - (self.last_s + self._period_s)
        time_s = stamp_s - self._origin_s
        if time_s > self.last_s:
            self.last_s = time_s
            return time_s
        if self.last_s - time_s <= _DISCONTINUITY_S:
            return self._repair(self.last_s + self._period_s / 2)
        self._origin_s = stamp_s - (self.last_s + self._period_s)
        return self._repair(self.last_s + self._period_s)

    def _repair(self, time_s: float) -> float:
        self.repaired += 1
        self.last_s = time_s
        return time_s


class FrameSampler:
    """Chooses frames by their time: the first at or after each instant k / rate.

    A stream slower than the rate is taken whole; no frame is taken twice. A quarter of the stream's
    frame period is forgiven, so that timestamps rounded to milliseconds do not shift the choice.

    Raises:
        ConfigurationError: If the rate is not a finite number above 0.
    """

    def __init__(self, *, sample_rate_hz: float | None, frame_rate_hz: float) -> None:
        if sample_rate_hz is not None and not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0):
            raise ConfigurationError(f"sample_rate_hz: expected a rate above 0, got {sample_rate_hz}")
        self._rate_hz = sample_rate_hz
        self._tolerance_s = 0.25 / frame_rate_hz
        self.last_slot = -1

    def takes(self, time_s: float) -> bool:
        """Whether the frame at this time is one of the sample; times must increase from call to call."""
        if self._rate_hz is None:
            return True
        slot = math.floor((time_s + self._tolerance_s) * self._rate_hz)
        if slot <= self.last_slot:
            return False
        self.last_slot = slot
        return True
