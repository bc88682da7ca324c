"""Cross-validation of a recogniser's recipe on folds that share no source.

It speaks for the recipe. The checkpoint is trained on all sources that are not held out, and figures on those
would flatter it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.coco_tracks import read_coco_tracks
from activity.datasets.hr_crime import TrajectoryDataset, read_hr_crime
from activity.datasets.reports import read_reports
from activity.datasets.splits import is_held_out
from activity.errors import DatasetError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
    Prediction,
    cut_videos,
    predict,
)
from activity.evaluation.recognition import (
    measure,
)
from activity.evaluation.recognizer_alarms import count_alarms
from activity.fusion.rule_book import default_rules
from activity.structures import ActivityScore
from activity.training.recognizer.config import RecognizerConfig, TrackSet
from activity.training.recognizer.fit import OnEpoch, as_recognizer, fit
from activity.training.recognizer.floor import forest_accuracy, linear_accuracy
from activity.tubelets import TubeletSettings


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """The videos of a data set, cut twice and split once.

    Attributes:
        classes: In the order of the logits.
        dense: Every video with the training stride, by name, with the people of `data.also` beside those measured on.
        videos: The same videos with the stride of use; those of held-out sources are not among them.
        held_out: The videos of held-out sources, with the stride of use.
        dataset: What was read.
    """

    classes: tuple[str, ...]
    dense: Mapping[str, LabelledVideo]
    videos: tuple[LabelledVideo, ...]
    held_out: tuple[LabelledVideo, ...]
    dataset: TrajectoryDataset


def read_training_data(data: TrackSet) -> TrajectoryDataset:
    """Read what `data` names, in its format.

    Raises:
        DatasetError: If it cannot be read.
    """
    match data.format:
        case "hr_crime":
            return read_hr_crime(
                data.trajectories, frame_rate_hz=data.frame_rate_hz, skip_normal=data.skip_normal
            )
        case "reports":
            return read_reports(data.trajectories, class_names=data.class_names)
        case "coco":
            return read_coco_tracks(data.trajectories, frame_rate_hz=data.frame_rate_hz)


def load_training_data(config: RecognizerConfig) -> TrainingData:
    """Read and cut the trajectories that `config` names.

    Raises:
        DatasetError: If they cannot be read, or fewer than two classes have a usable segment.
    """
    data = config.data
    dataset = read_training_data(data)
    groups = categories = None
    if data.sources is not None:
        table = read_clip_sources(data.sources)
        groups, categories = table.sources, table.categories_of(dataset)
    settings = config.tubelet_settings
    videos = cut_videos(dataset, settings, groups=groups, categories=categories)
    dense_settings = type(settings).from_mapping({**settings.to_mapping(), "stride": data.train_stride})
    dense = cut_videos(dataset, dense_settings, groups=groups, categories=categories)
    for other in data.also:
        dense = _with_people_of(dense, read_training_data(other), dense_settings)
    apart = {video.video for video in videos if data.sources is not None and is_held_out(video.group)}
    usable = {video.category for video in videos if video.video not in apart and video.tubelets}
    if len(usable) < 2:
        raise DatasetError(
            f"{data.trajectories}: expected at least two categories with a segment of {settings.frames} frames to "
            f"train on, got {sorted(usable) or 'none'}"
        )
    return TrainingData(
        classes=dataset.categories,
        dense={video.video: video for video in dense},
        videos=tuple(video for video in videos if video.video not in apart),
        held_out=tuple(video for video in videos if video.video in apart),
        dataset=dataset,
    )


def _with_people_of(
    videos: Sequence[LabelledVideo], other: TrajectoryDataset, settings: TubeletSettings
) -> list[LabelledVideo]:
    """The same videos with the people of another set of tracks beside their own.

    Raises:
        DatasetError: If the sets have no video in common, or disagree on the class of one.
    """
    more = {video.video: video for video in cut_videos(other, settings)}
    both = [video for video in videos if video.video in more]
    if not both:
        raise DatasetError(
            f"{other.root}: expected tracks of the same videos as the first set, got none of them"
        )
    for video in both:
        named = more[video.video].category
        if named != video.category:
            raise DatasetError(
                f"{other.root}: {video.video} is {named} here and {video.category} in the first set; rename with class_names"
            )
    return [
        replace(video, people=video.people + more[video.video].people) if video.video in more else video
        for video in videos
    ]


def cross_validate(
    config: RecognizerConfig,
    data: TrainingData,
    *,
    run_directory: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Any]:
    """Train and measure the recipe on folds that share no source.

    Args:
        config: The recipe.
        data: Videos of held-out sources take no part.
        run_directory: Where the answers of finished folds are kept, so that a run that was stopped goes on.
        on_epoch: Called after every epoch.

    Returns:
        What `measure` returns for the out-of-fold predictions of the first seed, `protocol`, `folds`, `seeds` (for
        each level the balanced accuracy of every seed, mean and standard deviation), `alarms` (`count_alarms` of every
        seed, by the rules that come with the program), and `floor` and
        `linear_floor`, the balanced accuracy by clip of a random forest and of a logistic regression on the same folds.
    """
    results, alarms, floor, linear_floor = [], [], [], []
    rules = default_rules()
    for seed in config.fold_seeds:
        predictions: list[Prediction] = []
        folds = _folds(data.videos, config.folds, seed)
        for number, (train_rows, test_rows) in enumerate(folds, start=1):
            test = [data.videos[row] for row in test_rows]
            kept = None if run_directory is None else run_directory / f"seed{seed}_fold{number}.json"
            answers = _kept_answers(kept, config, test, data.classes)
            if answers is None:
                network, shape = fit(
                    config,
                    [data.dense[data.videos[row].video] for row in train_rows],
                    data.classes,
                    seed=config.seed + seed,
                    name=f"seed {seed}, fold {number} of {config.folds}",
                    on_epoch=on_epoch,
                )
                answers = predict(as_recognizer(config, network, shape, data.classes), test)
                _keep_answers(kept, config, answers)
            predictions += answers
        results.append(measure(predictions, data.classes, seed=seed))
        alarms.append(count_alarms(predictions, data.classes, rules))
        floor.append(forest_accuracy(data.videos, folds, seed=seed))
        linear_floor.append(linear_accuracy(data.videos, folds))
    protocol = (
        f"{config.folds} folds grouped by source, {len(data.videos)} videos of "
        f"{len({video.group for video in data.videos})} sources"
    )
    seeds = {
        level: _spread([result[level]["balanced_accuracy"] for result in results])
        for level in ("segment", "track", "clip")
    }
    return {
        **results[0],
        "protocol": protocol,
        "folds": config.folds,
        "seeds": seeds,
        "alarms": alarms,
        "floor": _spread(floor),
        "linear_floor": _spread(linear_floor),
    }


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "balanced_accuracy": list(values),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values)),
    }


def _keep_answers(path: Path | None, config: RecognizerConfig, answers: Sequence[Prediction]) -> None:
    if path is None:
        return
    probabilities = [
        score.probabilities.tolist() for answer in answers for person in answer.scores for score in person
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"recipe": _recipe(config), "probabilities": probabilities}
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _kept_answers(
    path: Path | None, config: RecognizerConfig, videos: Sequence[LabelledVideo], classes: Sequence[str]
) -> list[Prediction] | None:
    """The answers of a fold that an earlier run finished with the same recipe."""
    if path is None or not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["recipe"] != _recipe(config):
        return None
    tubelets = [tubelet for video in videos for tubelet in video.tubelets]
    scores = iter(
        ActivityScore(t.track_id, t.start_s, t.end_s, tuple(classes), np.asarray(values, dtype=np.float32))
        for t, values in zip(tubelets, content["probabilities"], strict=True)
    )
    return [
        Prediction(video, tuple(tuple(next(scores) for _ in person) for person in video.people))
        for video in videos
    ]


def _recipe(config: RecognizerConfig) -> dict[str, Any]:
    """What decides a fold's answers."""
    return config.model_dump(
        mode="json", exclude={"checkpoint", "fold_seeds", "threads", "data_statement", "selection_statement"}
    )


def _folds(videos: Sequence[LabelledVideo], folds: int, seed: int) -> list[tuple[list[int], list[int]]]:
    groups = [video.group for video in videos]
    if len(set(groups)) < folds:
        raise DatasetError(f"cross-validation: {folds} folds need as many sources, got {len(set(groups))}")
    splitter = GroupKFold(folds, shuffle=True, random_state=seed)
    return [(list(map(int, a)), list(map(int, b))) for a, b in splitter.split(groups, groups=groups)]
