"""Train and measure a recipe on the official split of a benchmark of recorded actions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from activity.datasets.nw_ucla import read_nw_ucla
from activity.datasets.sbu import read_sbu
from activity.datasets.sequences import SequenceDataset, with_inner_folds
from activity.evaluation.recognition import measure_answers, spread
from activity.recognition.architectures import NetworkConfig, build_network
from activity.training.recognizer.benchmark_config import BenchmarkConfig
from activity.training.recognizer.benchmark_report import as_markdown
from activity.training.recognizer.fit import OnEpoch, Recipe, SegmentPreparation, fit_segments
from activity.training.recognizer.samples import SegmentSet
from activity.training.recognizer.sequence_floor import measure_floors
from activity.training.recognizer.sequences import as_segments, views_of

FloatArray = npt.NDArray[np.float64]


def read_benchmark(config: BenchmarkConfig) -> SequenceDataset:
    """Read the data set that `config` names, with the folds of the part that it measures.

    Raises:
        DatasetError: If the archive is missing or damaged, or has too few folds for inner ones.
    """
    dataset = read_sbu(config.path) if config.data == "sbu" else read_nw_ucla(config.path)
    return with_inner_folds(dataset) if config.part == "inner" else dataset


def run_benchmark(
    config: BenchmarkConfig, *, run_directory: Path | None = None, on_epoch: OnEpoch | None = None
) -> dict[str, Any]:
    """Train on every fold for every seed and measure all answers of a seed together.

    Args:
        config: The recipe and the data.
        run_directory: Where the answers of finished folds are kept, so that a run that was stopped goes on; gets
            `results.json` and `results.md` at the end.
        on_epoch: Called after every epoch.

    Returns:
        `data`, `protocol`, `classes`, `parameters` of all members; `seeds`, each with `accuracy`,
        `balanced_accuracy`, `macro_f1`, `recall` by class, `confusion`, `ece`, `temperature`, `interval`, `n`; `mean`
        and `standard_deviation` of accuracy, balanced accuracy, ECE and log loss over the seeds, with the first seed's
        `interval`, and the same of every member alone (`members`, with its `stream`) and of the mean of the first one,
        two, ... members (`averages`); `floors` from `measure_floors`, null for the inner folds; `reading`.

    Raises:
        DatasetError: If the archive is missing or damaged, or has too few folds for inner ones.
    """
    torch.set_num_threads(config.threads)
    dataset = read_benchmark(config)
    members = [config.of_member(index) for index in range(len(config.members))]
    truth = np.array([dataset.sequences[row].label for _, test_rows in dataset.folds for row in test_rows])
    answers = []  # for each seed [members, N, C]
    for seed in config.seeds:
        of_seed = [
            np.concatenate(
                [
                    _fold_answers(
                        member, dataset, seed, number, index, run_directory=run_directory, on_epoch=on_epoch
                    )
                    for number in range(1, len(dataset.folds) + 1)
                ]
            )
            for index, member in enumerate(members)
        ]
        answers.append(np.stack(of_seed))

    def measured(of_seeds: Sequence[FloatArray]) -> list[dict[str, Any]]:
        return [
            measure_answers(probabilities, truth, dataset.classes, seed=seed)
            for seed, probabilities in zip(config.seeds, of_seeds, strict=True)
        ]

    averages = [
        measured([of_seed[:count].mean(axis=0) for of_seed in answers])
        for count in range(1, len(members) + 1)
    ]
    figures = {
        "data": dataset.name,
        "protocol": dataset.protocol,
        "classes": list(dataset.classes),
        "parameters": sum(
            _parameters(member.network_config(len(dataset.classes), dataset.layout.name, dataset.people))
            for member in members
        ),
        "seeds": averages[-1],
        **_spreads(averages[-1]),
        "members": [
            {
                "stream": member.members[0].stream,
                **_spreads(measured([of_seed[index] for of_seed in answers])),
            }
            for index, member in enumerate(members)
        ],
        "averages": [{"members": count, **_spreads(seeds)} for count, seeds in enumerate(averages, start=1)],
        "floors": measure_floors(dataset) if config.part == "test" else None,
        "reading": dataset.report.to_json(),
        "recipe": config.model_dump(mode="json"),
    }
    if run_directory is not None:
        (run_directory / "results.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
        (run_directory / "results.md").write_text(as_markdown(figures), encoding="utf-8")
    return figures


def recipe_of(config: BenchmarkConfig, dataset: SequenceDataset, *, seed: int) -> Recipe:
    """How the first member of `config` is trained on a data set."""
    return Recipe(
        config.network_config(len(dataset.classes), dataset.layout.name, dataset.people),
        config.augmentation,
        config.optimization,
        layout=dataset.layout,
        padding=config.padding,
        stream=config.members[0].stream,
        left_to_right=config.order == "left_to_right",
        seed=seed,
    )


def segments_of(config: BenchmarkConfig, dataset: SequenceDataset, rows: Sequence[int]) -> SegmentSet:
    """The segments of some sequences, prepared as `config` says."""
    return as_segments(
        [dataset.sequences[row] for row in rows],
        dataset.layout,
        frames=config.source_frames,
        normalize=config.normalization == "people",
        apart=config.people == "apart",
        aspect=config.aspect,
    )


def _fold_answers(
    config: BenchmarkConfig,
    dataset: SequenceDataset,
    seed: int,
    number: int,
    index: int,
    *,
    run_directory: Path | None,
    on_epoch: OnEpoch | None,
) -> FloatArray:
    """One member's answers for one fold, trained here or by an earlier run."""
    kept = (
        None if run_directory is None else run_directory / f"seed{seed}_fold{number}_network{index + 1}.json"
    )
    answers = _kept(kept, config)
    if answers is None:
        train_rows, test_rows = dataset.folds[number - 1]
        recipe = recipe_of(config, dataset, seed=1000 * seed + 10 * number + index)
        name = f"seed {seed}, fold {number}, network {index + 1} ({recipe.stream})"
        network = _fit(config, recipe, dataset, train_rows, name=name, on_epoch=on_epoch)
        answers = _answers(config, recipe, network, dataset, test_rows)
        _keep(kept, config, answers)
    return answers


def _fit(
    config: BenchmarkConfig,
    recipe: Recipe,
    dataset: SequenceDataset,
    rows: Sequence[int],
    *,
    name: str,
    on_epoch: OnEpoch | None,
) -> nn.Module:
    train, validation = list(rows), None
    if config.optimization.patience is not None:
        order = np.random.default_rng(recipe.seed).permutation(train).tolist()
        apart = max(1, round(config.validation_share * len(order)))
        train, validation = order[apart:], segments_of(config, dataset, order[:apart])
    return fit_segments(
        recipe, segments_of(config, dataset, train), name=name, on_epoch=on_epoch, validation=validation
    )


@torch.inference_mode()
def _answers(
    config: BenchmarkConfig,
    recipe: Recipe,
    network: nn.Module,
    dataset: SequenceDataset,
    rows: Sequence[int],
) -> FloatArray:
    """Probabilities of sequences: the mean over views, and the geometric mean over people apart."""
    segments = segments_of(config, dataset, rows)
    prepare = SegmentPreparation(recipe)
    joints = prepare.still(segments.joints)
    views = views_of(joints, dataset.layout.flip) if config.views else [joints]
    logs = []
    for view in views:
        logits = torch.cat([network(prepare.grids(part)) for part in torch.split(view, 128)])
        logs.append(logits.log_softmax(dim=1))
    people = torch.stack(logs).exp().mean(dim=0).log()  # (N or N M, C)
    pooled = torch.stack([people[rows].mean(dim=0) for rows in segments.clips]).softmax(dim=1)
    return pooled.double().numpy()


def _spreads(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: spread([seed[name] for seed in seeds])
        for name in ("accuracy", "balanced_accuracy", "ece", "log_loss")
    }
    return {**figures, "interval": seeds[0]["interval"]}


def _parameters(shape: NetworkConfig) -> int:
    return sum(parameter.numel() for parameter in build_network(shape).parameters())


def _recipe(config: BenchmarkConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"seeds", "threads", "path"})


def _keep(path: Path | None, config: BenchmarkConfig, answers: FloatArray) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"recipe": _recipe(config), "probabilities": answers.tolist()}
        path.write_text(json.dumps(content), encoding="utf-8")


def _kept(path: Path | None, config: BenchmarkConfig) -> FloatArray | None:
    """The answers of a fold that an earlier run finished with the same recipe."""
    if path is None or not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return np.array(content["probabilities"]) if content["recipe"] == _recipe(config) else None
