"""Who counts as armed, and figures of a posture worked by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from activity.errors import DatasetError
from activity.evaluation.armed_posture import PosedPeople, measure_armed_posture, read_posed_people
from activity.structures import Detections, Poses


class Reaching:
    """Puts the right wrist of everybody at the left edge of the box, at half its height."""

    uses_person_boxes = True

    def estimate(self, image: npt.NDArray[np.uint8], people: Detections) -> Poses:
        keypoints = np.zeros((len(people), 17, 3), np.float32)
        x0, y0, x1, y1 = people.boxes.T
        height = y1 - y0
        for joint, x, y in (
            (5, (x0 + x1) / 2 + 4, y0 + 0.2 * height),
            (6, (x0 + x1) / 2 - 4, y0 + 0.2 * height),
            (8, x0 + 6, y0 + 0.4 * height),
            (10, x0, y0 + 0.5 * height),
        ):
            keypoints[:, joint] = np.stack([x, y, np.full(len(people), 0.9)], axis=1)
        return Poses(keypoints, people.boxes, people.scores)


def folder(root: Path, **labels: str) -> Path:
    for name, text in labels.items():
        for kind in ("images", "labels"):
            (root / kind).mkdir(exist_ok=True, parents=True)
        cv2.imwrite(str(root / "images" / f"{name}.png"), np.zeros((200, 200, 3), np.uint8))
        (root / "labels" / f"{name}.txt").write_text(text)
    return root


def test_who_is_armed_is_asked_of_the_association_and_who_is_neither_is_left_out(tmp_path: Path) -> None:
    root = folder(
        tmp_path,
        # a pistol at the first one's hand (x0 = 40, half the height), nothing near the second
        a="0 0.3 0.5 0.2 0.8\n0 0.8 0.5 0.2 0.8\n1 0.2 0.5 0.05 0.03\n",
        # a weapon at the feet, inside the box and far from the hand
        b="0 0.5 0.5 0.2 0.8\n1 0.5 0.88 0.05 0.03\n",
        c="0 0.5 0.5 0.2 0.8\n",
        d="",
    )
    people = read_posed_people(root, Reaching())
    assert people.pictures.tolist() == [0, 0, 1, 2]
    assert people.armed.tolist() == [True, False, False, False]
    assert people.sure.tolist() == [True, True, False, True]
    assert people.touching.tolist() == [True, False, True, False]
    assert people.beside_weapons.tolist() == [True, True, True, False]
    assert people.judged.all()
    assert people.take(people.armed).pictures.tolist() == [0]


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected labelled people"):
        read_posed_people(folder(tmp_path, a="1 0.5 0.5 0.1 0.1\n"), Reaching())


def posed(armed: list[bool], pictures: list[int], *, sure: list[bool] | None = None) -> PosedPeople:
    count = len(armed)
    truth, everybody = np.array(armed), np.ones(count, bool)
    return PosedPeople(
        np.array(pictures),
        [str(picture) for picture in range(max(pictures) + 1)],
        np.zeros((count, 34)),
        everybody,
        truth,
        everybody if sure is None else np.array(sure),
        truth,
        everybody,
    )


def test_figures_are_those_worked_by_hand() -> None:
    people = posed([True, False, True, True, False], [0, 0, 1, 2, 2], sure=[True, True, True, True, False])
    figures = measure_armed_posture(np.array([2.0, -1.0, 0.5, -3.0, 9.0]), people, groups=people.pictures)
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["auc"] == pytest.approx(2 / 3)
    assert (figures["recall"], figures["false_positive_rate"]) == (pytest.approx(2 / 3), 0)
    assert (figures["n"], figures["armed"], figures["ambiguous"], figures["not_judged"]) == (4, 3, 1, 0)
    assert figures["touching"]["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert figures["same_picture"] == {"auc": 1.0, "n": 1}
    sigmoids = 1 / (1 + np.exp(-np.array([2.0, -1.0, 0.5, -3.0])))
    assert figures["brier"] == pytest.approx(np.mean((sigmoids - [1, 0, 1, 1]) ** 2))


def test_the_interval_draws_groups_not_people() -> None:
    armed = [True, False] * 40
    logits = np.array([1.0, -1.0] * 20 + [-1.0, 1.0] * 20)  # right in the first half, wrong in the second
    few = measure_armed_posture(
        logits, posed(armed, [i // 40 for i in range(80)]), groups=np.arange(80) // 40
    )
    many = measure_armed_posture(logits, posed(armed, [i // 2 for i in range(80)]), groups=np.arange(80) // 2)
    assert few["balanced_accuracy"] == many["balanced_accuracy"] == 0.5
    assert few["interval"] == [0.0, 1.0], "two scenes, one all right and one all wrong, tell nothing"
    assert 0.3 < many["interval"][0] < 0.5 < many["interval"][1] < 0.7


@pytest.mark.parametrize("armed", [[True, True], [False, False]])
def test_one_class_alone_gives_no_figures(armed: list[bool]) -> None:
    with pytest.raises(DatasetError, match="armed and unarmed"):
        measure_armed_posture(np.zeros(2), posed(armed, [0, 1]), groups=np.arange(2))
