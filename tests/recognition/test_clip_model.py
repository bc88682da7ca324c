from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from activity.errors import CheckpointError, StructureError
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.clip_model import (
    CLIP_FEATURES,
    SCENE_FEATURES,
    ClipModel,
    ClipWindow,
    clip_features,
    pool_people,
    scene_features,
    with_scores,
)
from activity.recognition.forest import LEAF, Forest
from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.structures import MOTION_MEASURES, ActivityScore, SceneMotion, Tubelet

CLASSES = ("Fighting", "Normal")
SMALL = BPTubeFormerConfig(
    classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
)


def person(seed: int, frames: int = 12, track_id: int | None = None) -> Tubelet:
    grids = np.random.default_rng(seed).normal(size=(5, 2, frames, 3, 3)).astype(np.float32)
    return Tubelet(seed if track_id is None else track_id, 0.0, 1.0, grids, 1.0)


def motion(speed: float, rows: int = 5) -> SceneMotion:
    return SceneMotion(np.arange(rows) / 10, np.full((rows, len(MOTION_MEASURES)), speed, np.float32))


def stump(feature_count: int, *, threshold: float, above: float) -> Forest:
    """Fighting is `above` likely where feature 0 lies over the threshold, else 0.1."""
    return Forest(
        roots=np.array([0]),
        features=np.array([0, LEAF, LEAF]),
        thresholds=np.array([threshold, 0.0, 0.0]),
        children=np.array([[1, 2], [0, 0], [0, 0]]),
        shares=np.array([[0.5, 0.5], [0.1, 0.9], [above, 1 - above]]),
        feature_count=feature_count,
    )


def model(**changes: Any) -> ClipModel:
    """The people fight where they move at all (0.7), the scene where it is faster than 1 (0.9)."""
    values: dict[str, Any] = {
        "classes": CLASSES,
        "track_settings": {"frame_rate_hz": 12.0},
        "window_s": 5.0,
        "people": stump(CLIP_FEATURES, threshold=0.0, above=0.75),
        "scene": stump(SCENE_FEATURES, threshold=1.0, above=0.875),
        "training": {"seed": 0},
    }
    return ClipModel(**{**values, **changes})


def test_pooling_people_by_hand() -> None:
    rows = np.zeros((4, MOTION_FEATURES))
    rows[:, 0] = [1, 8, 3, 4]
    pooled = pool_people(rows).reshape(4, MOTION_FEATURES)
    assert pooled[:, 0].tolist() == [4, 3.5, 8, 5]  # mean, median, most, mean of 8, 4 and 3
    assert not pooled[:, 1:].any()
    assert not pool_people(np.empty((0, MOTION_FEATURES))).any()


def test_a_clip_of_one_person_is_that_person_four_times() -> None:
    one = motion_features(person(3))
    np.testing.assert_allclose(clip_features([person(3)]), np.tile(one, 4))


def test_the_scene_in_numbers_by_hand() -> None:
    measures = np.zeros((3, len(MOTION_MEASURES)), np.float32)
    measures[:, 1] = [1, 5, 3]
    numbers = scene_features(SceneMotion(np.array([0.1, 0.2, 0.4]), measures)).reshape(5, -1)
    # mean, most, deviation, median, mean of the changes 4 and 2
    assert numbers[:, 1].tolist() == pytest.approx([3, 5, np.sqrt(8 / 3), 3, 3])
    assert not np.delete(numbers, 1, axis=1).any()


def test_one_row_says_nothing_of_change() -> None:
    with pytest.raises(StructureError, match="expected 2 or more rows, got 1"):
        scene_features(motion(1.0, rows=1))
    assert not ClipWindow((), motion(1.0, rows=1)).has_motion


def test_the_votes_are_averaged() -> None:
    opinion = model().judge([ClipWindow((person(1),), motion(3.0))])
    assert opinion is not None
    assert opinion.votes == {
        "people": pytest.approx({"Fighting": 0.75, "Normal": 0.25}),
        "scene": pytest.approx({"Fighting": 0.875, "Normal": 0.125}),
    }
    assert opinion.probabilities == pytest.approx({"Fighting": 0.8125, "Normal": 0.1875})


def test_the_mean_of_the_votes_is_sharpened_and_the_votes_are_not() -> None:
    opinion = model(temperature=0.5).judge([ClipWindow((person(1),), motion(3.0))])
    assert opinion is not None
    assert opinion.votes["people"] == pytest.approx({"Fighting": 0.75, "Normal": 0.25})
    sure = 0.8125**2 / (0.8125**2 + 0.1875**2)
    assert opinion.probabilities == pytest.approx({"Fighting": sure, "Normal": 1 - sure})


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature: float) -> None:
    with pytest.raises(CheckpointError, match=r"clip_model\.temperature: expected more than 0"):
        model(temperature=temperature)


def test_a_model_judges_only_what_all_its_forests_can_go_by() -> None:
    """Trajectories alone have no picture that moves: they are left to the recogniser's own segments."""
    assert model().judge([ClipWindow((person(1),))]) is None
    assert model(people=None).judge([ClipWindow((person(1),), motion(3.0, rows=1))]) is None
    people = model(scene=None).judge([ClipWindow((person(1),))])
    assert people is not None
    assert set(people.votes) == {"people"}
    assert people.probabilities["Fighting"] == pytest.approx(0.75)
    scene = model(people=None).judge([ClipWindow((person(1),), motion(3.0))])
    assert scene is not None
    assert scene.probabilities["Fighting"] == pytest.approx(0.875)


def test_a_clip_in_which_nobody_was_followed_is_not_judged() -> None:
    """Trees and traffic move too."""
    assert model().judge([ClipWindow((), motion(3.0))]) is None
    assert model().judge([]) is None
    assert model().judge([ClipWindow()]) is None


def test_a_long_clip_is_the_mean_of_its_windows() -> None:
    fast, slow = ClipWindow((person(1),), motion(3.0)), ClipWindow((), motion(0.5))
    opinion = model().judge([fast, slow, slow])
    assert opinion is not None
    assert opinion.votes["scene"]["Fighting"] == pytest.approx((0.875 + 0.1 + 0.1) / 3)
    assert opinion.votes["people"]["Fighting"] == pytest.approx(0.75)


def score(fighting: float, *, track_id: int = 1, start_s: float = 0.0) -> ActivityScore:
    return ActivityScore(
        track_id, start_s, start_s + 2, CLASSES, np.array([fighting, 1 - fighting], np.float32)
    )


def test_the_network_votes_by_the_people_who_stand_out_most() -> None:
    scores = tuple(score(p, track_id=n) for n, p in enumerate((0.1, 0.9, 0.8, 0.4)))
    opinion = model(network=True).judge([ClipWindow((person(1),), motion(3.0), scores=scores)])
    assert opinion is not None
    assert opinion.votes["network"]["Fighting"] == pytest.approx((0.9 + 0.8 + 0.4) / 3)
    assert opinion.probabilities["Fighting"] == pytest.approx((0.7 + 0.75 + 0.875) / 3)
    without = model().judge([ClipWindow((person(1),), motion(3.0), scores=scores)])
    assert without is not None
    assert set(without.votes) == {"people", "scene"}


def test_where_nobody_was_followed_for_a_segment_the_forests_decide() -> None:
    opinion = model(network=True).judge([ClipWindow((person(1),), motion(3.0))])
    assert opinion is not None
    assert opinion.probabilities["Fighting"] == pytest.approx(0.8125)


def test_scores_of_other_classes_are_refused() -> None:
    other = ActivityScore(1, 0, 2, ("Arson", "Normal"), np.array([0.5, 0.5], np.float32))
    with pytest.raises(StructureError, match=r"expected scores of .*Fighting.*, got .*Arson"):
        model(network=True).judge([ClipWindow((person(1),), motion(3.0), scores=(other,))])


def test_each_score_goes_to_the_window_that_its_middle_lies_in() -> None:
    windows = [ClipWindow(end_s=4.0), ClipWindow(start_s=4.0)]
    scores = [score(0.1, start_s=s) for s in (0.0, 2.5, 3.0, 9.0)]  # middles 1, 3.5, 4 and 10 s
    first, second = with_scores(windows, scores)
    assert [s.start_s for s in first.scores] == [0.0, 2.5]
    assert [s.start_s for s in second.scores] == [3.0, 9.0]


def test_one_person_twice_is_refused() -> None:
    with pytest.raises(StructureError, match="two of one track id"):
        model().judge([ClipWindow((person(1), person(2, track_id=1)))])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window_s": 0.0}, "window_s: expected more than 0"),
        ({"people": None, "scene": None}, "expected a forest"),
        (
            {"people": stump(SCENE_FEATURES, threshold=0, above=1)},
            "people: expected 188 features and 2 classes",
        ),
        ({"scene": stump(CLIP_FEATURES, threshold=0, above=1)}, "scene: expected 85 features and 2 classes"),
        ({"classes": ("a", "b", "c")}, "expected 188 features and 3 classes, got 188 and 2"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        model(**changes)


def save(path: Path, clip_model: ClipModel | None) -> Path:
    torch.manual_seed(0)
    save_checkpoint(
        path,
        build_network(SMALL),
        SMALL,
        classes=CLASSES,
        tubelet_settings={"frames": 24},
        training={},
        clip_model=clip_model,
    )
    return path


def test_a_checkpoint_keeps_the_model_to_the_last_digit(tmp_path: Path) -> None:
    kept = load_checkpoint(save(tmp_path / "with.safetensors", model())).clip_model
    assert kept is not None
    assert kept.classes == CLASSES
    assert kept.training == {"seed": 0}
    assert (kept.track_settings, kept.window_s) == ({"frame_rate_hz": 12.0}, 5.0)
    window = ClipWindow((person(1), person(2)), motion(3.0))
    kept_opinion, opinion = kept.judge([window]), model().judge([window])
    assert kept_opinion is not None
    assert opinion is not None
    assert kept_opinion.probabilities == pytest.approx(opinion.probabilities, abs=1e-7)
    alone = load_checkpoint(save(tmp_path / "alone.safetensors", model(people=None, network=True))).clip_model
    assert alone is not None
    assert (kept.network, alone.network) == (False, True)
    assert alone.people is None
    assert load_checkpoint(save(tmp_path / "without.safetensors", None)).clip_model is None


def test_a_model_of_other_classes_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="model of clips knows"):
        save(tmp_path / "x.safetensors", model(classes=("Normal", "Fighting")))


@pytest.mark.parametrize("lost", ["people.roots", "scene.shares", "scene.children"])
def test_a_file_that_lost_a_part_of_the_model_is_refused(tmp_path: Path, lost: str) -> None:
    path = save(tmp_path / "x.safetensors", model())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del tensors[f"clip_model.{lost}"]
    save_file(tensors, path, metadata=metadata)
    forest, part = lost.split(".")
    with pytest.raises(CheckpointError, match=f"lacks {part} of the forest '{forest}'"):
        load_checkpoint(path)


def test_a_file_whose_forest_was_damaged_is_refused_by_name(tmp_path: Path) -> None:
    path = save(tmp_path / "x.safetensors", model())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    tensors["clip_model.people.children"] += 9
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: forest: its 3 nodes"):
        load_checkpoint(path)
