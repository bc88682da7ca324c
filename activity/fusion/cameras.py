"""What is special about one camera: where to look, and from which probability on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from activity.errors import ConfigurationError
from activity.fusion.rule_book import Rule

Share = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3)]
Points = npt.NDArray[np.float64]


class Camera(BaseModel):
    """Zones and thresholds of one camera; corners are shares of the picture's width and height, from the upper left.

    A person counts where the feet are, a weapon and a fire where the middle of the box is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    watch: tuple[Polygon, ...] = Field(
        (), description="Only what happens in one of these counts; none: everything."
    )
    ignore: tuple[Polygon, ...] = Field((), description="What happens in one of these does not count.")
    zones: Mapping[str, Polygon] = Field(default_factory=dict, description="Areas that rules may name.")
    thresholds: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict,
        description="Instead of a rule's at_least: by activity class, or `weapon` or `fire`.",
    )

    @model_validator(mode="after")
    def _polygons_have_an_area(self) -> Self:
        for polygon in (*self.watch, *self.ignore, *self.zones.values()):
            if _area(np.array(polygon)) == 0:
                raise ValueError(f"polygon {list(polygon)} has no area")
        return self

    def counts(self, points: Points) -> npt.NDArray[np.bool_]:
        """Whether each of [N, 2] points is in a watched area (if there are any) and in no ignored one."""
        watched = np.ones(len(points), bool)
        if self.watch:
            watched = np.any([inside(polygon, points) for polygon in self.watch], axis=0)
        for polygon in self.ignore:
            watched &= ~inside(polygon, points)
        return watched


def inside(polygon: Sequence[tuple[float, float]], points: Points) -> npt.NDArray[np.bool_]:
    """Whether each of [N, 2] points lies inside a polygon (even-odd rule)."""
    corners = np.asarray(polygon, np.float64)
    x, y = points[:, 0][:, None], points[:, 1][:, None]  # (N, 1)
    x0, y0 = corners[:, 0], corners[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crosses = (y0 > y) != (y1 > y)  # (N, E)
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    result: npt.NDArray[np.bool_] = (crosses & (x < x0 + (y - y0) * slope)).sum(axis=1) % 2 == 1
    return result


def _area(corners: Points) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def check_camera(
    name: str,
    camera: Camera,
    rules: Sequence[Rule],
    *,
    classes: Collection[str],
    floors: Mapping[str, float],
) -> None:
    """Refuse what could not take effect, so that no threshold or zone is silently ignored.

    Args:
        name: What the camera is called.
        camera: Its zones and thresholds.
        rules: The rules that will be applied.
        classes: The classes that the recogniser knows.
        floors: For ``weapon`` and ``fire``: the score under which the network itself reports nothing.

    Raises:
        ConfigurationError: If a threshold names what no rule asks for or no network knows, or lies under a network's
            own; if a rule names a zone that this camera has not.
    """
    asked = {
        condition.threshold_name
        for rule in rules
        for condition in (*rule.needs, *rule.strengthened_by)
        if condition.threshold_name is not None
    }
    possible = asked & {*classes, "weapon", "fire"}
    for label, threshold in camera.thresholds.items():
        if label not in possible:
            raise ConfigurationError(
                f"camera {name}: a threshold for {label!r} would have no effect; with these rules and networks there "
                f"can be thresholds for {', '.join(sorted(possible))}"
            )
        if threshold < floors.get(label, 0.0):
            raise ConfigurationError(
                f"camera {name}: the threshold {threshold:g} for {label} lies under the network's own "
                f"{floors[label]:g}, below which it reports nothing; lower that too, or raise this one"
            )
    for rule in rules:
        if rule.zone is not None and rule.zone not in camera.zones:
            raise ConfigurationError(
                f"camera {name}: rule {rule.name} asks for the zone {rule.zone!r}, the camera has "
                f"{', '.join(sorted(camera.zones)) or 'none'}"
            )
