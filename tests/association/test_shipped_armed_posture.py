"""The embedded armed-posture machine can be read, says how weak it is, and its card says the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity.association import load_armed_posture

FOLDER = Path(__file__).parents[2] / "checkpoints"
SHIPPED = load_armed_posture(FOLDER / "armed_posture.safetensors")


def test_the_file_says_how_weak_it_is_and_where_it_comes_from() -> None:
    low, high = SHIPPED.quality["interval"]
    assert 0.55 < low < SHIPPED.balanced_accuracy < high < 0.8
    assert {"cross_validated", "held_out", "held_out_apart"} <= set(SHIPPED.quality)
    assert {"data", "commit", "settings", "pose", "people"} <= set(SHIPPED.training)


@pytest.mark.parametrize("name", ["cross_validated", "held_out", "held_out_apart"])
def test_the_card_has_the_files_figures(name: str) -> None:
    card = (FOLDER / "armed_posture.md").read_text(encoding="utf-8")
    figures = SHIPPED.quality[name]
    low, high = figures["interval"]
    assert f"{figures['balanced_accuracy']:.3f}" in card
    assert f"({low:.3f} to {high:.3f})" in card
    assert f"{figures['auc']:.3f}" in card
    assert str(SHIPPED.training["commit"])[:7] in card


def test_its_probability_is_no_certainty_for_anybody() -> None:
    generator = np.random.default_rng(0)
    keypoints = generator.uniform(0, 200, (200, 17, 3))
    keypoints[..., 2] = 0.9
    probabilities = SHIPPED.judge(keypoints, np.tile([0.0, 0.0, 200.0, 200.0], (200, 1)))
    assert ((probabilities > 0.02) & (probabilities < 0.98)).all()
