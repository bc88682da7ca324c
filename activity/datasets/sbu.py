"""SBU Kinect Interaction: eight interactions of two people, 15 joints each.

Yun, Honorio, Chattopadhyay, Berg and Samaras, "Two-person interaction detection using body-pose features and
multiple instance learning", CVPR Workshops 2012. Read from one archive: `skeletons` [N, 3, F, 15, 2] (x, y, z; frames
padded with zeros at the end; joints; people), `labels` [N] from 0, `folds` [N] from 1. Only x and y are used, as a
camera would give them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from activity.datasets.sequences import SequenceDataset, SequenceReport, clean_sequence, read_arrays
from activity.errors import DatasetError
from activity.structures.layouts import SBU_LAYOUT

SBU_CLASSES: Final = (
    "approaching", "departing", "kicking", "pushing", "shaking_hands", "hugging", "exchanging", "punching",
)  # fmt: skip


def read_sbu(path: Path) -> SequenceDataset:
    """Read the archive; every official fold is the test set once.

    Raises:
        DatasetError: If the file is missing, damaged or of another shape, or a label or fold is unknown.
    """
    arrays = read_arrays(path, ("skeletons", "labels", "folds"))
    skeletons, labels, folds = arrays["skeletons"], arrays["labels"], arrays["folds"]
    joints = len(SBU_LAYOUT.joints)
    if skeletons.ndim != 5 or skeletons.shape[1] != 3 or skeletons.shape[3:] != (joints, 2):
        raise DatasetError(
            f"{path}: expected skeletons [N, 3, F, {joints}, 2], got {list(skeletons.shape)}; this is no SBU archive"
        )
    if not len(skeletons) == len(labels) == len(folds):
        raise DatasetError(
            f"{path}: {len(skeletons)} skeletons, {len(labels)} labels and {len(folds)} folds do not fit"
        )
    if not np.isin(labels, range(len(SBU_CLASSES))).all():
        raise DatasetError(
            f"{path}: expected labels 0 to {len(SBU_CLASSES) - 1}, got {sorted(set(labels.tolist()))}"
        )
    report = SequenceReport()
    sequences, kept_folds = [], []
    for row, skeleton in enumerate(skeletons):
        frames = np.flatnonzero(skeleton.any(axis=(0, 2, 3)))
        length = int(frames[-1]) + 1 if len(frames) else 0
        positions = skeleton[:2, :length].transpose(1, 3, 2, 0)  # (2, F, J, M) -> (F, M, J, 2)
        sequence = clean_sequence(f"sbu_{row:03d}", int(labels[row]), positions, report)
        if sequence is not None:
            sequences.append(sequence)
            kept_folds.append(int(folds[row]))
    if not sequences:
        raise DatasetError(f"{path}: no usable sequence; {report.damaged}")
    numbers = np.array(kept_folds)
    return SequenceDataset(
        name="SBU Kinect Interaction",
        layout=SBU_LAYOUT,
        classes=SBU_CLASSES,
        sequences=tuple(sequences),
        folds=tuple(
            (tuple(np.flatnonzero(numbers != fold).tolist()), tuple(np.flatnonzero(numbers == fold).tolist()))
            for fold in sorted(set(kept_folds))
        ),
        protocol="the five official folds, x and y only",
        report=report,
    )
