"""Train what judges whole clips, and say honestly how good it is on sources that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from rich.console import Console
from sklearn.ensemble import ExtraTreesClassifier
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
from activity.recognition.checkpoint import RecognizerCheckpoint, load_checkpoint, save_checkpoint
from activity.recognition.clip_model import (
    ClipModel,
    Voter,
)
from activity.recognition.forest import LEAF, Forest
from activity.recognition.recognizer import Recognizer
from activity.structures import BACKGROUND
from activity.training.recognizer.card import add_clip_model
from activity.training.recognizer.clip_calibration import FoldVotes, calibrate
from activity.training.recognizer.clip_model_config import ClipModelConfig, NamedData
from activity.training.recognizer.clip_network import FoldNetworks, network_votes
from activity.training.recognizer.clips import FORESTS, VOTERS, Clips
from activity.training.recognizer.validation import read_training_data
from activity.tubelets import TubeletSettings

Float = npt.NDArray[np.float64]
Answer = tuple[str, int, int]
"""Source, truth and answer of a clip."""


def train_clip_model(config: ClipModelConfig, *, run_directory: Path) -> Path:
    """Cross-validate the model, fit it to everything that is not held out, and write it into the checkpoint.

    The card beside the checkpoint gets a chapter on it, with the new hash.

    Args:
        config: All settings.
        run_directory: Where the votes of networks that were trained without a fold are kept, to go on from.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged, its classes are not those of the data, or its network
            shall vote and it states no recipe.
        DatasetError: If the data cannot be read or split.
        OutputError: If the checkpoint or its card cannot be written.
    """
    console = Console(stderr=True)
    loaded = load_checkpoint(config.checkpoint)
    classes = loaded.classes
    videos = {data.name: _read(data, config, loaded) for data in (config.data, *config.measured_on)}
    sets = {name: Clips.from_videos(list(found.values()), classes) for name, found in videos.items()}
    networks = None
    if config.network:
        networks = FoldNetworks(loaded, videos, directory=run_directory, console=console)
    held_out = {name: [r for r, s in enumerate(c.sources) if is_held_out(s)] for name, c in sets.items()}
    learned = {
        name: clips.take([row for row in range(len(clips.names)) if row not in set(held_out[name])])
        for name, clips in sets.items()
    }
    own = learned[config.data.name]
    validation = cross_validate_clips(config, learned, classes, networks=networks)
    for name, figures in validation.items():
        console.print(
            f"{name}: balanced accuracy {figures['mean']:.3f} ± {figures['standard_deviation']:.3f}, "
            f"interval {figures['interval'][0]:.3f} to {figures['interval'][1]:.3f}",
            highlight=False,
        )
    calibration = next(figures["calibration"] for figures in validation.values() if "calibration" in figures)
    model = fit_clip_model(config, own, classes)
    apart = {}
    for name, rows in held_out.items():
        clips = sets[name].take(rows)
        if config.network and rows:
            seen = [videos[name][clip] for clip in clips.names]
            clips = replace(clips, network=network_votes(Recognizer(loaded), seen))
        for words, voters in _juries(sets[name], network=config.network).items() if rows else ():
            apart[f"{name}{words}"] = _figures([_answers(model, clips, voters)], len(classes))
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
        people=model.people,
        scene=model.scene,
        training=training,
        temperature=calibration["temperature"],
        network=config.network,
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
    config: ClipModelConfig,
    sets: dict[str, Clips],
    classes: Sequence[str],
    *,
    networks: FoldNetworks | None = None,
) -> dict[str, dict[str, Any]]:
    """Fit on the first set's clips of four parts of the sources and answer for the fifth in every set.

    Args:
        config: The recipe.
        sets: By name, the first one `config.data`; sources that are held out are not among them.
        classes: C names.
        networks: Trains the network without each fold; `None` leaves its vote out.

    Returns:
        For each set, and for each voter alone where several know something of the set, `values`, the balanced accuracy of every fold seed, their `mean` and `standard_deviation`,
        `interval`, 95 % of a bootstrap over sources of that mean, `n`, and `confusion` of the first seed. For all voters
        together on the first set also `calibration`, see `calibrate`.

    Raises:
        DatasetError: If there are fewer sources than folds.
    """
    learned = sets[config.data.name]
    if len(set(learned.sources)) < config.folds:
        raise DatasetError(
            f"cross-validation: {config.folds} folds need as many sources, got {len(set(learned.sources))}"
        )
    juries = {name: _juries(clips, network=networks is not None) for name, clips in sets.items()}
    columns = [f"{name}{words}" for name, jury in juries.items() for words in jury]
    answers: dict[str, list[list[Answer]]] = {column: [] for column in columns}
    first, jury = next(iter(juries[config.data.name].items()))
    votes: list[FoldVotes] = []
    for seed in config.fold_seeds:
        of_seed: dict[str, list[Answer]] = {column: [] for column in columns}
        splitter = GroupKFold(config.folds, shuffle=True, random_state=seed)
        for fold, (train, test) in enumerate(splitter.split(learned.sources, groups=learned.sources)):
            model = fit_clip_model(config, learned.take(train), classes)
            apart = {learned.sources[row] for row in test}
            heard = {} if networks is None else networks.votes(seed=seed, fold=fold + 1, apart=apart)
            for name, clips in sets.items():
                rows = [row for row, source in enumerate(clips.sources) if source in apart]
                tested = replace(clips.take(rows), network=heard.get(name))
                for words, voters in juries[name].items() if rows else ():
                    of_seed[f"{name}{words}"] += _answers(model, tested, voters)
                if name == config.data.name:
                    judged, known = _mean_votes(model, tested, jury)
                    votes.append(FoldVotes(seed, fold, judged[known], tested.labels[known]))
        for column, found in of_seed.items():
            answers[column].append(found)
    figures = {name: _figures(found, len(classes)) for name, found in answers.items()}
    figures[f"{config.data.name}{first}"]["calibration"] = calibrate(votes)
    return figures


def _juries(clips: Clips, *, network: bool) -> dict[str, tuple[Voter, ...]]:
    """Who may answer: all voters together where all know something, and each by itself; with the words for a table."""
    able = tuple(voter for voter in VOTERS if (network if voter == "network" else clips.known[voter].any()))
    alone: dict[str, tuple[Voter, ...]] = {f", {voter} alone": (voter,) for voter in able}
    return ({"": able} if len(able) > 1 else {}) | alone


def fit_clip_model(config: ClipModelConfig, clips: Clips, classes: Sequence[str]) -> ClipModel:
    """Grow a forest for each voter that knows clips of every class; classes weigh the same however many clips they have.

    Raises:
        DatasetError: If no voter knows a clip of every class.
    """
    forests: dict[Voter, Forest | None] = {}
    for voter in FORESTS:
        used = clips.take(np.flatnonzero(clips.known[voter]))
        lost = [name for index, name in enumerate(classes) if index not in used.labels]
        forests[voter] = None if lost else _grow(config, used.features[voter], used.labels)
    if not any(forests.values()):
        raise DatasetError(
            f"clips: nobody was followed and no motion measured in any clip of one of {', '.join(classes)}; nothing can be "
            "learned"
        )
    return ClipModel(
        tuple(classes),
        track_settings=config.track_settings.to_mapping(),
        window_s=config.window_s,
        people=forests["people"],
        scene=forests["scene"],
        training={},
    )


def _grow(config: ClipModelConfig, features: Float, labels: npt.NDArray[np.int64]) -> Forest:
    trees = ExtraTreesClassifier(
        config.trees,
        min_samples_leaf=config.least_leaf,
        max_features=config.features_per_split,
        class_weight="balanced",
        random_state=config.seed,
    )
    return forest_of(trees.fit(features, labels))


def forest_of(trees: ExtraTreesClassifier) -> Forest:
    """The arrays of a fitted scikit-learn forest, whose labels are 0 to C - 1, each of which occurs."""
    parts = [estimator.tree_ for estimator in trees.estimators_]
    starts = np.cumsum([0, *(part.node_count for part in parts)])
    children = [
        np.stack([part.children_left, part.children_right], axis=1) + start
        for part, start in zip(parts, starts, strict=False)
    ]
    features = np.concatenate([part.feature for part in parts]).astype(np.int64)
    counts = np.concatenate([part.value[:, 0] for part in parts])
    return Forest(
        roots=starts[:-1].astype(np.int64),
        features=np.where(features < 0, LEAF, features),
        thresholds=np.where(features < 0, 0.0, np.concatenate([part.threshold for part in parts])),
        children=np.concatenate(children).astype(np.int64),
        shares=counts / counts.sum(axis=1, keepdims=True),
        feature_count=int(trees.n_features_in_),
    )


def _answers(model: ClipModel, clips: Clips, voters: Sequence[Voter]) -> list[Answer]:
    """What the model answers; a clip in which nobody was followed counts as background, or as wrong where there is none."""
    nothing = model.classes.index(BACKGROUND) if BACKGROUND in model.classes else -1
    mean, voted = _mean_votes(model, clips, voters)
    chosen = np.where(voted, mean.argmax(axis=1), nothing)
    return [
        (source, int(label), int(answer))
        for source, label, answer in zip(clips.sources, clips.labels, chosen, strict=True)
    ]


def _mean_votes(
    model: ClipModel, clips: Clips, voters: Sequence[Voter]
) -> tuple[Float, npt.NDArray[np.bool_]]:
    """[N, C], the mean of the votes that know anything of a clip, and [N], whether any does."""
    total = np.zeros((len(clips.names), len(model.classes)))
    votes = np.zeros(len(clips.names))
    for voter in voters:
        known = clips.knows(voter)
        if not known.any():
            continue
        if voter == "network" and clips.network is not None:
            total[known] += clips.network[known]
            votes += known
            continue
        forest: Forest | None = getattr(model, voter)
        if forest is not None:
            total[known] += forest.probabilities(clips.features[voter][known])
            votes += known
    return total / np.maximum(votes, 1)[:, None], votes > 0


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


def _read(data: NamedData, config: ClipModelConfig, loaded: RecognizerCheckpoint) -> dict[str, LabelledVideo]:
    """The clips of a set by name, cut for the network and for the forests."""
    if data.sources is None:
        raise ConfigurationError(
            f"data.{data.name}.sources: name a CSV with the columns clip and source; clips of one source must not be "
            "on both sides of a fold"
        )
    dataset = read_training_data(data)
    table = read_clip_sources(data.sources)
    videos = cut_videos(
        dataset,
        TubeletSettings.from_mapping(loaded.tubelet_settings),
        groups=table.sources,
        categories=table.categories_of(dataset),
        clip_settings=(config.track_settings, config.window_s),
    )
    strange = sorted({video.category for video in videos} - set(loaded.classes))
    if strange:
        raise CheckpointError(
            f"{config.checkpoint}: knows {', '.join(loaded.classes)}, {data.trajectories} has {', '.join(strange)}; rename "
            "them with class_names, or name a recogniser that knows them"
        )
    return {video.video: video for video in videos}
