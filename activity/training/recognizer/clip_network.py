"""The network's vote on whole clips that it has not learned from: trained anew without each fold, by its own recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from rich.console import Console

from activity.errors import CheckpointError
from activity.evaluation.labelled_videos import LabelledVideo
from activity.recognition.checkpoint import RecognizerCheckpoint
from activity.recognition.recognizer import Recognizer
from activity.structures import find_leading_people
from activity.training.recognizer.config import RecognizerConfig
from activity.training.recognizer.fit import as_recognizer, fit
from activity.training.recognizer.validation import TrainingData, load_training_data

Votes = npt.NDArray[np.float64]
"""[N, C], class probabilities of N clips; NaN for a clip without a usable segment."""


def network_votes(recognizer: Recognizer, videos: Sequence[LabelledVideo]) -> Votes:
    """What a network says of clips, by the people who stand out most to it.

    Returns:
        [N, C]; NaN for a clip without a usable segment.
    """
    scores = iter(recognizer.recognize([tubelet for video in videos for tubelet in video.tubelets]))
    votes = np.full((len(videos), len(recognizer.classes)), np.nan)
    for row, video in enumerate(videos):
        leading = find_leading_people([next(scores) for _ in video.tubelets])
        if leading is not None:
            votes[row] = leading.probabilities
    return votes


class FoldNetworks:
    """Trains the network of a recogniser without the clips of a fold, as the whole one was trained.

    Args:
        checkpoint: The recogniser; its `training` holds the recipe.
        videos: For each set of clips, the videos to vote on, by name.
        directory: Where the votes of finished folds are kept, so that a run that was stopped goes on.
        console: For messages to people.

    Raises:
        CheckpointError: If the checkpoint states no recipe.
        DatasetError: If what the recipe learned from cannot be read.
    """

    def __init__(
        self,
        checkpoint: RecognizerCheckpoint,
        videos: Mapping[str, Mapping[str, LabelledVideo]],
        *,
        directory: Path,
        console: Console,
    ) -> None:
        try:
            self._config = RecognizerConfig.model_validate(
                {**checkpoint.training.get("recipe", {}), "checkpoint": checkpoint.path}
            )
        except ValidationError as error:
            raise CheckpointError(
                f"{checkpoint.path}: states no recipe by which its network could be trained without a fold; train it "
                "with `activity train recognizer`, or leave its vote out (network: false)"
            ) from error
        self._videos, self._directory, self._console = videos, directory, console
        self._data = load_training_data(self._config)
        self._digest = _digest(self._config, self._data, videos)

    def votes(self, *, seed: int, fold: int, apart: Collection[str]) -> dict[str, Votes]:
        """Votes on the videos of sources kept apart, by a network that learned from none of them.

        Args:
            seed: Of the folds; moves the network's seed too.
            fold: Number of the fold.
            apart: The sources that are tested.

        Returns:
            For each set, in the order of its videos.
        """
        tested = {
            name: [video for video in videos.values() if video.group in apart]
            for name, videos in self._videos.items()
        }
        key = {
            "learned": self._digest,
            "tested": {name: [video.video for video in videos] for name, videos in tested.items()},
        }
        path = self._directory / f"network_seed{seed}_fold{fold}.json"
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["key"] == key:
                return {name: _unpacked(rows) for name, rows in kept["votes"].items()}
        recognizer = self._trained(
            seed, fold, apart, {video.video for videos in tested.values() for video in videos}
        )
        votes = {name: network_votes(recognizer, videos) for name, videos in tested.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = {
            name: [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
            for name, rows in votes.items()
        }
        path.write_text(json.dumps({"key": key, "votes": packed}, allow_nan=False), encoding="utf-8")
        return votes

    def _trained(self, seed: int, fold: int, apart: Collection[str], names: Collection[str]) -> Recognizer:
        data = self._data
        learned = [
            data.dense[video.video]
            for video in data.videos
            if video.group not in apart and video.video not in names
        ]

        def on_epoch(name: str, done: int, epochs: int, loss: float) -> None:
            if done == epochs:
                self._console.print(f"{name}: {epochs} epochs, loss {loss:.3f}", highlight=False)

        network, shape = fit(
            self._config,
            learned,
            data.classes,
            seed=self._config.seed + seed,
            name=f"network without fold {fold}, seed {seed}",
            on_epoch=on_epoch,
        )
        return as_recognizer(self._config, network, shape, data.classes)


def _digest(
    config: RecognizerConfig, data: TrainingData, videos: Mapping[str, Mapping[str, LabelledVideo]]
) -> str:
    """What votes follow from: the recipe, and every segment of what is learned from and voted on."""
    recipe = config.model_dump(mode="json", exclude={"checkpoint", "data_statement", "selection_statement"})
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for group in (data.dense, *videos.values()):
        for name, video in group.items():
            digest.update(f"{name} {video.category} {video.group} {len(video.tubelets)}".encode())
            for tubelet in video.tubelets:
                digest.update(tubelet.grids.tobytes())
    return digest.hexdigest()


def _unpacked(rows: Sequence[Sequence[float | None]]) -> Votes:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)
