"""How well a recogniser names activities: by segment, by person and by clip.

A trajectory carries the label of its video, as in HR-Crime: bystanders of a fight count as fighting, so the
segment and track levels have a ceiling below 1. Intervals come from a bootstrap over groups (the videos, or the
sources that they were cut from): segments of one video are no independent witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.hr_crime import HR_CRIME_FRAME_RATE_HZ, read_hr_crime
from activity.errors import DatasetError
from activity.evaluation.calibration import expected_calibration_error, fit_temperature
from activity.evaluation.labelled_videos import Prediction, cut_videos, predict
from activity.evaluation.recognizer_alarms import count_alarms
from activity.fusion.clip_summary import summarize_clip
from activity.fusion.rule_book import default_rules
from activity.recognition.clip_model import CLIP_RULE
from activity.recognition.recognizer import Recognizer
from activity.structures import BACKGROUND, LEADING_RULE
from activity.tubelets import TubeletSettings

BOOTSTRAP_SAMPLES: Final = 2000


def measure(predictions: Sequence[Prediction], classes: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Figures of all three levels.

    A segment's answer is its most probable class; a person's, the most probable in the mean over the person's
    segments; a clip's, `summarize_clip`, with the verdict where there is one. A clip without a usable segment counts as what the pipeline does with
    it: no alarm, hence the background class where the recogniser has one, else a wrong answer.

    Args:
        predictions: At least one.
        classes: The classes, in the order of rows and columns of the confusion matrix.
        seed: Of the bootstrap.

    Returns:
        `segment`, `track`, `clip`: each `balanced_accuracy`, `accuracy`, `macro_f1`, `interval` (95 % of the
        balanced accuracy), `n`; `confusion` of the clip level, rows truth, columns answer; `classes`;
        `without_tracks`, clips without a usable segment; `clip_rule`.

    Raises:
        DatasetError: If a video's category is not among `classes`.
    """
    index = {name: position for position, name in enumerate(classes)}
    strange = sorted({p.video.category for p in predictions} - set(index))
    if strange:
        raise DatasetError(
            f"categories {', '.join(strange)} are not among the recogniser's classes {', '.join(classes)}; "
            "remove their folders or name a recogniser that knows them"
        )
    nothing = index.get(BACKGROUND, -1)
    segments: list[tuple[str, int, int]] = []
    tracks: list[tuple[str, int, int]] = []
    clips: list[tuple[str, int, int]] = []
    without, rules = 0, set[str]()
    for video, people, verdict in predictions:
        truth = index[video.category]
        for person in people:
            if person:
                segments += [(video.group, truth, int(score.probabilities.argmax())) for score in person]
                mean = np.mean([score.probabilities for score in person], axis=0)
                tracks.append((video.group, truth, int(mean.argmax())))
        summary = summarize_clip([score for person in people for score in person], verdict=verdict)
        rules.add(summary.rule)
        without += summary.label is None
        clips.append((video.group, truth, nothing if summary.label is None else index[summary.label]))
    return {
        "segment": _figures(segments, len(classes), seed),
        "track": _figures(tracks, len(classes), seed),
        "clip": _figures(clips, len(classes), seed),
        "confusion": confusion_matrix(clips, len(classes))[:, : len(classes)].tolist(),
        "classes": list(classes),
        "without_tracks": without,
        "clip_rule": CLIP_RULE if CLIP_RULE in rules else LEADING_RULE,
    }


def evaluate_recognizer(
    trajectories: Path,
    checkpoint: Path,
    *,
    sources: Path | None = None,
    frame_rate_hz: float = HR_CRIME_FRAME_RATE_HZ,
    threads: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a checkpoint on a folder of trajectories.

    Args:
        trajectories: HR-Crime layout.
        checkpoint: A recogniser.
        sources: CSV with columns `clip` and `source`: bootstrap by source, and the class of videos without
            trajectories from their clip's folder.
        frame_rate_hz: Of videos that `videos.json` does not name.
        threads: For the network.
        seed: Of the bootstrap.

    Returns:
        What `measure` returns, with `alarms` (`count_alarms` by the rules that come with the program), `seen_in_training` (how many of the videos the checkpoint was trained on:
        where it is not 0, the figures flatter), `cross_validation` (recorded when the checkpoint was made, on
        videos that each fold had not seen), `clip_model` (the same of the model of whole clips; null where the
        checkpoint has none), `unlabelled_videos`, and `reading`, what was damaged or left out.

    Raises:
        DatasetError: If the trajectories cannot be read, or have categories that the recogniser does not know.
        CheckpointError: If the checkpoint cannot be read.
    """
    recognizer = Recognizer.load(checkpoint, threads=threads)
    settings = TubeletSettings.from_mapping(recognizer.tubelet_settings)
    dataset = read_hr_crime(trajectories, frame_rate_hz=frame_rate_hz)
    groups = categories = None
    if sources is not None:
        table = read_clip_sources(sources)
        groups, categories = table.sources, table.categories_of(dataset)
    model = recognizer.clip_model
    videos = cut_videos(
        dataset,
        settings,
        groups=groups,
        categories=categories,
        clip_settings=None
        if model is None
        else (TubeletSettings.from_mapping(model.track_settings), model.window_s),
    )
    seen = {*recognizer.training.get("videos", ()), *(model.training.get("videos", ()) if model else ())}
    predictions = predict(recognizer, videos)
    return {
        **measure(predictions, recognizer.classes, seed=seed),
        "alarms": count_alarms(predictions, recognizer.classes, default_rules()),
        "seen_in_training": sum(video.video in seen for video in videos),
        "cross_validation": recognizer.training.get("cross_validation"),
        "clip_model": None
        if model is None
        else {key: model.training.get(key) for key in ("protocol", "cross_validation", "held_out")},
        "held_out": recognizer.training.get("held_out"),
        "unlabelled_videos": len(set(dataset.unlabelled_videos) - {video.video for video in videos}),
        "reading": dataset.report.to_json(),
    }


def measure_answers(
    probabilities: npt.NDArray[np.floating],
    truth: npt.NDArray[np.integer],
    classes: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of answers at one level.

    Args:
        probabilities: [N, C].
        truth: [N], index of the true class.
        classes: C names.
        groups: [N], what an answer must not be split from in the bootstrap; each for itself by default.
        seed: Of the bootstrap.

    Returns:
        `accuracy`, `balanced_accuracy`, `macro_f1`, `interval` (95 % of the balanced accuracy), `n`, `recall` by
        class (null for one that does not occur), `confusion`, `ece`, `log_loss` (mean negative logarithm of the true
        class's probability), and `temperature`, by which the logits would have to be divided to fit these answers best.
    """
    answers = [
        (groups[row] if groups else str(row), int(right), int(answer))
        for row, (right, answer) in enumerate(zip(truth, probabilities.argmax(axis=1), strict=True))
    ]
    matrix = confusion_matrix(answers, len(classes))[:, : len(classes)]
    totals = matrix.sum(axis=1)
    return {
        **_figures(answers, len(classes), seed),
        "recall": {
            name: float(matrix[row, row] / totals[row]) if totals[row] else None
            for row, name in enumerate(classes)
        },
        "confusion": matrix.tolist(),
        "ece": expected_calibration_error(probabilities, truth),
        "log_loss": float(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean()),
        "temperature": fit_temperature(probabilities, truth),
    }


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Values with their mean and their standard deviation (of the values themselves, not of the mean)."""
    return {
        "values": list(values),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values)),
    }


def confusion_matrix(answers: Sequence[tuple[str, int, int]], classes: int) -> npt.NDArray[np.int64]:
    """Count (group, truth, answer) triples, [C, C + 1]; the last column counts the answer -1, none of the classes."""
    matrix = np.zeros((classes, classes + 1), dtype=np.int64)
    for _, truth, answer in answers:
        matrix[truth, answer] += 1
    return matrix


def balanced_accuracy(matrix: npt.NDArray[Any]) -> float:
    """Mean recall over the classes that occur, of a confusion matrix [C, C or more], rows truth."""
    totals = matrix.sum(axis=1)
    occurring = totals > 0
    return float((np.diagonal(matrix)[occurring] / totals[occurring]).mean())


def macro_f1(matrix: npt.NDArray[Any]) -> float:
    """Mean F1 over the classes that occur or are answered, of a confusion matrix [C, C or more], rows truth."""
    classes = len(matrix)
    hits = np.diagonal(matrix).astype(np.float64)
    either = matrix.sum(axis=1) + matrix[:, :classes].sum(axis=0)  # 2 hits + misses + false alarms
    return float((2 * hits[either > 0] / either[either > 0]).mean())


def _figures(answers: Sequence[tuple[str, int, int]], classes: int, seed: int) -> dict[str, Any]:
    if not answers:
        return {"balanced_accuracy": None, "accuracy": None, "macro_f1": None, "interval": None, "n": 0}
    matrix = confusion_matrix(answers, classes)
    return {
        "balanced_accuracy": balanced_accuracy(matrix),
        "accuracy": float(np.trace(matrix[:, :classes]) / matrix.sum()),
        "macro_f1": macro_f1(matrix),
        "interval": _interval(answers, classes, seed),
        "n": len(answers),
    }


def _interval(answers: Sequence[tuple[str, int, int]], classes: int, seed: int) -> list[float]:
    """95 % percentile interval of the balanced accuracy under resampling of whole groups."""
    names = sorted({group for group, _, _ in answers})
    matrices = np.stack([confusion_matrix([a for a in answers if a[0] == name], classes) for name in names])
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAP_SAMPLES)
    resampled = np.tensordot(draws, matrices, axes=1)  # (samples, C, C + 1)
    low, high = np.percentile([balanced_accuracy(matrix) for matrix in resampled], [2.5, 97.5])
    return [float(low), float(high)]
