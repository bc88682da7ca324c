"""Northwestern-UCLA Multiview Action 3D: ten actions of one person, 20 joints, seen by three Kinects.

Wang, Nie, Xia, Wu and Zhu, "Cross-view action modeling, learning and recognition", CVPR 2014. Read from one archive:
`skeletons` [sum of lengths, 20, 3], `lengths` [N], `names` [N] (`aNN_sNN_eNN_vNN`: action, subject, repetition,
view), `labels` [N] from 1. Only x and y are used, as a camera would give them; y is turned to point down.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from activity.datasets.sequences import SequenceDataset, SequenceReport, clean_sequence, read_arrays
from activity.errors import DatasetError
from activity.structures.layouts import KINECT_LAYOUT

NW_UCLA_CLASSES: Final = (
    "pick_up_with_one_hand", "pick_up_with_two_hands", "drop_trash", "walk_around", "sit_down", "stand_up",
    "donning", "doffing", "throw", "carry",
)  # fmt: skip
TEST_VIEW: Final = 3
_NAME: Final = re.compile(r"a\d+_s\d+_e\d+_v(\d+)")


def read_nw_ucla(path: Path) -> SequenceDataset:
    """Read the archive; views 1 and 2 are trained on, view 3 is tested on.

    Raises:
        DatasetError: If the file is missing, damaged or of another shape, or a label or name is unknown.
    """
    arrays = read_arrays(path, ("skeletons", "lengths", "names", "labels"))
    skeletons, lengths, labels = arrays["skeletons"], arrays["lengths"], arrays["labels"]
    joints = len(KINECT_LAYOUT.joints)
    if skeletons.ndim != 3 or skeletons.shape[1:] != (joints, 3) or int(lengths.sum()) != len(skeletons):
        raise DatasetError(
            f"{path}: expected skeletons [sum of lengths = {int(lengths.sum())}, {joints}, 3], got "
            f"{list(skeletons.shape)}; this is no NW-UCLA archive"
        )
    names = [str(name) for name in arrays["names"]]
    if not len(names) == len(labels) == len(lengths):
        raise DatasetError(
            f"{path}: {len(names)} names, {len(labels)} labels and {len(lengths)} lengths do not fit"
        )
    if not np.isin(labels, range(1, len(NW_UCLA_CLASSES) + 1)).all():
        raise DatasetError(
            f"{path}: expected labels 1 to {len(NW_UCLA_CLASSES)}, got {sorted(set(labels.tolist()))}"
        )
    strange = [name for name in names if _NAME.fullmatch(name) is None]
    if strange:
        raise DatasetError(f"{path}: expected names like a01_s01_e00_v01, got {strange[0]!r}")
    report = SequenceReport()
    sequences = []
    ends = np.cumsum(lengths)
    for name, label, begin, end in zip(names, labels, ends - lengths, ends, strict=True):
        positions = skeletons[begin:end, None, :, :2] * np.array([1.0, -1.0])
        sequence = clean_sequence(name, int(label) - 1, positions, report)
        if sequence is not None:
            sequences.append(sequence)
    test = [int(name.rpartition("_v")[2]) == TEST_VIEW for name in (s.name for s in sequences)]
    return SequenceDataset(
        name="Northwestern-UCLA",
        layout=KINECT_LAYOUT,
        classes=NW_UCLA_CLASSES,
        sequences=tuple(sequences),
        folds=(
            (
                tuple(row for row, is_test in enumerate(test) if not is_test),
                tuple(row for row, is_test in enumerate(test) if is_test),
            ),
        ),
        protocol="trained on views 1 and 2, tested on view 3, x and y only",
        report=report,
    )
