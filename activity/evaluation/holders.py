"""Who holds the weapon, measured on rendered scenes in which it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from activity.association import link_holders
from activity.datasets.rendered.armed import (
    FIGURES,
    ArmedScene,
    estimated,
    figure_scene,
    random_armed_scene,
)
from activity.evaluation.intervals import wilson_interval
from activity.pose.hands import find_hands
from activity.structures import HolderLink

OnScene = Callable[[int, int], None]
"""Called with the scenes done and the scenes to do."""


@dataclass(slots=True)
class _Tally:
    """How often a rule named the true holder."""

    right: int = 0
    right_by_iou: int = 0
    weapons: int = 0
    mistakes: list[str] = field(default_factory=list)

    def add(self, name: str, scene: ArmedScene) -> None:
        for link, truth in zip(links_of(scene), scene.holders, strict=True):
            self.weapons += 1
            self.right += link.track_id == truth
            self.right_by_iou += link.track_id_by_iou == truth
            if link.track_id != truth:
                self.mistakes.append(f"{name}: {link.track_id} instead of {truth} (rule {link.rule})")

    def as_json(self) -> dict[str, Any]:
        rates = {"accuracy": self.right, "accuracy_iou_alone": self.right_by_iou}
        figures: dict[str, Any] = {name: right / max(1, self.weapons) for name, right in rates.items()}
        return {
            **figures,
            "interval": list(wilson_interval(self.right, self.weapons)),
            "interval_iou_alone": list(wilson_interval(self.right_by_iou, self.weapons)),
            "n": self.weapons,
        }


def links_of(scene: ArmedScene) -> list[HolderLink]:
    """Hands and holders of a scene as the pipeline finds them in one frame."""
    return link_holders(
        frame_index=0,
        time_s=0.0,
        weapons=scene.weapons,
        people=scene.people,
        track_ids=scene.track_ids,
        hands=find_hands(scene.people.keypoints, scene.people.boxes),
    )


def _unheard(_done: int, _total: int) -> None:
    pass


def evaluate_holders(*, scenes: int, seed: int, on_scene: OnScene = _unheard) -> dict[str, Any]:
    """Measure on the seed's three figures, and on random scenes.

    Args:
        scenes: How many random scenes.
        seed: Draws them.
        on_scene: Told of each scene.

    Returns:
        ``figures`` (by name: whether all weapons got the true holder, by the rule and by IoU alone), ``true_joints``
        and ``estimated_joints`` (each ``accuracy``, ``accuracy_iou_alone``, 95 % Wilson intervals, ``n`` boxes),
        ``scenes``, ``seed``, ``mistakes``.
    """
    figures = {}
    for name in FIGURES:
        tally = _Tally()
        tally.add(name, figure_scene(name))
        figures[name] = {
            "right": tally.right == tally.weapons,
            "iou_alone_right": tally.right_by_iou == tally.weapons,
        }
    exact, noisy = _Tally(), _Tally()
    for number, scene in enumerate(_random_scenes(scenes, seed), start=1):
        exact.add(f"scene {number - 1}", scene)
        noisy.add(f"scene {number - 1}", estimated(scene, np.random.default_rng([seed, number, 1])))
        on_scene(number, scenes)
    return {
        "figures": figures,
        "true_joints": exact.as_json(),
        "estimated_joints": noisy.as_json(),
        "scenes": scenes,
        "seed": seed,
        "mistakes": {"true_joints": exact.mistakes, "estimated_joints": noisy.mistakes},
    }


def _random_scenes(count: int, seed: int) -> Iterable[ArmedScene]:
    for number in range(count):
        yield random_armed_scene(np.random.default_rng([seed, number]))


def draw_scene(scene: ArmedScene) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture of boxes, hands, whom IoU alone names (thin grey line) and whom the rule names (red line)."""
    image = scene.image.copy()
    hands = find_hands(scene.people.keypoints, scene.people.boxes)
    middles = {
        int(track_id): ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        for track_id, box in zip(scene.track_ids, scene.people.boxes, strict=True)
    }
    for track_id, box in zip(scene.track_ids, scene.people.boxes, strict=True):
        _rectangle(image, box, (240, 220, 60))
        cv2.putText(
            image, str(track_id), (int(box[0]) + 3, int(box[1]) + 14), 0, 0.5, (240, 220, 60), 1, cv2.LINE_AA
        )
    for link in links_of(scene):
        _rectangle(image, link.weapon_box, (235, 60, 50))
        middle = (
            (link.weapon_box[0] + link.weapon_box[2]) / 2,
            (link.weapon_box[1] + link.weapon_box[3]) / 2,
        )
        if link.track_id_by_iou is not None:
            _line(image, middle, middles[link.track_id_by_iou], (200, 200, 200))
        if link.track_id is not None:
            row = scene.track_ids.tolist().index(link.track_id)
            points = hands.points[row][hands.found[row]]
            if len(points):
                nearest = min(points, key=lambda point: float(np.hypot(*(point - np.array(middle)))))
                _line(image, middle, (nearest[0], nearest[1]), (235, 60, 50))
                cv2.circle(image, _pixel(nearest), 4, (60, 230, 90), 1, cv2.LINE_AA)
    return image


def write_figures(directory: Path, *, width: int = 400) -> list[Path]:
    """Write the seed's three figures as small pictures, for the documentation."""
    paths = []
    for name in FIGURES:
        image = draw_scene(figure_scene(name))
        size = (width, round(image.shape[0] * width / image.shape[1]))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        paths.append(directory / f"holder_{name}.jpg")
        cv2.imwrite(str(paths[-1]), cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return paths


def _pixel(point: Any) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _line(image: Any, start: Any, end: Any, color: tuple[int, int, int]) -> None:
    cv2.line(image, _pixel(start), _pixel(end), color, 1, cv2.LINE_AA)


def _rectangle(image: Any, box: Any, color: tuple[int, int, int]) -> None:
    cv2.rectangle(image, _pixel(box[:2]), _pixel(box[2:]), color, 1, cv2.LINE_AA)
