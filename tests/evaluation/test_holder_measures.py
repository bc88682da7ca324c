"""The holder measured on few random scenes; `activity evaluate holders` draws 200."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.datasets.rendered.armed import estimated, figure_scene, random_armed_scene
from activity.evaluation.holders import evaluate_holders
from activity.evaluation.intervals import wilson_interval


def test_a_few_random_scenes_name_the_holder_more_often_than_overlap_alone() -> None:
    figures = evaluate_holders(scenes=8, seed=1)
    exact = figures["true_joints"]
    assert exact["n"] >= 8
    assert exact["accuracy"] >= 0.9
    assert exact["accuracy"] > exact["accuracy_iou_alone"]
    assert exact["interval"][0] <= exact["accuracy"] <= exact["interval"][1]
    assert figures["estimated_joints"]["n"] == exact["n"]
    assert all(result["right"] for result in figures["figures"].values())


def test_the_command_prints_one_object() -> None:
    result = CliRunner().invoke(app, ["evaluate", "holders", "--scenes", "0", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["figures"]["raised_arm"] == {"right": True, "iou_alone_right": False}
    assert figures["true_joints"]["n"] == 0


def test_the_same_seed_draws_the_same_scene() -> None:
    first, second = (random_armed_scene(np.random.default_rng([4, 2])) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.weapons.boxes, second.weapons.boxes)


def test_estimated_joints_are_off_and_covered_ones_often_missing() -> None:
    scene = figure_scene("neighbours")
    noisy = estimated(scene, np.random.default_rng(0))
    both = (noisy.people.keypoints[..., 2] > 0) & (scene.people.keypoints[..., 2] > 0)
    off = np.linalg.norm(noisy.people.keypoints[both, :2] - scene.people.keypoints[both, :2], axis=1)
    assert 0.5 < np.median(off) < 8
    assert (noisy.people.keypoints[scene.covered, 2] == 0).sum() > 0


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (0, 10), (10, 10), (3, 7)])
def test_wilson_intervals_hold_the_share_and_stay_within_0_and_1(hits: int, trials: int) -> None:
    low, high = wilson_interval(hits, trials)
    assert 0 <= low <= (hits / trials if trials else 0.5) <= high <= 1


def test_a_wilson_interval_is_the_textbooks() -> None:
    # p = 0.1, n = 20: centre (0.1 + 1.92073/20) / (1 + 3.84146/20) = 0.16445, half width 0.13658
    assert wilson_interval(2, 20) == pytest.approx((0.0279, 0.3010), abs=1e-4)


def test_more_hits_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 3"):
        wilson_interval(4, 3)
