"""How tracks are cut into tubelets; a recogniser's checkpoint names the settings it was trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from activity.errors import ConfigurationError

Normalization = Literal["body", "paper"]
Padding = Literal["constant", "replicate"]
ShortTracks = Literal["hold", "drop"]


@dataclass(frozen=True, slots=True)
class TubeletSettings:
    """The rules by which a track becomes tubelets.

    Attributes:
        frames: T, frames in a segment.
        stride: Frames from the start of one segment to the start of the next.
        frame_rate_hz: Frames a second of a segment: tracks of any rate are resampled to it. `None` takes the
            track's frames one by one, as ``paper`` normalisation requires.
        normalization: ``body`` moves the segment's median body centre to the origin and divides by body size;
            ``paper`` keeps raw pixels.
        padding: What fills the cells of a 3x3 grid around a two-joint part: ``constant`` zeros, or
            ``replicate`` for the nearest joint.
        max_gap_s: A joint unseen for longer is not interpolated; a person unseen for longer ends a stretch, and
            no segment spans two stretches. Must exceed the time between two frames of the track.
        short_tracks: What becomes of a stretch under T frames: ``hold`` repeats its last pose up to T,
            ``drop`` leaves it out.
        min_observed: Least share in [0, 1] of joints x frames that must have been seen; segments with less are
            left out. Interpolated joints and held poses do not count as seen.
        keypoint_threshold: Joints with a confidence at or under this count as missing, in [0, 1).

    Raises:
        ConfigurationError: If a value is out of its bounds, or ``paper`` is combined with resampling.
    """

    frames: int = 24
    stride: int = 6
    frame_rate_hz: float | None = 12.0
    normalization: Normalization = "body"
    padding: Padding = "constant"
    max_gap_s: float = 0.5
    short_tracks: ShortTracks = "hold"
    min_observed: float = 0.3
    keypoint_threshold: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("frames", 2), ("stride", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    f"tubelets.{name}: expected a whole number from {least}, got {value!r}"
                )
        for name, allowed in (
            ("normalization", ("body", "paper")),
            ("padding", ("constant", "replicate")),
            ("short_tracks", ("hold", "drop")),
        ):
            if getattr(self, name) not in allowed:
                raise ConfigurationError(
                    f"tubelets.{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )
        self._check_amounts()
        if self.normalization == "paper":
            if self.frame_rate_hz is not None or self.short_tracks != "drop":
                raise ConfigurationError(
                    "tubelets: normalization 'paper' takes frames one by one and drops short tracks; "
                    "use frame_rate_hz null and short_tracks 'drop', or TubeletSettings.paper()"
                )
        elif self.frame_rate_hz is None or not (math.isfinite(self.frame_rate_hz) and self.frame_rate_hz > 0):
            raise ConfigurationError(
                f"tubelets.frame_rate_hz: normalization 'body' needs a rate above 0, got {self.frame_rate_hz}"
            )

    def _check_amounts(self) -> None:
        if not (math.isfinite(self.max_gap_s) and self.max_gap_s >= 0):
            raise ConfigurationError(f"tubelets.max_gap_s: expected 0 s or more, got {self.max_gap_s}")
        if not 0 <= self.min_observed <= 1:
            raise ConfigurationError(
                f"tubelets.min_observed: expected a share in [0, 1], got {self.min_observed}"
            )
        if not 0 <= self.keypoint_threshold < 1:
            raise ConfigurationError(
                f"tubelets.keypoint_threshold: expected a value in [0, 1), got {self.keypoint_threshold}"
            )

    @classmethod
    def paper(cls, *, frames: int = 24, stride: int = 1, padding: Padding = "constant") -> TubeletSettings:
        """The paper's input: raw pixels, every frame, windows that slide by one, nothing left out but short tracks."""
        return cls(
            frames=frames,
            stride=stride,
            frame_rate_hz=None,
            normalization="paper",
            padding=padding,
            max_gap_s=0.0,
            short_tracks="drop",
            min_observed=0.0,
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> TubeletSettings:
        """Read the settings that a checkpoint or a configuration file stores.

        Raises:
            ConfigurationError: If a name is unknown or a value is out of bounds.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigurationError(
                f"tubelets: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}"
            )
        try:
            return cls(**values)  # type: ignore[arg-type]
        except TypeError as error:
            raise ConfigurationError(f"tubelets: a value has the wrong type: {error}") from error

    def to_mapping(self) -> dict[str, int | float | str | None]:
        """The settings as plain values, for a checkpoint's header."""
        return asdict(self)
