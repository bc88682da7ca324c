"""Train and measure a recipe on the official split of a benchmark of recorded actions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from activity.datasets.nw_ucla import read_nw_ucla
from activity.datasets.sbu import read_sbu
from activity.datasets.sequences import SequenceDataset
from activity.evaluation.recognition import measure_answers, spread
from activity.recognition.architectures import NetworkConfig, build_network
from activity.training.recognizer.benchmark_config import BenchmarkConfig
from activity.training.recognizer.fit import OnEpoch, Recipe, SegmentPreparation, fit_segments
from activity.training.recognizer.samples import SegmentSet
from activity.training.recognizer.sequence_floor import measure_floors
from activity.training.recognizer.sequences import as_segments, views_of

FloatArray = npt.NDArray[np.float64]


def read_benchmark(config: BenchmarkConfig) -> SequenceDataset:
    """Read the data set that `config` names.

    Raises:
        DatasetError: If the archive is missing or damaged.
    """
    return read_sbu(config.path) if config.data == "sbu" else read_nw_ucla(config.path)


def run_benchmark(
    config: BenchmarkConfig, *, run_directory: Path | None = None, on_epoch: OnEpoch | None = None
) -> dict[str, Any]:
    """Train on every fold for every seed and measure all test answers of a seed together.

    Args:
        config: The recipe and the data.
        run_directory: Where the answers of finished folds are kept, so that a run that was stopped goes on; gets
            `results.json` at the end.
        on_epoch: Called after every epoch.

    Returns:
        `data`, `protocol`, `classes`, `parameters`; `seeds`, each with `accuracy`, `balanced_accuracy`, `macro_f1`,
        `recall` by class, `confusion`, `ece`, `temperature`, `interval`, `n`; `mean` and `standard_deviation` of
        accuracy and balanced accuracy over the seeds; `floors` from `measure_floors`; `reading`.

    Raises:
        DatasetError: If the archive is missing or damaged.
    """
    torch.set_num_threads(config.threads)
    dataset = read_benchmark(config)
    shape = config.network_config(len(dataset.classes), dataset.layout.name, dataset.people)
    results = []
    for seed in config.seeds:
        truth, answers = [], []
        for number, (train_rows, test_rows) in enumerate(dataset.folds, start=1):
            kept = None if run_directory is None else run_directory / f"seed{seed}_fold{number}.json"
            probabilities = _kept(kept, config)
            if probabilities is None:
                networks = []
                for member in range(config.members):
                    recipe = Recipe(
                        shape,
                        config.augmentation,
                        config.optimization,
                        layout=dataset.layout,
                        padding=config.padding,
                        seed=1000 * seed + 10 * number + member,
                    )
                    networks.append(
                        _fit(
                            config,
                            recipe,
                            dataset,
                            train_rows,
                            name=f"seed {seed}, fold {number}, network {member + 1}",
                            on_epoch=on_epoch,
                        )
                    )
                probabilities = np.mean(
                    [_answers(config, recipe, network, dataset, test_rows) for network in networks], axis=0
                )
                _keep(kept, config, probabilities)
            answers.append(probabilities)
            truth += [dataset.sequences[row].label for row in test_rows]
        results.append(measure_answers(np.concatenate(answers), np.array(truth), dataset.classes, seed=seed))
    figures = {
        "data": dataset.name,
        "protocol": dataset.protocol,
        "classes": list(dataset.classes),
        "parameters": config.members * _parameters(shape),
        "seeds": results,
        "accuracy": spread([result["accuracy"] for result in results]),
        "balanced_accuracy": spread([result["balanced_accuracy"] for result in results]),
        "floors": measure_floors(dataset),
        "reading": dataset.report.to_json(),
        "recipe": config.model_dump(mode="json"),
    }
    if run_directory is not None:
        (run_directory / "results.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def segments_of(config: BenchmarkConfig, dataset: SequenceDataset, rows: Sequence[int]) -> SegmentSet:
    """The segments of some sequences, prepared as `config` says."""
    return as_segments(
        [dataset.sequences[row] for row in rows],
        dataset.layout,
        frames=config.source_frames,
        normalize=config.normalization == "people",
        apart=config.people == "apart",
    )


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
    """Probabilities of sequences, [N, C]: the mean over views, and the geometric mean over people apart."""
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


def _parameters(shape: NetworkConfig) -> int:
    return sum(parameter.numel() for parameter in build_network(shape).parameters())


def _recipe(config: BenchmarkConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"seeds", "threads", "path"})


def _keep(path: Path | None, config: BenchmarkConfig, probabilities: FloatArray) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"recipe": _recipe(config), "probabilities": probabilities.tolist()}
        path.write_text(json.dumps(content), encoding="utf-8")


def _kept(path: Path | None, config: BenchmarkConfig) -> FloatArray | None:
    """The answers of a fold that an earlier run finished with the same recipe."""
    if path is None or not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return np.array(content["probabilities"]) if content["recipe"] == _recipe(config) else None
