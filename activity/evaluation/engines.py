"""What the faster forms of a recogniser cost in accuracy, on labelled trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from activity.datasets.hr_crime import read_hr_crime
from activity.evaluation.labelled_videos import (
    cut_videos,
    predict,
)
from activity.evaluation.recognition import (
    measure,
)
from activity.recognition.checkpoint import load_checkpoint
from activity.recognition.recognizer import Engine, Recognizer
from activity.tubelets import TubeletSettings

ENGINES: tuple[Engine, ...] = ("eager", "fused", "int8")


def compare_engines(checkpoint: Path, trajectories: Path, *, threads: int = 1) -> dict[str, Any]:
    """Answer the same segments with every form of one checkpoint.

    Args:
        checkpoint: A recogniser.
        trajectories: HR-Crime's layout.
        threads: For the networks.

    Returns:
        By form: `largest_difference` and `mean_difference` of a probability from the eager network's,
        `changed_answers`, the share of segments with another most probable class, and the `segment` and `clip`
        figures of `measure`.

    Raises:
        CheckpointError: If the checkpoint cannot be read.
        DatasetError: If the trajectories cannot be read or have other classes.
    """
    loaded = load_checkpoint(checkpoint)
    videos = cut_videos(read_hr_crime(trajectories), TubeletSettings.from_mapping(loaded.tubelet_settings))
    result: dict[str, Any] = {}
    eager = None
    for engine in ENGINES:
        predictions = predict(Recognizer(loaded, threads=threads, engine=engine), videos)
        probabilities = np.array(
            [score.probabilities for video in predictions for person in video.scores for score in person]
        )
        eager = probabilities if eager is None else eager
        figures = measure(predictions, loaded.classes)
        result[engine] = {
            "largest_difference": float(np.abs(probabilities - eager).max()),
            "mean_difference": float(np.abs(probabilities - eager).mean()),
            "changed_answers": float((probabilities.argmax(axis=1) != eager.argmax(axis=1)).mean()),
            "segment": figures["segment"],
            "clip": figures["clip"],
        }
    return result
