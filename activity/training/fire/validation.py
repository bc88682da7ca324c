"""Measure an exported fire classifier on the scenes that no training saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from activity.detection import FireClassifier
from activity.errors import DatasetError
from activity.evaluation.fire import measure_fire
from activity.training.fire.calibration import fit_platt
from activity.training.fire.pictures import FirePicture


def validate_fire(
    checkpoint: Path,
    pictures: Sequence[FirePicture],
    *,
    threshold: float | None = None,
    threads: int = 1,
    resamples: int = 1000,
    on_image: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Figures of a checkpoint on held-out pictures.

    The labelled pictures give the balanced accuracy; its interval resamples scenes, not pictures. The two numbers of
    the calibration were fitted on the same pictures: `cross_fitted` fits them on one half of the scenes and
    measures on the other, and back.

    Args:
        checkpoint: A file made by `activity train fire`.
        pictures: Of every collection; those of the training side are passed over.
        threshold: As for `FireClassifier`.
        threads: Threads that one picture may use.
        resamples: Of the bootstrap.
        on_image: Called after each picture with the number done and the number of all.

    Returns:
        `labelled`: the keys of `activity evaluate fire`, with `interval` and `cross_fitted`; `alarm_rate` and `count`
        by collection; `wrong`: names of the labelled pictures that were.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
        DatasetError: If nothing is held out.
    """
    classifier = FireClassifier(checkpoint, threshold=threshold, threads=threads)
    held_out = [picture for picture in pictures if picture.held_out]
    if not held_out:
        raise DatasetError("validation: expected held-out pictures, got none")
    probabilities = []
    for done, picture in enumerate(held_out, start=1):
        probabilities.append(classifier.classify(picture.image).probability)
        if on_image is not None:
            on_image(done, len(held_out))
    found = np.array(probabilities)
    burns = np.array([picture.burns for picture in held_out])
    origins = np.array([picture.origin for picture in held_out])
    alarms = found >= classifier.threshold
    labelled = np.isin(origins, ["fire", "no_fire"])
    scenes = np.array([picture.scene for picture in held_out])[labelled]
    figures = measure_fire(found[labelled], burns[labelled], threshold=classifier.threshold).as_json()
    figures["interval"] = _interval(alarms[labelled], burns[labelled], scenes, resamples)
    figures["cross_fitted"] = _cross_fitted(found[labelled], burns[labelled], scenes)
    names = np.array([picture.name for picture in held_out])
    return {
        "labelled": figures,
        "alarm_rate": {origin: float(alarms[origins == origin].mean()) for origin in np.unique(origins)},
        "count": {origin: int((origins == origin).sum()) for origin in np.unique(origins)},
        "wrong": names[labelled & (alarms != burns)].tolist(),
    }


def _interval(alarms: Any, burns: Any, scenes: Any, resamples: int) -> list[float]:
    """95 % of the balanced accuracies over scenes drawn with replacement, in each class by itself."""
    random = np.random.default_rng(0)
    recalls = []
    for value in (True, False):
        kinds, index = np.unique(scenes[burns == value], return_inverse=True)
        right = np.bincount(index, weights=alarms[burns == value] == value)
        counts = np.bincount(index)
        drawn = random.integers(len(kinds), size=(resamples, len(kinds)))
        recalls.append(right[drawn].sum(1) / counts[drawn].sum(1))
    return [float(value) for value in np.percentile((recalls[0] + recalls[1]) / 2, [2.5, 97.5])]


def _cross_fitted(found: Any, burns: Any, scenes: Any) -> float | None:
    """Balanced accuracy with the calibration fitted on the other half of the scenes, at a probability of 0.5.

    `None` where there are too few scenes for two halves that both burn in parts.
    """
    sure = np.clip(found, 1e-6, 1 - 1e-6)
    logits = np.log(sure / (1 - sure))
    random = np.random.default_rng(0)
    kinds = np.unique(scenes)
    burning = np.isin(kinds, scenes[burns])
    ordered = [*random.permutation(kinds[burning]), *random.permutation(kinds[~burning])]
    half = np.isin(scenes, ordered[::2])
    if any(burns[part].all() or not burns[part].any() for part in (half, ~half)):
        return None
    alarms = np.zeros(len(found), bool)
    for fitted in (half, ~half):
        scale, offset = fit_platt(logits[fitted], burns[fitted], scenes[fitted])
        alarms[~fitted] = scale * logits[~fitted] + offset >= 0
    return float((alarms[burns].mean() + 1 - alarms[~burns].mean()) / 2)
