from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from activity.errors import CheckpointError, ConfigurationError, DatasetError
from activity.evaluation.recognition import evaluate_recognizer
from activity.recognition.architectures import build_network
from activity.recognition.bptubeformer import BPTubeFormerConfig
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.clip_model import CLIP_FEATURES, CLIP_RULE, SCENE_FEATURES
from activity.training.recognizer import clip_network
from activity.training.recognizer.clip_model import (
    cross_validate_clips,
    fit_clip_model,
    train_clip_model,
)
from activity.training.recognizer.clip_model_config import ClipModelConfig
from activity.training.recognizer.clips import Clips
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.fit import fit
from activity.training.recognizer.trainer import train

CLASSES = ("Fighting", "Normal")
SOURCES = ("s01", "s02", "s03", "s04", "s05", "s38")  # s38 is held out, the others are not


def write_person(path: Path, *, seed: int, shaking: float) -> None:
    """One second of somebody whose joints shake by so many pixels."""
    generator = np.random.default_rng(seed)
    base = generator.uniform(10, 100, size=34)
    rows = (base + generator.normal(scale=shaking, size=34) for _ in range(30))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join(",".join([str(frame), *(f"{v:.4f}" for v in row)]) for frame, row in enumerate(rows)) + "\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve clips of six sources: in fights people shake; one more fight in which nobody was followed."""
    table = ["clip,source"]
    for number in range(12):
        category, shaking = (("Fighting", 20.0), ("Normal", 0.5))[number % 2]
        for person in range(2):
            write_person(
                tmp_path / "people" / category / f"v{number}" / f"{person}.csv",
                seed=10 * number + person,
                shaking=shaking,
            )
        table.append(f"{('fight', 'no_fight')[number % 2]}/v{number}.mp4,{SOURCES[number // 2]}")
    (tmp_path / "people" / "Fighting" / "empty").mkdir()
    (tmp_path / "sources.csv").write_text("\n".join([*table, "fight/empty.mp4,s01"]) + "\n")
    shape = BPTubeFormerConfig(
        classes=2, kernel=(8, 3, 3), stride=(8, 3, 3), channels=8, part_depth=1, body_depth=1, heads=2
    )
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "r.safetensors",
        build_network(shape),
        shape,
        classes=CLASSES,
        tubelet_settings={"frames": 24},
        training={"seed": 7},
    )
    (tmp_path / "r.md").write_text(f"# r\n\nSHA-256 `{'0' * 64}`.\n\n## What it cannot do\n\n- Sing.\n")
    return tmp_path


def config(folder: Path, **changes: Any) -> ClipModelConfig:
    data = {
        "name": "people",
        "trajectories": folder / "people",
        "sources": folder / "sources.csv",
        "frame_rate_hz": 30.0,
    }
    values = {
        "kind": "clip_model",
        "checkpoint": folder / "r.safetensors",
        "data": data,
        "measured_on": [{**data, "name": "the same again"}],
        "network": False,
        "trees": 40,
        "least_leaf": 1,
        "folds": 5,
        "fold_seeds": [0, 1],
    }
    return ClipModelConfig.model_validate({**values, **changes})


def test_a_model_that_anybody_could_draw_up_is_learned_and_used(folder: Path) -> None:
    before = load_checkpoint(folder / "r.safetensors")
    path = train_clip_model(config(folder), run_directory=folder / "run")
    after = load_checkpoint(path)
    assert after.training == {"seed": 7}
    for name, weight in before.network.state_dict().items():
        torch.testing.assert_close(after.network.state_dict()[name], weight, atol=0, rtol=0)
    assert after.clip_model is not None
    training = after.clip_model.training
    assert set(training["cross_validation"]) == {"people, people alone", "the same again, people alone"}
    for figures in training["cross_validation"].values():
        # five fights and five calm clips are told apart; the fight without people counts as Normal
        assert figures["values"] == pytest.approx([(5 / 6 + 1) / 2] * 2)
        assert figures["interval"][0] <= figures["mean"] <= figures["interval"][1]
        assert figures["confusion"] == [[5, 1], [0, 5]]
        assert figures["n"] == 11
    calibration = training["cross_validation"]["people, people alone"]["calibration"]
    assert after.clip_model.temperature == calibration["temperature"] < 1  # never wrong: it may be surer
    assert calibration["log_loss"] < calibration["log_loss_of_votes"]
    assert training["held_out"]["people, people alone"]["values"] == [1]
    assert training["held_out"]["people, people alone"]["n"] == 2
    assert "v10" not in training["videos"]
    assert len(training["videos"]) == 11

    figures = evaluate_recognizer(folder / "people", path, sources=folder / "sources.csv")
    assert figures["clip"]["n"] == 13
    assert figures["confusion"] == [[6, 1], [0, 6]]
    assert figures["clip_rule"] == CLIP_RULE
    assert figures["seen_in_training"] == 11
    assert figures["clip_model"]["cross_validation"] == training["cross_validation"]


def test_the_card_gets_one_chapter_and_the_hash_of_the_new_file(folder: Path) -> None:
    for _ in range(2):
        path = train_clip_model(
            config(folder, data_statement="Shaken people.", fold_seeds=[0]), run_directory=folder / "run"
        )
    card = (folder / "r.md").read_text()
    assert card.count("## The clip as a whole") == 1
    assert "- Sing." in card
    assert load_checkpoint(path).sha256 in card
    assert "0" * 64 not in card
    assert "| people, people alone | 11 | 0.917 ± 0.000 |" in card
    assert "Shaken people." in card
    assert "sharpened with the temperature 0." in card


def test_no_source_is_on_both_sides_of_a_fold(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[set[str]] = []
    answered: list[set[str]] = []

    def watch(config: ClipModelConfig, clips: Clips, classes: tuple[str, ...]) -> Any:
        learned.append(set(clips.sources))
        return fit_clip_model(config, clips, classes)

    real = cross_validate_clips.__globals__["_answers"]

    def note(model: Any, clips: Clips, voters: Any) -> Any:
        if len(voters) == 2:
            answered.append(set(clips.sources))
        return real(model, clips, voters)

    monkeypatch.setitem(cross_validate_clips.__globals__, "fit_clip_model", watch)
    monkeypatch.setitem(cross_validate_clips.__globals__, "_answers", note)
    sources = tuple(f"s{n // 4}" for n in range(24))
    clips = drawn_clips(np.arange(24) % 2, sources, apart=0)
    cross_validate_clips(config(folder, fold_seeds=[3]), {"people": clips, "other": clips}, CLASSES)
    assert len(learned) == 5
    for fold, seen in enumerate(learned):
        for tested in answered[2 * fold : 2 * fold + 2]:
            assert tested
            assert not tested & seen
            assert tested | seen == set(sources)


def drawn_clips(
    labels: npt.NDArray[np.int64], sources: tuple[str, ...], *, apart: float, scene_known: bool = True
) -> Clips:
    """Chance numbers, in every one of which the classes lie `apart` from each other."""
    generator, count = np.random.default_rng(0), len(labels)
    return Clips(
        tuple(map(str, range(count))),
        labels,
        sources,
        {
            "people": generator.normal(size=(count, CLIP_FEATURES)) + apart * labels[:, None],
            "scene": generator.normal(size=(count, SCENE_FEATURES)) + apart * labels[:, None],
        },
        {"people": np.ones(count, dtype=bool), "scene": np.full(count, scene_known)},
    )


def test_three_classes_are_told_apart(folder: Path) -> None:
    labels = np.arange(30) % 3
    clips = drawn_clips(labels, tuple(map(str, range(30))), apart=3)
    model = fit_clip_model(config(folder), clips, ("a", "b", "c"))
    assert model.people is not None
    assert model.scene is not None
    for forest, features in (
        (model.people, clips.features["people"]),
        (model.scene, clips.features["scene"]),
    ):
        assert (forest.probabilities(features).argmax(axis=1) == labels).all()


def test_each_voter_is_measured_alone_where_both_know_something(folder: Path) -> None:
    sources = tuple(f"s{n // 4}" for n in range(24))
    labels = np.arange(24) % 2
    both = drawn_clips(labels, sources, apart=3)
    blind = drawn_clips(labels, sources, apart=3, scene_known=False)
    figures = cross_validate_clips(config(folder, fold_seeds=[0]), {"people": both, "blind": blind}, CLASSES)
    assert set(figures) == {"people", "people, people alone", "people, scene alone", "blind, people alone"}
    assert all(entry["mean"] == 1 for entry in figures.values())
    assert fit_clip_model(config(folder), blind, CLASSES).scene is None


def with_a_recipe(folder: Path) -> None:
    """A network that was trained by a recipe on the same clips."""
    recipe = {
        "data": {
            "trajectories": str(folder / "people"),
            "sources": str(folder / "sources.csv"),
            "train_stride": 6,
        },
        "tubelets": {"frames": 24, "stride": 6},
        "network": {
            "kernel": [8, 3, 3], "stride": [8, 3, 3], "channels": 8, "heads": 2, "part_depth": 1, "body_depth": 1,
            "velocity": True,
        },
        "optimization": {"epochs": 12, "clips_per_batch": 8, "segments_per_clip": 2, "learning_rate": 0.005},
        "folds": 2,
    }  # fmt: skip
    train(
        RecognizerConfig.model_validate({**recipe, "checkpoint": folder / "r.safetensors"}),
        run_directory=folder / "first",
    )


def test_the_network_votes_on_clips_that_it_has_not_learned_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activity.training.recognizer.floor.TREES", 20)
    with_a_recipe(folder)
    learned: list[set[str]] = []
    real = fit

    def watch(config: RecognizerConfig, videos: Any, *rest: Any, **named: Any) -> Any:
        learned.append({video.group for video in videos})
        return real(config, videos, *rest, **named)

    monkeypatch.setattr(clip_network, "fit", watch)
    settings = config(folder, network=True, fold_seeds=[0])
    path = train_clip_model(settings, run_directory=folder / "run")
    assert len(learned) == 5
    assert all(len(sources) == 4 for sources in learned)  # of the five that are not held out
    assert set.union(*learned) == set(SOURCES[:5])
    model = load_checkpoint(path).clip_model
    assert model is not None
    assert model.network
    assert set(model.training["cross_validation"]) == {
        f"{name}{words}"
        for name in ("people", "the same again")
        for words in ("", ", network alone", ", people alone")
    }
    assert model.training["cross_validation"]["people"]["mean"] == pytest.approx((5 / 6 + 1) / 2)
    assert model.training["held_out"]["people, network alone"]["n"] == 2
    figures = evaluate_recognizer(folder / "people", path, sources=folder / "sources.csv")
    assert figures["confusion"] == [[6, 1], [0, 6]]
    assert "The network has one" in (folder / "r.md").read_text()

    train_clip_model(settings, run_directory=folder / "run")
    assert len(learned) == 5  # the votes were kept
    (folder / "people" / "Fighting" / "v0" / "1.csv").unlink()
    train_clip_model(settings, run_directory=folder / "run")
    assert len(learned) == 10  # other people, other votes


def test_a_network_without_a_recipe_cannot_vote(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"states no recipe .* leave its vote out"):
        train_clip_model(config(folder, network=True), run_directory=folder / "run")


def test_what_cannot_be_learned_from_is_refused_by_name(folder: Path) -> None:
    section = {"name": "x", "trajectories": folder / "people", "sources": folder / "sources.csv"}
    with pytest.raises(ConfigurationError, match=r"data\.x\.sources: name a CSV"):
        train_clip_model(config(folder, data={**section, "sources": None}), run_directory=folder / "run")
    with pytest.raises(DatasetError, match="6 folds need as many sources, got 5"):
        train_clip_model(config(folder, folds=6), run_directory=folder / "run")
    with pytest.raises(DatasetError, match="raise window_s"):
        train_clip_model(config(folder, window_s=0.6), run_directory=folder / "run")
    (folder / "people" / "Normal").rename(folder / "people" / "Calm")
    with pytest.raises(CheckpointError, match=r"knows Fighting, Normal, .* has Calm"):
        train_clip_model(config(folder), run_directory=folder / "run")
    for changes, words in (
        ({"tracks": {"frames": 1}}, "tubelets.frames"),
        ({"measured_on": [section, section]}, "names that differ"),
    ):
        with pytest.raises(ValidationError, match=words):
            config(folder, **changes)
