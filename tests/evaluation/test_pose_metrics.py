"""Pose evaluation: by hand, against the COCO evaluation, and over files."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.errors import DatasetError, StructureError
from activity.evaluation.pose import PosedPicture, match_poses, measure_poses, pck
from activity.structures import Poses

Array = npt.NDArray[np.float32]
IMAGE = ImageReference(Path("hall.png"), None, 0, 0, "hall")


def standing(x: float, y: float = 0) -> Array:
    """A person 40 px wide and 160 px high whose upper left corner is (x, y), every joint labelled."""
    joints = np.ones((17, 3), np.float32)
    joints[:, 0] = x + 40 * (np.arange(17) % 2)
    joints[:, 1] = y + 10 * np.arange(17)
    return joints


def labelled(
    joints: Array, *, weight: float = 1.0, is_crowd: bool = False, area: float = 6400
) -> LabelledPerson:
    box = np.array([joints[0, 0], joints[0, 1], joints[0, 0] + 40, joints[0, 1] + 160], np.float32)
    return LabelledPerson(IMAGE, joints, box, area, weight, "coco", held_out=False, is_crowd=is_crowd)


def found(*people: Array, scores: Sequence[float] | None = None) -> Poses:
    if not people:
        return Poses.empty()
    return Poses.from_keypoints(np.stack(people), [0.9] * len(people) if scores is None else scores)


def test_everybody_found_exactly_is_perfect() -> None:
    people = [standing(0), standing(200)]
    metrics = measure_poses([PosedPicture([labelled(p) for p in people], found(*people))])
    assert dataclasses.asdict(metrics) == {
        "ap": pytest.approx(1),
        "ap50": pytest.approx(1),
        "ar": pytest.approx(1),
        "recall_oks50": 1,
        "precision_oks50": 1,
        "mean_oks": 1,
        "images": 1,
        "people": 2,
    }


def test_one_of_two_found_and_one_pose_of_nothing() -> None:
    # recall 1 of 2, precision 1 of 2, mean OKS (1 + 0) / 2; the good pose scores highest, so precision is 1
    # up to recall 0.5, which holds at 51 of COCO's 101 recall levels: AP = 51 / 101
    picture = PosedPicture(
        [labelled(standing(0)), labelled(standing(200))],
        found(standing(0), standing(2000), scores=[0.9, 0.8]),
    )
    metrics = measure_poses([picture])
    assert metrics.recall_oks50 == metrics.precision_oks50 == 0.5
    assert metrics.mean_oks == pytest.approx(0.5)
    assert metrics.ap == pytest.approx(51 / 101)
    assert metrics.ar == pytest.approx(0.5)


def test_a_second_pose_on_the_same_person_is_wrong() -> None:
    picture = PosedPicture([labelled(standing(0))], found(standing(0), standing(1), scores=[0.5, 0.9]))
    metrics = measure_poses([picture])
    assert metrics.recall_oks50 == 1
    assert metrics.precision_oks50 == 0.5
    assert metrics.mean_oks == 1  # the assignment takes the closer pose, not the surer one


def test_nobody_found_is_zero_recall_and_no_wrong_pose() -> None:
    metrics = measure_poses([PosedPicture([labelled(standing(0))], Poses.empty())])
    assert (metrics.recall_oks50, metrics.precision_oks50, metrics.mean_oks) == (0, 1, 0)
    assert (metrics.ap, metrics.ar) == (0, 0)


def test_poses_in_pictures_without_people_are_wrong() -> None:
    pictures = [
        PosedPicture([labelled(standing(0))], found(standing(0))),
        PosedPicture([], found(standing(0), standing(90), standing(300))),
    ]
    metrics = measure_poses(pictures)
    assert metrics.precision_oks50 == 0.25
    assert (metrics.images, metrics.people) == (2, 1)


@pytest.mark.parametrize("hidden", ["crowd", "no joint labelled", "low agreement"])
def test_people_who_do_not_count_count_neither_way(hidden: str) -> None:
    joints = standing(500)
    if hidden == "no joint labelled":
        joints[:, 2] = 0
    uncounted = labelled(joints, is_crowd=hidden == "crowd", weight=0.2 if hidden == "low agreement" else 1)
    for poses in (found(standing(0)), found(standing(0), standing(530, 40))):
        metrics = measure_poses([PosedPicture([labelled(standing(0)), uncounted], poses)], min_agreement=0.5)
        assert metrics.people == 1
        assert metrics.recall_oks50 == metrics.precision_oks50 == 1
        assert metrics.ap == pytest.approx(1)


def test_a_pose_far_from_a_crowd_stays_wrong() -> None:
    picture = PosedPicture(
        [labelled(standing(0)), labelled(standing(500), is_crowd=True)], found(standing(0), standing(1500))
    )
    assert measure_poses([picture]).precision_oks50 == 0.5


def test_somebody_beside_a_crowd_is_found_all_the_same() -> None:
    picture = PosedPicture(
        [labelled(standing(520)), labelled(standing(500), is_crowd=True)], found(standing(520))
    )
    metrics = measure_poses([picture])
    assert (metrics.recall_oks50, metrics.precision_oks50) == (1, 1)


def test_agreement_at_the_limit_counts() -> None:
    picture = PosedPicture([labelled(standing(0), weight=0.5)], found(standing(0)))
    assert measure_poses([picture], min_agreement=0.5).people == 1


def test_poses_under_the_score_threshold_are_left_out_of_the_figures_at_oks_50_alone() -> None:
    people = [labelled(standing(0)), labelled(standing(200))]
    picture = PosedPicture(people, found(standing(0), standing(200), standing(900), scores=[0.9, 0.3, 0.2]))
    metrics = measure_poses([picture], score_threshold=0.5)
    assert (metrics.recall_oks50, metrics.precision_oks50, metrics.mean_oks) == (0.5, 1, 0.5)
    assert metrics.ap == pytest.approx(1)


def test_nobody_who_counts_is_an_error_and_no_figure() -> None:
    picture = PosedPicture([labelled(standing(0), weight=0.1)], found(standing(0)))
    with pytest.raises(DatasetError, match="nobody to look for in 1 pictures"):
        measure_poses([picture], min_agreement=0.5)
    with pytest.raises(DatasetError, match="in 0 pictures"):
        measure_poses([])


def test_people_and_poses_of_other_heights_count_neither_way() -> None:
    # everyone is 160 px high but the child, 80 px; the child is found, and a pose 80 px high finds nobody
    child = standing(500) * np.array([1, 0.5, 1], np.float32)
    small = labelled(child, area=1600)
    small.box.flags.writeable = True
    small.box[3] = small.box[1] + 80
    stray = standing(900) * np.array([1, 0.5, 1], np.float32)
    picture = PosedPicture(
        [labelled(standing(0)), labelled(standing(200)), small], found(standing(0), child, stray)
    )

    tall = match_poses([picture], heights=(128, np.inf))
    assert (tall.recall_oks50, tall.precision_oks50, tall.people) == (0.5, 1, 2)

    low = match_poses([picture], heights=(64, 128))
    assert (low.recall_oks50, low.precision_oks50, low.people) == (1, 0.5, 1)


def random_pictures(seed: int, count: int = 12) -> list[PosedPicture]:
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        people = []
        for _ in range(random.integers(0, 5)):
            joints = standing(float(random.uniform(0, 900)), float(random.uniform(0, 400)))
            joints[:, 2] = random.random(17) < 0.7
            joints[0, 2] = 1
            people.append(labelled(joints, area=float(random.uniform(2000, 20_000))))
        poses = [
            person.keypoints + np.r_[random.normal(0, random.choice([1, 5, 20]), 2), 0].astype(np.float32)
            for person in people
            if random.random() < 0.8
        ]
        poses += [standing(float(random.uniform(0, 900))) for _ in range(random.integers(0, 3))]
        pictures.append(PosedPicture(people, found(*poses, scores=random.random(len(poses)).tolist())))
    return pictures


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_the_coco_evaluation(seed: int) -> None:
    """The result files are written as COCO's own tools read them, and its evaluation matches at OKS 0.5 too."""
    pictures = random_pictures(seed)
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for image_id, picture in enumerate(pictures):
        for person in picture.people:
            x0, y0, x1, y1 = person.box.tolist()
            entry: dict[str, Any] = {
                "id": len(truth) + 1,
                "image_id": image_id,
                "category_id": 1,
                "iscrowd": 0,
            }
            entry |= {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": person.area}
            entry |= {"num_keypoints": int((person.keypoints[:, 2] > 0).sum())}
            truth.append(entry | {"keypoints": person.keypoints.ravel().tolist()})
        for keypoints, score in zip(picture.poses.keypoints, picture.poses.scores, strict=True):
            result = {"image_id": image_id, "category_id": 1, "score": float(score)}
            results.append(result | {"keypoints": keypoints.ravel().tolist()})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": image_id} for image_id in range(len(pictures))],
            "categories": [{"id": 1}],
            "annotations": truth,
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), "keypoints")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    metrics = measure_poses(pictures)
    assert metrics.ap == pytest.approx(evaluator.stats[0], abs=1e-12)
    assert metrics.ap50 == pytest.approx(evaluator.stats[1], abs=1e-12)
    assert metrics.ar == pytest.approx(evaluator.stats[5], abs=1e-12)
    assert 0 < metrics.ap < 1

    whole = [entry for entry in evaluator.evalImgs if entry is not None and entry["aRng"] == [0, 1e10]]
    matched = sum(int((entry["dtMatches"][0] > 0).sum()) for entry in whole)
    assert metrics.recall_oks50 == pytest.approx(matched / len(truth))
    assert metrics.precision_oks50 == pytest.approx(matched / len(results))


def test_pck_counts_labelled_joints_within_a_fifth_of_the_length() -> None:
    # lengths 10 and 100: limits 2 and 20 px; distances 1, 3 and (unlabelled) 50, then 20 and 21
    reference = np.zeros((2, 3, 3))
    reference[:, :, 2] = [[2, 1, 0], [1, 1, 0]]
    detected = np.zeros((2, 3, 2))
    detected[0, :, 0] = [1, 3, 50]
    detected[1, :, 1] = [20, 21, 0]
    assert pck(detected, reference, [10, 100]) == 0.5
    assert pck(detected, reference, [10, 100], share=0.4) == 1.0


@pytest.mark.parametrize(
    ("detected", "reference", "lengths", "message"),
    [
        (np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), [1], r"reference: expected shape \[N, K, 3\]"),
        (np.zeros((1, 4, 2)), np.ones((1, 3, 3)), [1], "detected: expected shape"),
        (np.zeros((1, 3, 2)), np.ones((1, 3, 3)), [0], "lengths: expected 1 lengths above 0"),
        (np.zeros((1, 3, 2)), np.ones((1, 3, 3)), [np.nan], "lengths: expected 1 lengths above 0"),
        (np.zeros((1, 3, 2)), np.ones((1, 3, 3)), [1, 1], "lengths: expected 1 lengths above 0"),
        (np.zeros((1, 3, 2)), np.zeros((1, 3, 3)), [1], "reference: expected at least one labelled joint"),
        (np.zeros((0, 3, 2)), np.zeros((0, 3, 3)), [], "reference: expected at least one labelled joint"),
    ],
)
def test_pck_refuses_what_does_not_fit(
    detected: npt.ArrayLike, reference: npt.ArrayLike, lengths: npt.ArrayLike, message: str
) -> None:
    with pytest.raises(StructureError, match=message):
        pck(detected, reference, lengths)
