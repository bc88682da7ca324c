"""The training of the armed-posture machine on made-up people, and once on few real pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity.association import load_armed_posture
from activity.association.posture import POSTURE_FEATURES
from activity.config import read_yaml
from activity.errors import DatasetError
from activity.evaluation.armed_posture import PosedPeople
from activity.training.posture.config import HolderConfig
from activity.training.posture.trainer import cross_validate, fit, train

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "configs" / "holder.yaml"


def config(**changes: Any) -> HolderConfig:
    return HolderConfig.model_validate(
        read_yaml(SHIPPED, HolderConfig).model_dump() | {"fold_seeds": (0, 1)} | changes
    )


def made_up(count: int, *, apart: float, seed: int = 0) -> PosedPeople:
    """People of whom the armed ones raise both wrists by `apart` trunks, two a picture."""
    random = np.random.default_rng(seed)
    armed = random.uniform(size=count) < 0.5
    features = random.normal(0, 0.3, (count, len(POSTURE_FEATURES)))
    for name in ("left_wrist.y", "right_wrist.y"):
        features[armed, POSTURE_FEATURES.index(name)] -= apart
    everybody = np.ones(count, bool)
    return PosedPeople(
        np.arange(count) // 2,
        [str(i) for i in range(count)],
        features,
        everybody,
        armed,
        everybody,
        armed,
        everybody,
    )


def test_a_posture_that_tells_is_learned_and_one_that_does_not_is_said_to_be_chance() -> None:
    for apart, low, high in ((2.0, 0.95, 1.0), (0.0, 0.35, 0.65)):
        people = made_up(200, apart=apart)
        logits, machine = cross_validate(people, people.pictures, config())
        assert low <= machine.balanced_accuracy <= high
        assert logits.shape == (200,)
        assert machine.quality["interval"][0] <= machine.balanced_accuracy <= machine.quality["interval"][1]


def test_the_machine_answers_as_scikit_learns_does() -> None:
    people = made_up(300, apart=0.4)
    machine, vectors = fit(people.features, people.armed, config())
    others = np.concatenate([people.features[:100], made_up(400, apart=0.4, seed=1).features * 1.5])
    theirs = vectors.decision_function((others - machine.mean) / machine.spread)
    assert np.ptp(theirs) > 0.5
    np.testing.assert_allclose(machine.decide(others), theirs, rtol=0, atol=1e-6)


def test_who_is_ambiguous_or_not_seen_is_answered_for_but_not_learned_from() -> None:
    people = made_up(200, apart=2.0)
    used = np.arange(200) % 4 != 0
    lies = np.where(used, people.armed, ~people.armed)
    misled = PosedPeople(
        people.pictures, people.names, people.features, people.judged, lies, used, lies, people.beside_weapons
    )
    logits, machine = cross_validate(misled, people.pictures, config())
    assert machine.quality["n"] == used.sum()
    assert machine.quality["ambiguous"] == (~used).sum()
    assert ((logits > 0) == people.armed)[~used].mean() > 0.9


def test_the_same_people_give_the_same_machine() -> None:
    people = made_up(100, apart=0.5)
    one, other = (cross_validate(people, people.pictures, config())[1] for _ in range(2))
    np.testing.assert_array_equal(one.support_vectors, other.support_vectors)
    assert (one.slope, one.offset, one.quality) == (other.slope, other.offset, other.quality)


def test_fewer_scenes_than_folds_and_one_class_alone_are_refused() -> None:
    people = made_up(40, apart=1.0)
    with pytest.raises(DatasetError, match="5 folds need as many scenes, got 3"):
        cross_validate(people, np.arange(40) % 3, config())
    with pytest.raises(DatasetError, match="40 armed of 40"):
        fit(people.features, np.ones(40, bool), config())


@pytest.mark.real_data
def test_a_training_on_few_pictures_writes_a_file_that_can_be_used(shared_data: Path, tmp_path: Path) -> None:
    for part in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / part / kind).mkdir(parents=True)
            for path in sorted((shared_data / "weapons" / part / kind).iterdir())[::16]:
                (tmp_path / part / kind / path.name).symlink_to(path)
    changes = {
        "data": tmp_path / "train",
        "held_out": tmp_path / "val",
        "scene_weights": shared_data.parent / "models" / "yolox_nano.onnx",
        "checkpoint": tmp_path / "posture.safetensors",
        "folds": 2,
    }
    made = train(config(**changes), run_directory=tmp_path)
    read = load_armed_posture(made.checkpoint)
    assert read.quality["held_out"] == made.figures["held_out"]
    assert read.balanced_accuracy == made.figures["cross_validated"]["balanced_accuracy"]
    assert (tmp_path / "validation.json").is_file()
    assert str(shared_data) not in str(read.training) + str(read.quality)
    assert str(tmp_path) not in str(read.training) + str(read.quality)
