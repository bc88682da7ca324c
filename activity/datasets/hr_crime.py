"""Trajectories in the layout of HR-Crime: one CSV file a person, one row a frame.

`<root>/<Category>/<video>/<person>.csv`, comma separated, no header: `frame, x0, y0, ..., x16, y16` in pixels,
0, 0 for a missing joint (Boekhoudt et al., "HR-Crime", 2021, doi 10.34894/IRRDJE). HR-Crime itself keeps the
categories in a folder `Trajectories`. Where `<root>/videos.json` exists it gives each video's frame rate; it may
also name videos in which nobody was found. What is damaged is left out, counted and reported.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from activity.errors import DatasetError
from activity.structures import KEYPOINT_COUNT, SceneMotion, Track, boxes_around_keypoints

COLUMNS: Final = 1 + 2 * KEYPOINT_COUNT
HR_CRIME_FRAME_RATE_HZ: Final = 30.0
"""The rate of UCF-Crime's videos, from which HR-Crime was made."""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """One person of one video.

    Attributes:
        category: Name of the category's folder.
        video: Name of the video's folder.
        person: Stem of the file.
        track: Times in seconds from frame 0 of the video; confidence 1 for every joint that is not 0, 0.
    """

    category: str
    video: str
    person: str
    track: Track


@dataclass(slots=True)
class ReadingReport:
    """What was read and what was not.

    Attributes:
        files: CSV files found.
        rows: Rows read.
        damaged_rows: File to number of rows left out: not 35 finite numbers, or a frame number that is negative,
            no whole number, or not above the one before.
        unreadable_files: File to reason; no row of these was used. A file without rows is among them.
        gaps: How often frame numbers skip, over all files.
        empty_rows: Rows in which every joint is missing; they are kept as frames without joints.
        skipped_categories: Categories left out on request.
        ignored_entries: Files and folders that the layout does not know.
    """

    files: int = 0
    rows: int = 0
    damaged_rows: dict[str, int] = field(default_factory=dict)
    unreadable_files: dict[str, str] = field(default_factory=dict)
    gaps: int = 0
    empty_rows: int = 0
    skipped_categories: list[str] = field(default_factory=list)
    ignored_entries: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Counts, and the names of what is damaged."""
        return {
            "files": self.files,
            "rows": self.rows,
            "damaged_rows": dict(self.damaged_rows),
            "unreadable_files": dict(self.unreadable_files),
            "gaps": self.gaps,
            "empty_rows": self.empty_rows,
            "skipped_categories": list(self.skipped_categories),
            "ignored_entries": list(self.ignored_entries),
        }


@dataclass(frozen=True, slots=True, eq=False)
class TrajectoryDataset:
    """People and videos of a folder of trajectories.

    Attributes:
        root: The folder.
        trajectories: Every person with at least one good row, in order of category, video and person.
        videos: Category of every video folder, by video name; videos without any person are among them.
        unlabelled_videos: Videos that `videos.json` names and that have no folder, hence no category.
        report: What was read and what was not.
        motions: How the picture of a video moved, by video name, where the data tell.
    """

    root: Path
    trajectories: tuple[Trajectory, ...]
    videos: Mapping[str, str]
    unlabelled_videos: tuple[str, ...]
    report: ReadingReport
    motions: Mapping[str, SceneMotion] = field(default_factory=dict)

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, in alphabetical order."""
        return tuple(sorted(set(self.videos.values())))


def read_hr_crime(
    root: Path, *, frame_rate_hz: float = HR_CRIME_FRAME_RATE_HZ, skip_normal: bool = False
) -> TrajectoryDataset:
    """Read all trajectories under `root`.

    Args:
        root: The folder that holds the categories, or one above a folder `Trajectories` that does.
        frame_rate_hz: Frames a second of videos that `videos.json` does not name.
        skip_normal: Leave out categories with "Normal" in the name, as the paper does.

    Raises:
        DatasetError: If there is no such folder, no category in it, no readable trajectory at all, two videos of
            one name in different categories, or a damaged `videos.json`.
    """
    if (root / "Trajectories").is_dir():
        root = root / "Trajectories"
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; expected <Category>/<video>/<person>.csv in it")
    rates = _frame_rates(root / "videos.json")
    report = ReadingReport()
    trajectories: list[Trajectory] = []
    videos: dict[str, str] = {}
    for category in _folders(root, report, known_files=("videos.json",)):
        if skip_normal and "Normal" in category.name:
            report.skipped_categories.append(category.name)
            continue
        for video in _folders(category, report):
            if video.name in videos:
                raise DatasetError(
                    f"{video}: the video {video.name!r} lies in {videos[video.name]!r} too; "
                    "give videos of different categories different names"
                )
            videos[video.name] = category.name
            rate_hz = rates.get(video.name, frame_rate_hz)
            trajectories += read_video_folder(
                video, category=category.name, video=video.name, rate_hz=rate_hz, report=report
            )
    if not trajectories:
        raise DatasetError(
            f"{root}: no readable trajectory ({report.files} CSV files); expected <Category>/<video>/<person>.csv "
            f"with {COLUMNS} columns: frame, x0, y0, ..., x16, y16"
        )
    unlabelled = tuple(sorted(set(rates) - set(videos))) if not report.skipped_categories else ()
    return TrajectoryDataset(root, tuple(trajectories), videos, unlabelled, report)


def _folders(parent: Path, report: ReadingReport, known_files: tuple[str, ...] = ()) -> list[Path]:
    folders = []
    for entry in sorted(parent.iterdir()):
        if entry.is_dir():
            folders.append(entry)
        elif entry.name not in known_files:
            report.ignored_entries.append(str(entry))
    return folders


def read_video_folder(
    folder: Path, *, category: str, video: str, rate_hz: float, report: ReadingReport
) -> list[Trajectory]:
    """Read the people of one video, one CSV file each; what is damaged goes into `report`."""
    found: list[Trajectory] = []
    entries = sorted(folder.iterdir(), key=lambda path: (len(path.stem), path.stem))  # 2 before 10
    for entry in entries:
        if entry.suffix.lower() != ".csv" or not entry.is_file():
            report.ignored_entries.append(str(entry))
            continue
        report.files += 1
        track = _read_person(entry, len(found) + 1, rate_hz, report)
        if track is not None:
            found.append(Trajectory(category, video, entry.stem, track))
    return found


def _read_person(path: Path, track_id: int, rate_hz: float, report: ReadingReport) -> Track | None:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [_parse_row(row) for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        report.unreadable_files[str(path)] = str(error)
        return None
    frames: list[int] = []
    joints: list[list[float]] = []
    damaged = 0
    for row in rows:
        if row is None or (frames and row[0] <= frames[-1]):
            damaged += 1
            continue
        frames.append(int(row[0]))
        joints.append(row[1:])
    if damaged:
        report.damaged_rows[str(path)] = damaged
    if not frames:
        report.unreadable_files[str(path)] = "no rows" if not rows else f"all {damaged} rows are damaged"
        return None
    report.rows += len(frames)
    report.gaps += int((np.diff(frames) > 1).sum())
    positions = np.asarray(joints, dtype=np.float32).reshape(-1, KEYPOINT_COUNT, 2)
    seen = (positions != 0).any(axis=2, keepdims=True).astype(np.float32)
    report.empty_rows += int((seen.sum(axis=(1, 2)) == 0).sum())
    keypoints = np.concatenate([positions, seen], axis=2)
    return Track(
        track_id=track_id,
        frame_indices=np.asarray(frames, dtype=np.int64),
        times_s=np.asarray(frames, dtype=np.float64) / rate_hz,
        keypoints=keypoints,
        boxes=boxes_around_keypoints(keypoints),
        scores=np.ones(len(frames), dtype=np.float32),
    )


def _parse_row(row: list[str]) -> list[float] | None:
    """The row's numbers, or `None` where it is damaged."""
    try:
        values = [float(cell) for cell in row]
    except ValueError:
        return None
    if len(values) != COLUMNS or not all(math.isfinite(value) and abs(value) < 1e7 for value in values):
        return None
    return values if values[0] >= 0 and values[0].is_integer() else None


def _frame_rates(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rates = {str(name): float(facts["frame_rate_hz"]) for name, facts in content.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(
            f'{path}: expected {{"<video>": {{"frame_rate_hz": 25.0, ...}}, ...}}, got {error!r}; mend or remove it'
        ) from error
    wrong = [name for name, rate in rates.items() if not (math.isfinite(rate) and rate > 0)]
    if wrong:
        raise DatasetError(f"{path}: expected frame rates above 0, got others for {', '.join(wrong[:5])}")
    return rates
