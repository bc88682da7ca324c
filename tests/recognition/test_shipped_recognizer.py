"""The recogniser that comes with the repository: whole, described, and as good as its card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from activity.recognition.recognizer import Recognizer
from activity.structures import Tubelet
from activity.training.recognizer.config import RecognizerConfig

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "recognizer_fighting.safetensors"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load(CHECKPOINT)


def test_it_tells_fighting_from_normal_on_segments_of_its_length(recognizer: Recognizer) -> None:
    assert recognizer.classes == ("Fighting", "Normal")
    assert recognizer.tubelet_settings["frames"] == recognizer.frames == 24
    assert recognizer.tubelet_settings["normalization"] == "body"
    tubelet = Tubelet(
        track_id=1, start_s=0, end_s=2, grids=np.zeros((5, 2, 24, 3, 3), dtype=np.float32), observed=0.5
    )
    (score,) = recognizer.recognize([tubelet], attention=True)
    assert score.attention is not None


def test_its_header_holds_its_figures_and_names_no_folder_of_a_machine(recognizer: Recognizer) -> None:
    validation = recognizer.training["cross_validation"]
    for level in ("segment", "track", "clip"):
        low, high = validation[level]["interval"]
        assert 0.5 < validation[level]["balanced_accuracy"] < 1
        assert low < validation[level]["balanced_accuracy"] < high
    assert "by source" in validation["protocol"]
    assert not set(recognizer.training["videos"]) & set(recognizer.training["held_out_videos"])
    recipe = recognizer.training["recipe"]
    written = RecognizerConfig.model_validate(
        yaml.safe_load((CHECKPOINT.parents[1] / "configs" / "recognizer_fighting.yaml").read_text())
    )
    assert recipe == written.model_dump(mode="json", exclude={"checkpoint"})
    assert not any(
        Path(tracks["trajectories"]).is_absolute() for tracks in (recipe["data"], *recipe["data"]["also"])
    )


def test_its_network_and_both_forests_judge_whole_clips(recognizer: Recognizer) -> None:
    model = recognizer.clip_model
    assert model is not None
    assert model.network
    assert model.people is not None
    assert model.scene is not None


def test_its_card_speaks_of_this_very_file_with_the_same_figures(recognizer: Recognizer) -> None:
    card = CHECKPOINT.with_suffix(".md").read_text()
    assert recognizer.sha256 in card
    assert f"{recognizer.training['cross_validation']['clip']['balanced_accuracy']:.3f}" in card
    assert f"{recognizer.training['cross_validation']['floor']['mean']:.3f}" in card
