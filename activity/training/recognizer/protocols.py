"""Two ways to split people into training, validation and test: the paper's, and one without its leaks.

``paper`` repeats the split of Joseph, Ullah and Talavera (AVSS 2024): a fifth of the trajectories is the test set,
drawn within quartiles of their length; three folds over the *segments* of the rest. Two leaks come with it, and both
flatter: people of one video, in one room and under one label, are on both sides; and as windows slide by one frame,
nearly every validation window overlaps a training window. ``by_video`` splits whole videos (or the sources that they
were cut from) and is what a figure should be quoted from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedShuffleSplit

from activity.errors import DatasetError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
    predict,
)
from activity.evaluation.recognition import (
    measure,
    spread,
)
from activity.structures import Tubelet
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.fit import OnEpoch, as_recognizer, fit
from activity.training.recognizer.validation import TrainingData

PAPER_SEED: Final = 42
TEST_SHARE: Final = 0.2
LEAKS: Final = (
    "people of one video are on both sides of the split; validation windows overlap training windows"
)


class Split(NamedTuple):
    """One fold: who is learned from, who decides when to stop, who is tested on."""

    train: Sequence[LabelledVideo]
    validation: Sequence[LabelledVideo]
    test: Sequence[LabelledVideo]


def run_protocol(
    config: RecognizerConfig,
    data: TrainingData,
    *,
    run_directory: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Any]:
    """Train and measure a recipe by the protocol that it names.

    Args:
        config: The recipe; its first fold seed draws the folds of ``by_video``, ``paper`` has the paper's own.
        data: What to split; videos of held-out sources take no part.
        run_directory: Where figures of finished folds are kept, so that a run that was stopped goes on.
        on_epoch: Called after every epoch.

    Returns:
        `protocol`, `leaks` (null for ``by_video``), `folds`: for each what `measure` returns; and for `segment`,
        `track` and `clip` the balanced accuracy of every fold with mean and standard deviation. For ``paper`` a
        person is a video of its own, so that `clip` repeats `track`.

    Raises:
        DatasetError: If there are too few people or videos to split.
    """
    folds = []
    for number, split in enumerate(splits(config, data), start=1):
        kept = None if run_directory is None else run_directory / f"fold{number}.json"
        figures = _kept(kept, config)
        if figures is None:
            network, shape = fit(
                config,
                split.train,
                data.classes,
                seed=config.seed + number,
                name=f"fold {number} of {config.folds}",
                on_epoch=on_epoch,
                validation=split.validation,
            )
            recognizer = as_recognizer(config, network, shape, data.classes)
            figures = measure(predict(recognizer, split.test), data.classes)
            _keep(kept, config, figures)
        folds.append(figures)
    return {
        "protocol": config.protocol,
        "leaks": LEAKS if config.protocol == "paper" else None,
        "folds": folds,
        **{
            level: spread([figures[level]["balanced_accuracy"] for figures in folds])
            for level in ("segment", "track", "clip")
        },
    }


def splits(config: RecognizerConfig, data: TrainingData) -> Iterator[Split]:
    """The folds of the protocol that `config` names.

    Raises:
        DatasetError: If there are too few people or videos to split.
    """
    if config.protocol == "paper":
        yield from _paper_splits([data.dense[video.video] for video in data.videos], config.folds)
    else:
        yield from _video_splits(config, data)


def _video_splits(config: RecognizerConfig, data: TrainingData) -> Iterator[Split]:
    groups = [video.group for video in data.videos]
    if len(set(groups)) < config.folds:
        raise DatasetError(
            f"by_video: {config.folds} folds need as many videos or sources, got {len(set(groups))}"
        )
    folds = GroupKFold(config.folds, shuffle=True, random_state=config.fold_seeds[0])
    for train, test in folds.split(groups, groups=groups):
        yield Split(
            [data.dense[data.videos[row].video] for row in train], (), [data.videos[row] for row in test]
        )


def _paper_splits(videos: Sequence[LabelledVideo], folds: int) -> Iterator[Split]:
    people = _people_of(videos)
    if len(people) < 10:
        raise DatasetError(
            f"paper: expected 10 trajectories of a segment's length or more, got {len(people)}"
        )
    lengths = np.array([len(person.tubelets) for person in people])
    quartiles = np.searchsorted(np.quantile(lengths, [0.25, 0.5, 0.75]), lengths)
    quartiles[np.bincount(quartiles)[quartiles] < 2] = quartiles.min()
    splitter = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=PAPER_SEED)
    try:
        learned, tested = next(splitter.split(lengths, quartiles))
    except ValueError as error:
        raise DatasetError(f"paper: {len(people)} trajectories cannot be split by length: {error}") from error
    segments = [(row, place) for row in learned for place in range(len(people[row].tubelets))]
    if len(segments) < folds:
        raise DatasetError(f"paper: {folds} folds need as many segments, got {len(segments)}")
    test = [people[row] for row in tested]
    for train, validation in KFold(folds, shuffle=True, random_state=PAPER_SEED).split(segments):
        yield Split(
            _with_segments(people, [segments[k] for k in train]),
            _with_segments(people, [segments[k] for k in validation]),
            test,
        )


def _people_of(videos: Sequence[LabelledVideo]) -> list[LabelledVideo]:
    """Every person with a segment, as a video of its own."""
    return [
        LabelledVideo(f"{video.video}/{number}", video.category, video.group, (person,))
        for video in videos
        for number, person in enumerate(video.people, start=1)
        if person
    ]


def _with_segments(people: Sequence[LabelledVideo], chosen: Sequence[tuple[int, int]]) -> list[LabelledVideo]:
    """The people with only those of their segments that were chosen."""
    kept: dict[int, list[Tubelet]] = {}
    for row, place in chosen:
        kept.setdefault(int(row), []).append(people[row].people[0][place])
    return [replace(people[row], people=(tuple(tubelets),)) for row, tubelets in sorted(kept.items())]


def _recipe(config: RecognizerConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"checkpoint", "threads", "title", "published"})


def _keep(path: Path | None, config: RecognizerConfig, figures: dict[str, Any]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"recipe": _recipe(config), "figures": figures}), encoding="utf-8")


def _kept(path: Path | None, config: RecognizerConfig) -> dict[str, Any] | None:
    if path is None or not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    figures: dict[str, Any] | None = content["figures"] if content["recipe"] == _recipe(config) else None
    return figures
