from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from activity.config import read_yaml
from activity.datasets.sequences import ActionSequence, with_inner_folds
from activity.errors import DatasetError
from activity.recognition.architectures import build_network
from activity.structures.layouts import COCO_LAYOUT, SBU_LAYOUT
from activity.training.recognizer.benchmark import read_benchmark, recipe_of, run_benchmark, segments_of
from activity.training.recognizer.benchmark_config import BenchmarkConfig
from activity.training.recognizer.benchmark_report import as_markdown
from activity.training.recognizer.early_stopping import EarlyStopping
from activity.training.recognizer.fit import SegmentPreparation
from activity.training.recognizer.samples import SegmentSet, pass_batches
from activity.training.recognizer.sequences import (
    as_segments,
    left_to_right,
    normalize_people,
    stretch,
    views_of,
)

CONFIGS = Path(__file__).parents[2] / "configs"


def write_archive(path: Path) -> Path:
    """Two interactions that anybody can tell apart: people who stand still, and people whose hands go up."""
    generator = np.random.default_rng(0)
    body = generator.random((15, 2)) * [0.2, 1.0] + [0.1, 0.1]
    skeletons = np.zeros((24, 3, 12, 15, 2), np.float32)
    for row in range(24):
        for person in range(2):
            frames = np.tile(body, (12, 1, 1)) + np.array([0.5 * person, 0])
            if row % 2:
                frames[:, [5, 8], 1] -= np.linspace(0, 1, 12)[:, None]
            skeletons[row, :2, :, :, person] = frames.transpose(2, 0, 1) + generator.normal(
                scale=0.01, size=(2, 12, 15)
            )
    np.savez(path, skeletons=skeletons, labels=np.arange(24) % 2, folds=np.arange(24) % 3 + 1)
    return path


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activity.training.recognizer.sequence_floor.TREES", 20)


def config(path: Path, **changes: Any) -> BenchmarkConfig:
    values: dict[str, Any] = {
        "kind": "benchmark",
        "data": "sbu",
        "path": path,
        "frames": 8,
        "source_frames": 12,
        "network": {
            "architecture": "pair_bptubeformer", "kernel": [4, 3, 3], "stride": [4, 3, 3], "channels": 8, "heads": 2,
            "part_depth": 1, "body_depth": 1, "velocity": True,
        },
        "optimization": {
            "epochs": 15, "clips_per_batch": 8, "segments_per_clip": 1, "clip_loss": 0, "learning_rate": 0.01,
            "average_decay": 0.5,
        },
        "seeds": [0],
    }  # fmt: skip
    return BenchmarkConfig.model_validate({**values, **changes})


def test_a_network_learns_what_anybody_can_tell_apart_and_a_second_run_trains_nothing(tmp_path: Path) -> None:
    settings = config(write_archive(tmp_path / "sbu.npz"))
    trained: list[str] = []
    figures = run_benchmark(
        settings, run_directory=tmp_path / "run", on_epoch=lambda name, *_: trained.append(name)
    )
    assert figures["accuracy"]["mean"] == 1
    assert figures["seeds"][0]["n"] == 24
    assert {name: floor["accuracy"] for name, floor in figures["floors"].items()} == {
        "linear": 1, "forest": 1, "svm": 1
    }  # fmt: skip
    assert len(set(trained)) == 3
    trained.clear()
    again = run_benchmark(
        settings, run_directory=tmp_path / "run", on_epoch=lambda name, *_: trained.append(name)
    )
    assert not trained
    assert again == figures == json.loads((tmp_path / "run" / "results.json").read_text())


def test_members_see_their_own_streams_and_their_mean_is_measured(tmp_path: Path) -> None:
    members = [{"network": {"channels": 16}}, {"stream": "bone_motion", "optimization": {"epochs": 3}}]
    settings = config(write_archive(tmp_path / "sbu.npz"), members=members)
    settings = settings.model_copy(
        update={"optimization": settings.optimization.model_copy(update={"epochs": 2})}
    )
    trained: dict[str, int] = {}
    figures = run_benchmark(
        settings,
        run_directory=tmp_path,
        on_epoch=lambda name, _, epochs, __: trained.update({name: epochs}),
    )
    assert trained == {
        f"seed 0, fold {fold}, network {k} ({stream})": epochs
        for fold in (1, 2, 3)
        for k, stream, epochs in ((1, "joints", 2), (2, "bone_motion", 3))
    }
    assert [member["stream"] for member in figures["members"]] == ["joints", "bone_motion"]
    wide, narrow = (
        sum(
            p.numel() for p in build_network(settings.of_member(k).network_config(8, "sbu15", 2)).parameters()
        )
        for k in range(2)
    )
    assert figures["parameters"] == wide + narrow

    answers = [
        np.concatenate(
            [
                json.loads((tmp_path / f"seed0_fold{fold}_network{k}.json").read_text())["probabilities"]
                for fold in (1, 2, 3)
            ]
        )
        for k in (1, 2)
    ]
    truth = np.concatenate([np.arange(24)[np.arange(24) % 3 + 1 == fold] % 2 for fold in (1, 2, 3)])
    for probabilities, measured in (
        (np.mean(answers, axis=0), figures),
        *zip(answers, figures["members"], strict=True),
        (answers[0], figures["averages"][0]),
        (np.mean(answers, axis=0), figures["averages"][1]),
    ):
        assert measured["accuracy"]["values"] == [(probabilities.argmax(axis=1) == truth).mean()]
    table = (tmp_path / "results.md").read_text()
    assert "| all members averaged |" in table
    assert "| member 2 alone (bone_motion) |" in table
    assert "mean of the first" not in table  # the first one and all are there already


def test_the_table_names_seeds_spreads_and_averages() -> None:
    def row(*accuracy: float) -> dict[str, Any]:
        figure = {"values": list(accuracy), "mean": np.mean(accuracy), "standard_deviation": np.std(accuracy)}
        return {
            "accuracy": figure,
            "balanced_accuracy": figure,
            "ece": figure,
            "log_loss": figure,
            "interval": [0.5, 0.75],
            "stream": "joints",
        }

    table = as_markdown(
        {
            "data": "SBU",
            "protocol": "five folds",
            "seeds": [{"n": 282}],
            "recipe": {"seeds": [0, 1]},
            "parameters": 1234,
            "members": [row(0.25, 0.75)] * 3,
            "averages": [
                {"members": 1, **row(0.25, 0.75)},
                {"members": 2, **row(0.5, 1.0)},
                {"members": 3, **row(1.0, 1.0)},
            ],
            "floors": {"svm": {"accuracy": 0.25, "balanced_accuracy": 0.125}},
        }
    ).splitlines()
    assert table[0] == "SBU: five folds; 282 answers a seed, seeds 0, 1; 1,234 parameters."
    assert [line.split("|")[1].strip() for line in table[4:]] == [
        "all members averaged",
        "mean of the first 2",
        "member 1 alone (joints)",
        "member 2 alone (joints)",
        "member 3 alone (joints)",
        "floor: svm",
    ]
    assert "| 0.750 ± 0.250 | 0.500, 1.000 |" in table[5]
    assert table[-1] == "| floor: svm | 0.250 | - | 0.125 | - | - | - | - |"


def test_inner_folds_leave_two_official_folds_out_and_answer_both(tmp_path: Path) -> None:
    settings = config(
        write_archive(tmp_path / "sbu.npz"),
        part="inner",
        optimization={"epochs": 1, "clips_per_batch": 8, "segments_per_clip": 1},
    )
    dataset = read_benchmark(settings)
    of_fold = [{row for row in range(24) if row % 3 == fold} for fold in range(3)]
    assert [set(train) for train, _ in dataset.folds] == [of_fold[2], of_fold[0], of_fold[1]]
    assert [set(held) for _, held in dataset.folds] == [
        of_fold[0] | of_fold[1],
        of_fold[1] | of_fold[2],
        of_fold[2] | of_fold[0],
    ]
    figures = run_benchmark(settings, run_directory=tmp_path)
    assert figures["seeds"][0]["n"] == 48  # every sequence twice
    assert figures["floors"] is None
    assert "floor" not in (tmp_path / "results.md").read_text()


def test_two_official_folds_leave_nothing_to_learn_from(tmp_path: Path) -> None:
    dataset = read_benchmark(config(write_archive(tmp_path / "sbu.npz")))
    with pytest.raises(DatasetError, match="inner folds need three official ones, got 2"):
        with_inner_folds(replace(dataset, folds=dataset.folds[:2]))


def test_another_member_leaves_the_answers_of_the_first_as_they_were(tmp_path: Path) -> None:
    settings = config(
        write_archive(tmp_path / "sbu.npz"),
        optimization={"epochs": 1, "clips_per_batch": 8, "segments_per_clip": 1},
    )
    run_benchmark(settings, run_directory=tmp_path)
    trained: set[str] = set()
    two = config(
        settings.path,
        optimization={"epochs": 1, "clips_per_batch": 8, "segments_per_clip": 1},
        members=[{}, {"stream": "bones"}],
    )
    run_benchmark(two, run_directory=tmp_path, on_epoch=lambda name, *_: trained.add(name))
    assert trained == {f"seed 0, fold {fold}, network 2 (bones)" for fold in (1, 2, 3)}


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((CONFIGS / "ablation_sbu").glob("*.yaml")) if path.stem != "plain"],
    ids=lambda path: path.stem,
)
def test_an_ablation_changes_one_thing_of_the_recipe(path: Path) -> None:
    recipe, ablation = (
        read_yaml(file, BenchmarkConfig).model_dump(exclude={"seeds"})
        for file in (CONFIGS / "ablation_sbu" / "plain.yaml", path)
    )
    changed = {name for name in recipe if recipe[name] != ablation[name]}
    one_change = [
        {"network"},
        {"augmentation"},
        {"optimization"},
        {"views"},
        {"members"},
        {"people", "network"},
    ]
    assert changed in one_change
    assert str(path.relative_to(CONFIGS.parent)) in path.read_text()  # the command on top names this file


@pytest.mark.parametrize("architecture", ["bptubeformer", "st_tran", "t_tran"])
def test_networks_of_one_person_answer_for_each_and_the_answers_are_averaged(
    tmp_path: Path, architecture: str
) -> None:
    network = {"architecture": architecture, "heads": 2}
    network |= {"width": 16, "depth": 1} if architecture == "t_tran" else {"channels": 8}
    settings = config(
        write_archive(tmp_path / "sbu.npz"),
        people="apart",
        network=network,
        optimization={"epochs": 2, "clips_per_batch": 8, "draw": "segments", "segments_per_clip": 2},
        members=[{}, {}],
    )
    figures = run_benchmark(settings)
    assert figures["seeds"][0]["n"] == 24
    assert figures["parameters"] > 0


def test_early_stopping_takes_sequences_from_the_training_side(tmp_path: Path) -> None:
    settings = config(
        write_archive(tmp_path / "sbu.npz"),
        optimization={"epochs": 3, "clips_per_batch": 8, "segments_per_clip": 1, "patience": 1},
    )
    assert run_benchmark(settings)["seeds"][0]["n"] == 24


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"architecture": "st_tran"}}, "write people: apart, or take pair_bptubeformer"),
        ({"network": {"architecture": "pair_bptubeformer", "classes": 8}}, "network.classes follows"),
        ({"frames": 1}, "greater than or equal to 2"),
        ({"network": {"architecture": "resnet"}, "people": "apart"}, "expected one of bptubeformer"),
        ({"members": [{}, {"stream": "limbs"}]}, "members.1.stream"),
        ({"members": [{}, {"augmentation": {"scale": 2}}]}, "members.1.augmentation"),
        ({"members": [{}, {"network": {"kernel": [9, 3, 3]}}]}, "network.kernel"),
        ({"members": []}, "at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(tmp_path / "sbu.npz", **changes)


def test_the_common_hips_become_the_origin_and_the_torso_the_unit() -> None:
    positions = np.zeros((3, 2, 15, 2), np.float32)
    for person, x in enumerate((10, 14)):
        positions[:, person, [3, 6]] = [x, 20]  # shoulders
        positions[:, person, [9, 12]] = [x, 24]  # hips, a torso of 4 below
    normal = normalize_people(positions, SBU_LAYOUT)
    assert normal[0, 0, 9].tolist() == [-0.5, 0]
    assert normal[0, 1, 12].tolist() == [0.5, 0]
    assert normal[0, 1, 3].tolist() == [0.5, -1]
    assert not normal[:, :, 0].any()  # the head is missing and stays so


def test_a_sequence_is_stretched_evenly_and_a_single_frame_is_held() -> None:
    ramp = np.arange(3, dtype=np.float32)[:, None]
    assert stretch(ramp, 5)[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert stretch(ramp[1:2], 3)[:, 0].tolist() == [1, 1, 1]


def test_people_apart_are_segments_of_one_clip() -> None:
    sequences = [ActionSequence("a", 1, np.ones((4, 2, 15, 2), np.float32))] * 3
    apart = as_segments(sequences, SBU_LAYOUT, frames=6, normalize=False, apart=True)
    assert apart.joints.shape == (6, 1, 6, 15, 2)
    assert [rows.tolist() for rows in apart.clips] == [[0, 1], [2, 3], [4, 5]]
    together = as_segments(sequences, SBU_LAYOUT, frames=6, normalize=False, apart=False)
    assert together.joints.shape == (3, 2, 6, 15, 2)


def test_an_aspect_stretches_x_before_bodies_are_measured() -> None:
    positions = np.zeros((1, 1, 15, 2), np.float32)
    positions[:, :, [3, 6]] = [[6, 0], [0, 0]]  # shoulders
    positions[:, :, [9, 12]] = [[6, 8], [0, 8]]  # hips
    segments = [
        as_segments(
            [ActionSequence("a", 0, positions)],
            SBU_LAYOUT,
            frames=2,
            normalize=True,
            apart=False,
            aspect=aspect,
        ).joints
        for aspect in (1.0, 4 / 3)
    ]
    wide = segments[1][0, 0, 0, 9] - segments[1][0, 0, 0, 12]
    assert wide.tolist() == pytest.approx([1, 0])  # 6 x 4/3 wide, a torso of 8
    assert (segments[0][0, 0, 0, 9] - segments[0][0, 0, 0, 12]).tolist() == pytest.approx([0.75, 0])


def test_people_are_shown_from_left_to_right_whoever_comes_first() -> None:
    joints = torch.zeros(2, 3, 2, 15, 2)
    joints[0, :, :, 4, 0] = torch.tensor([3.0, -1.0, 2.0])[:, None]  # one joint each, the others are missing
    joints[1, :, :, :, 0] = torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    shown = left_to_right(joints)
    assert shown[0, :, 0, 4, 0].tolist() == [-1, 2, 3]
    torch.testing.assert_close(shown[1], joints[1])
    torch.testing.assert_close(left_to_right(joints.flip(1)), shown)


def test_a_network_shown_people_from_left_to_right_answers_alike_for_every_order(tmp_path: Path) -> None:
    optimization = {"epochs": 1, "clips_per_batch": 8, "segments_per_clip": 1}
    for order, alike in (("left_to_right", True), ("any", False)):
        settings = config(write_archive(tmp_path / "sbu.npz"), order=order, optimization=optimization)
        dataset = read_benchmark(settings)
        recipe = recipe_of(settings, dataset, seed=0)
        network = build_network(recipe.shape).eval()
        prepare = SegmentPreparation(recipe)
        joints = prepare.still(segments_of(settings, dataset, range(6)).joints)
        answers = [network(prepare.grids(view)) for view in (joints, joints.flip(1))]
        assert torch.allclose(*answers) is alike


def test_two_people_are_seen_in_four_ways() -> None:
    joints = torch.randn(1, 2, 3, 17, 2, generator=torch.Generator().manual_seed(0))
    views = views_of(joints, COCO_LAYOUT.flip)
    assert len(views) == 4
    torch.testing.assert_close(views[0], joints)
    torch.testing.assert_close(views[1], joints.flip(1))
    torch.testing.assert_close(views[2][..., 9, 0], -joints[..., 10, 0])


def test_a_pass_takes_every_segment_once() -> None:
    segments = SegmentSet(
        torch.arange(7).float().reshape(7, 1, 1, 1, 1),
        (torch.arange(3), torch.arange(3, 7)),
        torch.tensor([5, 6]),
    )
    batches = list(pass_batches(segments, size=3, generator=torch.Generator().manual_seed(0)))
    assert [len(batch.labels) for batch in batches] == [3, 3, 1]
    seen = {int(x): int(y) for b in batches for x, y in zip(b.joints.flatten(), b.labels, strict=True)}
    assert seen == {0: 5, 1: 5, 2: 5, 3: 6, 4: 6, 5: 6, 6: 6}


def test_training_stops_after_its_patience_and_keeps_the_best_weights() -> None:
    network = nn.Linear(1, 1, bias=False)
    stopping = EarlyStopping(2)
    over = []
    for weight, loss in ((1.0, 0.9), (2.0, 0.5), (3.0, 0.6), (4.0, 0.55)):
        nn.init.constant_(network.weight, weight)
        over.append(stopping.is_over(network, loss))
    assert over == [False, False, False, True]
    stopping.best(network)
    assert network.weight.item() == 2
    assert EarlyStopping(None).is_over(network, 9.0) is False
