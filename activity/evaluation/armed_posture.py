"""How well a posture alone tells armed people from unarmed ones, on pictures with labelled people and weapons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from activity.association import ArmedPosture, link_holders, posture_features
from activity.datasets.yolo_boxes import BoxLabels, read_yolo_boxes
from activity.errors import DatasetError
from activity.pose.estimator import PoseEstimator
from activity.pose.hands import find_hands
from activity.structures import Detections, Poses

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_PERSON, _WEAPON = 0, 1
ARMED_FROM: Final = 0.6
"""Somebody is armed whom the association names with so much probability for a labelled weapon."""

UNARMED_BELOW: Final = 0.1
"""Somebody is unarmed for whom every labelled weapon has less probability ..."""

APART_BELOW: Final = 0.05
"""... and lies inside the person's box by a smaller share. Who is neither is ambiguous, and left out."""

RESAMPLES: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class PosedPeople:
    """Labelled people, the poses that our network sees in them, and whether they are armed.

    Attributes:
        pictures: [P], index of each person's picture.
        names: File names of the pictures.
        features: [P, 34], `posture_features`.
        judged: [P], whether enough of the arms was seen.
        armed: [P], by the association of labelled boxes and estimated hands.
        sure: [P], whether the association says armed or unarmed clearly.
        touching: [P], whether a labelled weapon lies at least half inside the person's box: a cruder truth, without
            hands and for everybody.
        beside_weapons: [P], whether a weapon is labelled in the person's picture.
    """

    pictures: npt.NDArray[np.int64]
    names: Sequence[str]
    features: Float
    judged: Mask
    armed: Mask
    sure: Mask
    touching: Mask
    beside_weapons: Mask

    def take(self, rows: Mask) -> PosedPeople:
        """Some of the people."""
        return PosedPeople(
            self.pictures[rows],
            self.names,
            self.features[rows],
            self.judged[rows],
            self.armed[rows],
            self.sure[rows],
            self.touching[rows],
            self.beside_weapons[rows],
        )


def read_posed_people(
    root: Path, estimator: PoseEstimator, *, on_image: Callable[[int, int], None] | None = None
) -> PosedPeople:
    """Look at every labelled person of a folder with a pose estimator.

    Args:
        root: Folder with ``images/`` and ``labels/`` in YOLO's format: 0 person, 1 weapon.
        estimator: One that starts from people's boxes.
        on_image: Called after each picture with the number done and the number of all.

    Raises:
        DatasetError: If the folder cannot be read or has no people.
    """
    entries = read_yolo_boxes(root, class_count=2)
    rows: list[tuple[int, npt.NDArray[np.float32], npt.NDArray[np.float32], float, float, bool]] = []
    for index, entry in enumerate(entries):
        image = cv2.imread(str(entry.path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise DatasetError(f"{entry.path}: cannot be read as an image")
        picture = np.asarray(image, np.uint8)
        people, weapons = (_labelled(entry, picture, kind) for kind in (_PERSON, _WEAPON))
        if len(people):
            poses = estimator.estimate(picture, people)
            held, inside = _held_and_inside(poses, weapons)
            rows += [
                (index, poses.keypoints[p], poses.boxes[p], held[p], inside[p], len(weapons) > 0)
                for p in range(len(poses))
            ]
        if on_image is not None:
            on_image(index + 1, len(entries))
    if not rows:
        raise DatasetError(f"{root}: expected labelled people (class {_PERSON}), found none")
    pictures, keypoints, boxes, held_by, shares, beside = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    features, judged = posture_features(keypoints, boxes)
    armed = held_by >= ARMED_FROM
    return PosedPeople(
        pictures=pictures.astype(np.int64),
        names=[entry.path.name for entry in entries],
        features=features,
        judged=judged,
        armed=armed,
        sure=armed | ((held_by < UNARMED_BELOW) & (shares < APART_BELOW)),
        touching=shares >= 0.5,
        beside_weapons=beside.astype(bool),
    )


def _labelled(entry: BoxLabels, image: npt.NDArray[np.uint8], kind: int) -> Detections:
    rows = entry.classes == kind
    height, width = image.shape[:2]
    count = int(rows.sum())
    return Detections(
        entry.boxes[rows] * np.array([width, height, width, height], np.float32),
        np.ones(count, np.float32),
        ("person" if kind == _PERSON else "weapon",) * count,
    )


def _held_and_inside(people: Poses, weapons: Detections) -> tuple[Float, Float]:
    """For each of P people the greatest probability of holding one of the weapons, and the greatest share of one inside."""
    links = link_holders(
        frame_index=0,
        time_s=0.0,
        weapons=weapons,
        people=people,
        track_ids=np.arange(len(people), dtype=np.int64),
        hands=find_hands(people.keypoints, people.boxes),
    )
    held = np.array([[c.probability for c in link.candidates] for link in links]).reshape(-1, len(people))
    low = np.maximum(weapons.boxes[:, None, :2], people.boxes[None, :, :2])
    high = np.minimum(weapons.boxes[:, None, 2:], people.boxes[None, :, 2:])
    sides = np.maximum(weapons.boxes[:, 2:] - weapons.boxes[:, :2], 1e-6)[:, None]
    inside = (np.maximum(high - low, 0) / sides).prod(axis=2)
    return held.max(axis=0, initial=0.0), inside.astype(np.float64).max(axis=0, initial=0.0)


def evaluate_armed_posture(
    machine: ArmedPosture, people: PosedPeople, *, groups: npt.NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """Figures of a machine on labelled people, at its decision: a calibrated probability of 0.5.

    Args:
        machine: The machine.
        people: Whom to judge.
        groups: [P], the unit of the bootstrap; the person's picture otherwise.

    Returns:
        As `measure_armed_posture`.

    Raises:
        DatasetError: As `measure_armed_posture`.
    """
    logits = machine.slope * machine.decide_both(people.features) + machine.offset
    return measure_armed_posture(logits, people, groups=people.pictures if groups is None else groups)


def measure_armed_posture(
    logits: Float, people: PosedPeople, *, groups: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Compare calibrated answers with the truth.

    Args:
        logits: [P], above 0 where a person is taken for armed.
        people: The people; who is ambiguous or cannot be judged is counted and left out.
        groups: [P], the unit of the bootstrap.

    Returns:
        `balanced_accuracy` (0.5 is chance) with `interval` (95 %, groups drawn with replacement), `auc`, `recall`,
        `false_positive_rate`, `brier`, `n`, `armed`, `ambiguous` and `not_judged` (people left out);
        `touching`: `balanced_accuracy`, `auc`, `n` of everybody who can be judged, armed where a weapon lies half inside
        the box; `beside_weapons`: the same figures by the clear truth in pictures that show a weapon;
        `same_picture`: `auc`, how often of an armed and an unarmed person of one picture the armed one looks more so, and
        `n` such pictures.

    Raises:
        DatasetError: If nobody, or everybody, is armed.
    """
    rows = people.sure & people.judged
    armed, answers = people.armed[rows], logits[rows]
    if armed.all() or not armed.any():
        raise DatasetError(
            f"expected armed and unarmed people whose arms can be seen, got {int(armed.sum())} armed of {len(armed)}"
        )
    beside = rows & people.beside_weapons
    return {
        **_balanced(answers, armed),
        "interval": _interval(answers, armed, groups[rows]),
        "recall": float((answers[armed] > 0).mean()),
        "false_positive_rate": float((answers[~armed] > 0).mean()),
        "brier": float(((1 / (1 + np.exp(-np.clip(answers, -50, 50))) - armed) ** 2).mean()),
        "armed": int(armed.sum()),
        "ambiguous": int((~people.sure).sum()),
        "not_judged": int((people.sure & ~people.judged).sum()),
        "touching": _balanced(logits[people.judged], people.touching[people.judged]),
        "beside_weapons": _balanced(logits[beside], people.armed[beside]),
        "same_picture": _within_pictures(logits[beside], people.armed[beside], people.pictures[beside]),
    }


def _balanced(answers: Float, armed: Mask) -> dict[str, Any]:
    """Balanced accuracy and AUC, ties counting half; `None` where one of the classes is empty."""
    if armed.all() or not armed.any():
        return {"balanced_accuracy": None, "auc": None, "n": len(armed)}
    return {
        "balanced_accuracy": float(((answers[armed] > 0).mean() + (answers[~armed] <= 0).mean()) / 2),
        "auc": _above(answers[armed], answers[~armed]),
        "n": len(armed),
    }


def _above(armed: Float, unarmed: Float) -> float:
    pairs = armed[:, None] - unarmed[None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def _within_pictures(answers: Float, armed: Mask, pictures: npt.NDArray[np.int64]) -> dict[str, Any]:
    shares = []
    for picture in np.unique(pictures):
        here = pictures == picture
        if armed[here].any() and not armed[here].all():
            shares.append(_above(answers[here & armed], answers[here & ~armed]))
    return {"auc": float(np.mean(shares)) if shares else None, "n": len(shares)}


def _interval(answers: Float, armed: Mask, groups: npt.NDArray[np.int64]) -> list[float]:
    """95 % of the balanced accuracies over groups drawn with replacement; draws without one of the classes are passed over."""
    kinds, index = np.unique(groups, return_inverse=True)
    right = (answers > 0) == armed
    counts = np.stack(
        [
            np.bincount(index, weights=values, minlength=len(kinds))
            for values in (armed & right, armed, ~armed & right, ~armed)
        ]
    )  # (4, groups)
    draws = np.random.default_rng(0).multinomial(len(kinds), np.full(len(kinds), 1 / len(kinds)), RESAMPLES)
    hits, held, misses, free = counts @ draws.T
    whole = (held > 0) & (free > 0)
    values = (hits[whole] / held[whole] + misses[whole] / free[whole]) / 2
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]
