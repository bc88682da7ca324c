"""Colours of overlays and reports, distinguishable with every common colour-vision deficiency.

Sources: Okabe & Ito, "Color Universal Design" (2008); Tol, "Colour Schemes" (SRON/EPS/TN/09-002, 2021), the
"light" scheme. Colour never stands alone: a number or a name is always beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from activity.structures import Severity

Color = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

INK: Final[Color] = (13, 17, 23)
PAPER: Final[Color] = (255, 255, 255)
ALERT: Final[Color] = (213, 94, 0)
WEAPON: Final[Color] = (240, 228, 66)
FIRE: Final[Color] = (255, 140, 26)
CALM: Final[Color] = (110, 139, 168)

_TRACKS: Final[tuple[Color, ...]] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 130),
    (204, 121, 167),
    (153, 221, 255),
    (187, 204, 51),
    (255, 170, 187),
    (120, 140, 240),
)

_CLASSES: Final[tuple[Color, ...]] = (
    (213, 94, 0),
    (0, 140, 110),
    (204, 121, 167),
    (200, 150, 0),
    (0, 114, 178),
    (136, 34, 85),
    (86, 180, 233),
    (153, 153, 51),
    (51, 34, 136),
    (17, 119, 51),
    (221, 204, 119),
    (136, 204, 238),
)

_SEVERITIES: Final[dict[Severity, Color]] = {
    "minor": (0, 114, 178),
    "moderate": (200, 140, 0),
    "severe": (213, 94, 0),
    "extreme": (168, 28, 60),
}

CALM_CLASSES: Final = frozenset({"normal"})
"""Classes, in lower case, that say that nothing notable happens."""


def is_calm(label: str) -> bool:
    """Whether a class says that nothing notable happens."""
    return label.lower() in CALM_CLASSES


def track_color(track_id: int) -> Color:
    """Colour of one person; the same id has the same colour in the video and in the report."""
    return _TRACKS[(track_id - 1) % len(_TRACKS)]


def class_colors(classes: Sequence[str]) -> dict[str, Color]:
    """A colour for every class: blue-grey for calm ones, vermilion for the first other one, and so on."""
    notable = [name for name in classes if not is_calm(name)]
    colors = {name: _CLASSES[position % len(_CLASSES)] for position, name in enumerate(notable)}
    return {name: colors.get(name, CALM) for name in classes}


def severity_color(severity: Severity) -> Color:
    """Colour of a severity of CAP 1.2."""
    return _SEVERITIES[severity]


def mix(first: Color, second: Color, share: float) -> Color:
    """A colour between two: `share` 0 gives the first, 1 the second."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b


def css(color: Color) -> str:
    """A colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*color)
