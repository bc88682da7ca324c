"""From which source video each clip was cut: the unit by which data are split."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from activity.datasets.hr_crime import TrajectoryDataset
from activity.errors import DatasetError


@dataclass(frozen=True, slots=True)
class ClipSources:
    """What the table says of each clip.

    Attributes:
        sources: Clip stem to source.
        folders: Clip stem to the folder of the clip, whose name is a class in the clips' own words.
    """

    sources: Mapping[str, str]
    folders: Mapping[str, str]

    def categories_of(self, dataset: TrajectoryDataset) -> dict[str, str]:
        """Categories of the data set's videos without a folder, from the folders of their clips.

        The clips' folder names need not be the categories' names: a folder stands for the category that most of
        its labelled videos have.
        """
        votes: dict[str, Counter[str]] = {}
        for video, category in dataset.videos.items():
            if video in self.folders:
                votes.setdefault(self.folders[video], Counter())[category] += 1
        return {
            video: votes[self.folders[video]].most_common(1)[0][0]
            for video in dataset.unlabelled_videos
            if self.folders.get(video) in votes
        }


def read_clip_sources(path: Path) -> ClipSources:
    """Read a CSV with a header and the columns `clip` (`<folder>/<name>.<ending>`) and `source`.

    Raises:
        DatasetError: If the file cannot be read, lacks a column or a value, or names a clip twice.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read as CSV: {error}") from error
    sources: dict[str, str] = {}
    folders: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        clip, source = row.get("clip"), row.get("source")
        if not clip or not source:
            raise DatasetError(
                f"{path}, line {number}: expected a clip and a source, got {clip!r} and {source!r}"
            )
        name = PurePosixPath(clip)
        if name.stem in sources:
            raise DatasetError(f"{path}, line {number}: the clip {name.stem!r} is named twice")
        sources[name.stem] = source
        folders[name.stem] = name.parent.name
    if not sources:
        raise DatasetError(f"{path}: expected one row a clip, got none")
    return ClipSources(sources, folders)
