"""Fit the machine on labelled people, and say honestly how good it is on pictures that it has not seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from activity.assembly import load_estimator
from activity.association import ArmedPosture, save_armed_posture
from activity.association.posture import POSTURE_FEATURES, mirrored
from activity.config import Settings
from activity.datasets.yolo_boxes import read_yolo_boxes
from activity.errors import DatasetError
from activity.evaluation.armed_posture import (
    PosedPeople,
    evaluate_armed_posture,
    measure_armed_posture,
    read_posed_people,
)
from activity.training.fire.calibration import fit_platt
from activity.training.fire.duplicates import SceneDescriptor, group_scenes
from activity.training.posture.config import HolderConfig
from activity.training.provenance import commit_of_code

Float = npt.NDArray[np.float64]
Scenes = npt.NDArray[np.int64]
OnImage = Callable[[int, int], None]


def _unheard(_done: int, _total: int) -> None:
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a training made.

    Attributes:
        checkpoint: The file.
        figures: `cross_validated`, `held_out` and `held_out_apart`, each as `measure_armed_posture` gives them; the last
            one without the pictures that look like one to learn from.
    """

    checkpoint: Path
    figures: dict[str, Any]


def train(config: HolderConfig, *, run_directory: Path, on_image: OnImage = _unheard) -> Training:
    """Cross-validate, calibrate on the folds, fit on everybody to learn from, measure once, and write the checkpoint.

    The figures are written to `validation.json` in `run_directory` as well.

    Args:
        config: The settings.
        run_directory: An existing folder.
        on_image: Told of every picture whose people were looked at.

    Raises:
        DatasetError: If a folder cannot be read, or has too few scenes.
        CheckpointError: If the pose network or the weights for near-duplicates cannot be used.
        OutputError: If the checkpoint cannot be written.
    """
    pose = {"checkpoint": None if config.pose_checkpoint is None else str(config.pose_checkpoint)}
    settings = Settings.model_validate({"pose": {**pose, "keypoint_score": config.keypoint_score}})
    estimator, pose_model = load_estimator(settings, threads=config.threads)
    learned = read_posed_people(config.data, estimator, on_image=on_image)
    held_out = read_posed_people(config.held_out, estimator, on_image=on_image)
    scenes, held_scenes = _scenes(config)
    logits, machine = cross_validate(learned, scenes[learned.pictures], config)
    apart = ~np.isin(held_scenes, scenes)[held_out.pictures]
    held_groups = held_scenes[held_out.pictures]
    figures = {
        "cross_validated": measure_armed_posture(logits, learned, groups=scenes[learned.pictures]),
        "held_out": evaluate_armed_posture(machine, held_out, groups=held_groups),
        "held_out_apart": evaluate_armed_posture(machine, held_out.take(apart), groups=held_groups[apart]),
    }
    measured = figures[
        "cross_validated"
    ]  # of many people, while few pictures of the other folder are unlike all here
    machine = replace(
        machine,
        quality={
            "balanced_accuracy": measured["balanced_accuracy"],
            "interval": measured["interval"],
            "auc": measured["auc"],
            "measured_on": f"{measured['n']} people, each by a machine that saw no picture of the scene",
            **figures,
        },
        training={
            "data": config.data_statement or config.data.name,
            "commit": commit_of_code(),
            "command": "activity train holder",
            "settings": config.model_dump(
                mode="json", exclude={"data", "held_out", "scene_weights", "checkpoint", "pose_checkpoint"}
            ),
            "pose": {"file": pose_model.file, "sha256": pose_model.sha256},
            "people": int((learned.sure & learned.judged).sum()),
            "scenes": len(np.unique(scenes)),
            "sklearn": sklearn.__version__,
        },
    )
    save_armed_posture(config.checkpoint, machine)
    (run_directory / "validation.json").write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return Training(config.checkpoint, figures)


def cross_validate(people: PosedPeople, scenes: Scenes, config: HolderConfig) -> tuple[Float, ArmedPosture]:
    """Answer for everybody by machines that did not see the scene, calibrate on these answers, and fit to all.

    Args:
        people: To learn from; who is ambiguous or cannot be judged is answered for, but not learned from.
        scenes: [P], never on both sides of a fold.
        config: The settings.

    Returns:
        [P] calibrated logits, means over the fold seeds; and the machine fitted to all, with the same calibration. Its
        quality is that of the folds.

    Raises:
        DatasetError: If there are fewer scenes than folds, or nobody, or everybody, is armed.
    """
    if len(np.unique(scenes)) < config.folds:
        raise DatasetError(
            f"cross-validation: {config.folds} folds need as many scenes, got {len(np.unique(scenes))}"
        )
    used = people.sure & people.judged
    answers = np.zeros((len(config.fold_seeds), len(scenes)))
    for number, seed in enumerate(config.fold_seeds):
        splitter = GroupKFold(config.folds, shuffle=True, random_state=seed)
        for train_rows, test_rows in splitter.split(scenes, groups=scenes):
            rows = train_rows[used[train_rows]]
            machine, _ = fit(people.features[rows], people.armed[rows], config)
            answers[number, test_rows] = machine.decide_both(people.features[test_rows])
    raw = answers.mean(axis=0)
    slope, offset = fit_platt(raw[used], people.armed[used], [str(scene) for scene in scenes[used]])
    logits = slope * raw + offset
    quality = measure_armed_posture(logits, people, groups=scenes)
    machine, _ = fit(people.features[used], people.armed[used], config)
    return logits, replace(machine, slope=slope, offset=offset, quality=quality)


def fit(features: Float, armed: npt.NDArray[np.bool_], config: HolderConfig) -> tuple[ArmedPosture, SVC]:
    """Fit a machine to people and their mirror images, both classes of the same weight; it is not calibrated.

    Args:
        features: [P, 34].
        armed: [P].
        config: The settings.

    Returns:
        The machine, and scikit-learn's own, which takes standardised features.

    Raises:
        DatasetError: If nobody, or everybody, is armed.
    """
    if armed.all() or not armed.any():
        raise DatasetError(f"expected armed and unarmed people, got {int(armed.sum())} armed of {len(armed)}")
    both = np.concatenate([features, mirrored(features)])
    scaler = StandardScaler().fit(both)
    vectors = SVC(
        C=config.inverse_penalty,
        gamma=config.gamma or 1 / len(POSTURE_FEATURES),
        class_weight="balanced",
    )
    vectors.fit(scaler.transform(both), np.concatenate([armed, armed]))
    machine = ArmedPosture(
        mean=np.asarray(scaler.mean_, np.float64),
        spread=np.asarray(scaler.scale_, np.float64),
        support_vectors=np.asarray(vectors.support_vectors_, np.float64),
        weights=np.asarray(vectors.dual_coef_[0], np.float64),
        bias=float(vectors.intercept_[0]),
        gamma=float(vectors.gamma),
        slope=1.0,
        offset=0.0,
        quality={"balanced_accuracy": 0.5},
    )
    return machine, vectors


def _scenes(config: HolderConfig) -> tuple[Scenes, Scenes]:
    """Number the scenes of both folders, by picture: near-duplicates are one, also across the folders."""
    describer = SceneDescriptor(config.scene_weights)
    described, names = [], []
    counts = []
    for root in (config.data, config.held_out):
        entries = read_yolo_boxes(root, class_count=2)
        counts.append(len(entries))
        for entry in entries:
            image = cv2.imread(str(entry.path), cv2.IMREAD_COLOR_RGB)
            if image is None:
                raise DatasetError(f"{entry.path}: cannot be read as an image")
            described.append(describer.describe(np.asarray(image, np.uint8)))
            names.append(str(entry.path))
    features, thumbnails = (np.stack(column) for column in zip(*described, strict=True))
    scenes = group_scenes(features, thumbnails, names)
    return scenes[: counts[0]], scenes[counts[0] :]
