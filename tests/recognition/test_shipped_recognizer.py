"""The recogniser that comes with the repository: whole, described, and as good as its card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from activity.recognition.recognizer import Recognizer
from activity.structures import Tubelet

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
    assert recognizer.training["recipe"]["data"]["trajectories"] == "../shared/data/trajectories"


def test_its_card_speaks_of_this_very_file_with_the_same_figures(recognizer: Recognizer) -> None:
    card = CHECKPOINT.with_suffix(".md").read_text()
    assert recognizer.sha256 in card
    assert f"{recognizer.training['cross_validation']['clip']['balanced_accuracy']:.3f}" in card
    assert f"{recognizer.training['cross_validation']['floor']['mean']:.3f}" in card


def test_its_model_of_whole_clips_is_the_one_that_the_card_and_the_header_describe(
    recognizer: Recognizer,
) -> None:
    model = recognizer.clip_model
    assert model is not None
    assert model.classes == recognizer.classes
    training = model.training
    assert not set(training["videos"]) & set(recognizer.training["held_out_videos"])
    assert not Path(training["recipe"]["data"]["trajectories"]).is_absolute()
    card = CHECKPOINT.with_suffix(".md").read_text()
    for figures in training["cross_validation"].values():
        assert len(figures["values"]) == 5
        assert figures["interval"][0] < figures["mean"] < figures["interval"][1]
        assert f"{figures['mean']:.3f} ± {figures['standard_deviation']:.3f}" in card


def test_people_who_thrash_about_make_a_fight_of_a_clip_and_people_who_stand_do_not(
    recognizer: Recognizer,
) -> None:
    model = recognizer.clip_model
    assert model is not None
    generator = np.random.default_rng(0)
    body = generator.normal(size=(5, 2, 1, 3, 3))
    drawn = []
    for shaking in (0.8, 0.003):
        grids = body + shaking * np.cumsum(generator.normal(scale=0.3, size=(5, 2, 24, 3, 3)), axis=2)
        people = [Tubelet(number, 0, 2, grids.astype(np.float32), 1.0) for number in (1, 2, 3)]
        probabilities = model.probabilities([people])
        assert probabilities is not None
        drawn.append(probabilities["Fighting"])
    assert drawn[0] > 0.5 > drawn[1]
