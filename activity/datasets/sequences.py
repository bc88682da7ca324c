"""Actions as sequences of skeletons: what the readers of SBU and NW-UCLA return."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from activity.errors import DatasetError
from activity.structures.layouts import SkeletonLayout


@dataclass(frozen=True, slots=True, eq=False)
class ActionSequence:
    """One recorded action.

    Attributes:
        name: Unique within the data set.
        label: Index of its class.
        positions: [F, M, J, 2] float32: F frames of M people with J joints, x to the right and y down, in the unit of
            the data set; 0, 0 where a joint is missing.
    """

    name: str
    label: int
    positions: npt.NDArray[np.float32]


@dataclass(slots=True)
class SequenceReport:
    """What was read and what was not.

    Attributes:
        sequences: Entries of the file.
        damaged: Name to reason, of sequences that were left out.
        shortest: Fewest frames of a sequence.
        longest: Most frames.
        single_frame: Sequences of one frame, which are held.
        empty_frames: Frames without a joint inside sequences; each was filled from its nearest neighbours in time.
    """

    sequences: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    shortest: int = 0
    longest: int = 0
    single_frame: int = 0
    empty_frames: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class SequenceDataset:
    """A benchmark of recorded actions with its own official split.

    Attributes:
        name: Of the data set.
        layout: Its skeleton.
        classes: Names, in the order of the labels.
        sequences: In the order of the file.
        folds: Official splits: rows of `sequences` to train on, rows to test on.
        protocol: The split in words.
        report: What was read and what was not.
    """

    name: str
    layout: SkeletonLayout
    classes: tuple[str, ...]
    sequences: tuple[ActionSequence, ...]
    folds: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    protocol: str
    report: SequenceReport

    @property
    def people(self) -> int:
        """M, people in every sequence."""
        return int(self.sequences[0].positions.shape[1])


def with_inner_folds(dataset: SequenceDataset) -> SequenceDataset:
    """The same data with folds to choose settings by, so that the official ones are left for the measurement.

    For every official fold, learn from all folds but this one and the next (the first after the last), and answer
    both: the answers to the next are validation for this one, and the other way round, and every sequence is answered
    twice, by networks that saw neither of two folds.

    Raises:
        DatasetError: If there are fewer than three folds, so that nothing would be left to learn from.
    """
    count = len(dataset.folds)
    if count < 3:
        raise DatasetError(f"{dataset.name}: inner folds need three official ones, got {count}")
    folds = []
    for number in range(count):
        held = (*dataset.folds[number][1], *dataset.folds[(number + 1) % count][1])
        kept = set(range(len(dataset.sequences))).difference(held)
        folds.append((tuple(sorted(kept)), held))
    return replace(
        dataset,
        folds=tuple(folds),
        protocol="inner folds: learned without two official folds, answered for both; x and y only",
    )


def read_arrays(path: Path, wanted: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an .npz file.

    Raises:
        DatasetError: If the file is missing or damaged, or lacks one of the arrays.
    """
    try:
        with path.open("rb") as file, np.load(file) as content:  # numpy leaves a damaged file open
            missing = sorted(set(wanted) - set(content.files))
            if missing:
                raise DatasetError(
                    f"{path}: expected the arrays {', '.join(wanted)}, without {', '.join(missing)}"
                )
            return {name: content[name] for name in wanted}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: expected a NumPy archive (.npz): {error}") from error


def clean_sequence(
    name: str, label: int, positions: npt.NDArray[Any], report: SequenceReport
) -> ActionSequence | None:
    """Check one sequence and fill its empty frames; `None`, with the reason in the report, where it is of no use.

    Args:
        name: Of the sequence.
        label: Of the sequence.
        positions: [F, M, J, 2].
        report: Takes note.
    """
    report.sequences += 1
    if not np.isfinite(positions).all():
        bad = int(positions.size - np.isfinite(positions).sum())
        report.damaged[name] = f"{bad} of {positions.size} coordinates are NaN or infinite"
        return None
    filled = np.asarray(positions, dtype=np.float32).copy()
    for person in range(filled.shape[1]):
        seen = np.flatnonzero(filled[:, person].any(axis=(1, 2)))
        if not len(seen):
            report.damaged[name] = f"person {person + 1} of {filled.shape[1]} is never seen"
            return None
        empty = np.setdiff1d(np.arange(len(filled)), seen)
        report.empty_frames += len(empty)
        if len(empty):
            nearest = seen[np.abs(seen[None] - empty[:, None]).argmin(axis=1)]
            filled[empty, person] = filled[nearest, person]
    length = len(filled)
    report.shortest = min(report.shortest or length, length)
    report.longest = max(report.longest, length)
    report.single_frame += length == 1
    return ActionSequence(name, label, filled)
