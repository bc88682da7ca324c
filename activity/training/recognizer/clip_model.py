"""Train a linear model of whole clips, and say honestly how good it is on sources that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.splits import is_held_out
from activity.errors import CheckpointError, ConfigurationError, DatasetError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
    cut_videos,
)
from activity.evaluation.recognition import (
    BOOTSTRAP_SAMPLES,
    balanced_accuracy,
    confusion_matrix,
    spread,
)
from activity.fusion.clip_summary import BACKGROUND
from activity.recognition.checkpoint import load_checkpoint, save_checkpoint
from activity.recognition.clip_model import ClipModel, clip_features, normal_ranks
from activity.structures import Tubelet
from activity.training.recognizer.card import add_clip_model
from activity.training.recognizer.clip_model_config import ClipModelConfig, NamedData
from activity.training.recognizer.validation import read_training_data

Float = npt.NDArray[np.float64]
Answer = tuple[str, int, int]
"""Source, truth and answer of a clip."""


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """Clips in numbers.

    Attributes:
        names: N clips.
        labels: [N], index of the class.
        sources: N sources.
        features: [N, 188], `clip_features`.
        followed: [N], whether anybody was followed; a clip without people is the background's.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    sources: tuple[str, ...]
    features: Float
    followed: npt.NDArray[np.bool_]

    @classmethod
    def from_videos(cls, videos: Sequence[LabelledVideo], classes: Sequence[str]) -> Clips:
        """Take the numbers of every clip."""
        return cls(
            names=tuple(video.video for video in videos),
            labels=np.array([classes.index(video.category) for video in videos], dtype=np.int64),
            sources=tuple(video.group for video in videos),
            features=np.stack([clip_features(_only_window(video)) for video in videos]),
            followed=np.array([bool(video.windows) for video in videos]),
        )

    def take(self, rows: Sequence[int]) -> Clips:
        """Some of the clips, in the order of `rows`."""
        chosen = list(rows)
        return Clips(
            tuple(self.names[row] for row in chosen),
            self.labels[chosen],
            tuple(self.sources[row] for row in chosen),
            self.features[chosen],
            self.followed[chosen],
        )


def train_clip_model(config: ClipModelConfig) -> Path:
    """Cross-validate the model, fit it to everything that is not held out, and write it into the checkpoint.

    The card beside the checkpoint gets a chapter on it, with the new hash.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged, or its classes are not those of the data.
        DatasetError: If the data cannot be read or split.
        OutputError: If the checkpoint or its card cannot be written.
    """
    console = Console(stderr=True)
    loaded = load_checkpoint(config.checkpoint)
    classes = loaded.classes
    sets = {data.name: _read(data, config, classes) for data in (config.data, *config.measured_on)}
    held_out = {name: [r for r, s in enumerate(c.sources) if is_held_out(s)] for name, c in sets.items()}
    learned = {
        name: clips.take([row for row in range(len(clips.names)) if row not in set(held_out[name])])
        for name, clips in sets.items()
    }
    own = learned[config.data.name]
    validation = cross_validate_clips(config, learned, classes)
    for name, figures in validation.items():
        console.print(
            f"{name}: balanced accuracy {figures['mean']:.3f} ± {figures['standard_deviation']:.3f}, "
            f"interval {figures['interval'][0]:.3f} to {figures['interval'][1]:.3f}",
            highlight=False,
        )
    model = fit_clip_model(config, own, classes)
    apart = {
        name: _figures([_answers(model, sets[name].take(rows))], len(classes))
        for name, rows in held_out.items()
        if rows
    }
    training = {
        "recipe": config.model_dump(mode="json", exclude={"checkpoint"}),
        "protocol": f"{config.folds} folds grouped by source, {len(own.names)} clips of {len(set(own.sources))} "
        f"sources, fold seeds {list(config.fold_seeds)}",
        "videos": list(own.names),
        "cross_validation": validation,
        "held_out": apart,
        "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }
    model = ClipModel(
        classes,
        track_settings=model.track_settings,
        window_s=config.window_s,
        quantiles=model.quantiles,
        weights=model.weights,
        bias=model.bias,
        training=training,
    )
    save_checkpoint(
        config.checkpoint,
        loaded.network,
        loaded.config,
        classes=classes,
        tubelet_settings=loaded.tubelet_settings,
        training=loaded.training,
        clip_model=model,
    )
    add_clip_model(config.checkpoint, config, training)
    return config.checkpoint


def cross_validate_clips(
    config: ClipModelConfig, sets: dict[str, Clips], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Fit on the first set's clips of four parts of the sources and answer for the fifth in every set.

    Args:
        config: The recipe.
        sets: By name, the first one `config.data`; sources that are held out are not among them.
        classes: C names.

    Returns:
        For each set `values`, the balanced accuracy of every fold seed, their `mean` and `standard_deviation`,
        `interval`, 95 % of a bootstrap over sources of that mean, `n`, and `confusion` of the first seed.

    Raises:
        DatasetError: If there are fewer sources than folds.
    """
    learned = sets[config.data.name]
    if len(set(learned.sources)) < config.folds:
        raise DatasetError(
            f"cross-validation: {config.folds} folds need as many sources, got {len(set(learned.sources))}"
        )
    answers: dict[str, list[list[Answer]]] = {name: [] for name in sets}
    for seed in config.fold_seeds:
        of_seed: dict[str, list[Answer]] = {name: [] for name in sets}
        splitter = GroupKFold(config.folds, shuffle=True, random_state=seed)
        for train, test in splitter.split(learned.sources, groups=learned.sources):
            model = fit_clip_model(config, learned.take(train), classes)
            apart = {learned.sources[row] for row in test}
            for name, clips in sets.items():
                rows = [row for row, source in enumerate(clips.sources) if source in apart]
                if rows:
                    of_seed[name] += _answers(model, clips.take(rows))
        for name, found in of_seed.items():
            answers[name].append(found)
    return {name: _figures(found, len(classes)) for name, found in answers.items()}


def fit_clip_model(config: ClipModelConfig, clips: Clips, classes: Sequence[str]) -> ClipModel:
    """Fit quantiles and weights; classes weigh the same however many clips they have.

    Raises:
        DatasetError: If not every class has a clip with people.
    """
    used = clips.take(np.flatnonzero(clips.followed).tolist())
    lost = [name for index, name in enumerate(classes) if index not in used.labels]
    if lost:
        raise DatasetError(
            f"clips: nobody was followed in any clip of {', '.join(lost)}; nothing can be learned"
        )
    steps = np.linspace(0, 1, config.quantiles)
    quantiles = np.maximum.accumulate(np.quantile(used.features, steps, axis=0), axis=0)
    regression = LogisticRegression(C=config.inverse_penalty, class_weight="balanced", max_iter=1000)
    regression.fit(normal_ranks(used.features, quantiles), used.labels)
    weights, bias = regression.coef_, regression.intercept_
    if len(classes) == 2:  # the log-odds of the second class
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    return ClipModel(
        tuple(classes),
        track_settings=config.track_settings.to_mapping(),
        window_s=config.window_s,
        quantiles=quantiles,
        weights=weights,
        bias=bias,
        training={},
    )


def _only_window(video: LabelledVideo) -> tuple[Tubelet, ...]:
    if len(video.windows) > 1:
        raise DatasetError(
            f"{video.video}: people were followed for {len(video.windows)} windows; a clip to learn from has one label "
            "and is judged at once: raise window_s, or cut the clip"
        )
    return video.windows[0] if video.windows else ()


def _answers(model: ClipModel, clips: Clips) -> list[Answer]:
    """What the model answers; a clip without people counts as background, or as wrong where there is none."""
    nothing = model.classes.index(BACKGROUND) if BACKGROUND in model.classes else -1
    chosen = np.where(clips.followed, model.of_features(clips.features).argmax(axis=1), nothing)
    return [
        (source, int(label), int(answer))
        for source, label, answer in zip(clips.sources, clips.labels, chosen, strict=True)
    ]


def _figures(seeds: Sequence[Sequence[Answer]], classes: int) -> dict[str, Any]:
    """Balanced accuracy of every seed, and how far their mean would vary with other sources."""
    sources = sorted({source for source, _, _ in seeds[0]})
    counts = np.array(
        [
            [confusion_matrix([a for a in answers if a[0] == source], classes) for source in sources]
            for answers in seeds
        ]
    )  # (seeds, sources, C, C + 1)
    generator = np.random.default_rng(0)
    draws = generator.multinomial(
        len(sources), np.full(len(sources), 1 / len(sources)), size=BOOTSTRAP_SAMPLES
    )
    means = [
        np.mean([balanced_accuracy(np.tensordot(draw, count, axes=1)) for count in counts]) for draw in draws
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return {
        **spread([balanced_accuracy(count.sum(axis=0)) for count in counts]),
        "interval": [float(low), float(high)],
        "n": len(seeds[0]),
        "confusion": counts[0].sum(axis=0)[:, :classes].tolist(),
    }


def _read(data: NamedData, config: ClipModelConfig, classes: Sequence[str]) -> Clips:
    if data.sources is None:
        raise ConfigurationError(
            f"data.{data.name}.sources: name a CSV with the columns clip and source; clips of one source must not be "
            "on both sides of a fold"
        )
    dataset = read_training_data(data)
    table = read_clip_sources(data.sources)
    videos = cut_videos(
        dataset,
        config.track_settings,
        groups=table.sources,
        categories=table.categories_of(dataset),
        clip_settings=(config.track_settings, config.window_s),
    )
    strange = sorted({video.category for video in videos} - set(classes))
    if strange:
        raise CheckpointError(
            f"{config.checkpoint}: knows {', '.join(classes)}, {data.trajectories} has {', '.join(strange)}; rename "
            "them with class_names, or name a recogniser that knows them"
        )
    return Clips.from_videos(videos, classes)
