from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.preprocessing import QuantileTransformer

from activity.errors import CheckpointError, StructureError
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.clip_model import (
    CLIP_FEATURES,
    FARTHEST,
    ClipModel,
    clip_features,
    normal_ranks,
    pool_people,
)
from activity.recognition.motion_features import MOTION_FEATURES, motion_features
from activity.structures import Tubelet

CLASSES = ("Fighting", "Normal")
SMALL = BPTubeFormerConfig(
    classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
)


def person(seed: int, frames: int = 12, track_id: int | None = None) -> Tubelet:
    grids = np.random.default_rng(seed).normal(size=(5, 2, frames, 3, 3)).astype(np.float32)
    return Tubelet(seed if track_id is None else track_id, 0.0, 1.0, grids, 1.0)


def model(**changes: Any) -> ClipModel:
    generator = np.random.default_rng(0)
    values: dict[str, Any] = {
        "classes": CLASSES,
        "track_settings": {"frame_rate_hz": 12.0},
        "window_s": 5.0,
        "quantiles": np.sort(generator.normal(size=(9, CLIP_FEATURES)), axis=0),
        "weights": generator.normal(scale=0.01, size=(2, CLIP_FEATURES)),
        "bias": np.array([0.1, -0.1]),
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


def test_ranks_by_hand() -> None:
    marks = np.array([[0.0], [1.0], [1.0], [1.0], [4.0]])  # ranks 0, 1/4, 1/2, 3/4, 1
    ranks = normal_ranks(np.array([[1.0], [2.5], [-7.0], [0.0], [4.0], [9.0]]), marks)[:, 0]
    # 1 is the middle of its three marks; 2.5 lies halfway from 3/4 to 1
    assert ranks.tolist() == pytest.approx([0, 1.1503494, -FARTHEST, -FARTHEST, FARTHEST, FARTHEST])


def test_a_feature_that_never_varied_says_nothing() -> None:
    assert normal_ranks(np.array([[5.0], [-5.0]]), np.ones((3, 1))).tolist() == [[0], [0]]


def test_ranks_equal_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(1)
    known = generator.normal(size=(80, 5))
    known[:, 4] = generator.integers(0, 4, size=80)  # many ties
    new = np.concatenate([known[:20], generator.normal(size=(40, 5)) * 2])
    theirs = QuantileTransformer(n_quantiles=20, output_distribution="normal").fit(known)
    ours = normal_ranks(new, theirs.quantiles_)
    np.testing.assert_allclose(ours, theirs.transform(new), atol=1e-3)  # they end at 5.1993


def test_probabilities_are_a_softmax_of_the_weighted_ranks() -> None:
    flat = np.tile(np.array([[-1e9], [1e9]]), (1, CLIP_FEATURES))  # so wide that every value has rank 1/2
    weights = np.zeros((2, CLIP_FEATURES))
    even = model(quantiles=flat, weights=weights, bias=np.array([np.log(3), 0.0]))
    assert even.probabilities([[person(1)]]) == pytest.approx({"Fighting": 0.75, "Normal": 0.25})


def test_a_long_clip_is_the_mean_of_its_windows() -> None:
    judge = model()
    first, second = judge.probabilities([[person(1), person(2)]]), judge.probabilities([[person(3)]])
    both = judge.probabilities([[person(1), person(2)], [person(3)]])
    assert first is not None
    assert second is not None
    assert first != second
    assert both == pytest.approx({name: (first[name] + second[name]) / 2 for name in CLASSES})


def test_nobody_is_no_verdict_and_one_person_twice_is_refused() -> None:
    assert model().probabilities([]) is None
    with pytest.raises(StructureError, match="two of one track id"):
        model().probabilities([[person(1), person(2, track_id=1)]])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bias": np.zeros(3)}, r"bias: expected finite numbers of shape \[2\]"),
        ({"weights": np.full((2, CLIP_FEATURES), np.nan)}, "weights: expected finite"),
        ({"weights": np.zeros((2, 7))}, r"got \[2, 7\]"),
        ({"quantiles": np.zeros((1, CLIP_FEATURES))}, "two or more rising rows"),
        ({"quantiles": np.linspace(1, 0, 3)[:, None] * np.ones(CLIP_FEATURES)}, "rising rows"),
        ({"window_s": 0.0}, "window_s: expected more than 0"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes: dict[str, npt.NDArray[np.float64]], words: str) -> None:
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
    assert kept.probabilities([[person(1), person(2)]]) == model().probabilities([[person(1), person(2)]])
    assert load_checkpoint(save(tmp_path / "without.safetensors", None)).clip_model is None


def test_a_model_of_other_classes_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="model of clips knows"):
        save(tmp_path / "x.safetensors", model(classes=("Normal", "Fighting")))


@pytest.mark.parametrize("lost", ["quantiles", "weights", "bias"])
def test_a_file_that_lost_a_part_of_the_model_is_refused(tmp_path: Path, lost: str) -> None:
    path = save(tmp_path / "x.safetensors", model())
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del tensors[f"clip_model.{lost}"]
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(CheckpointError, match="its model of whole clips lacks a part"):
        load_checkpoint(path)
