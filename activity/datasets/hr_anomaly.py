"""Trajectories of HR-ShanghaiTech and HR-Avenue: people without a class, in an optional folder for each camera.

`<root>/trajectories/[<camera>/]<video>/<person>.csv` with HR-Crime's columns (Morais et al., "Learning regularity in
skeleton trajectories for anomaly detection in videos", CVPR 2019). Their training parts show normal life only.
"""

from __future__ import annotations

from pathlib import Path

from activity.datasets.hr_crime import (
    ReadingReport,
    Trajectory,
    TrajectoryDataset,
    read_video_folder,
)
from activity.errors import DatasetError

AVENUE_RATE_HZ = 25.0
SHANGHAITECH_RATE_HZ = 24.0


def read_hr_anomaly(
    root: Path, *, category: str = "Normal", frame_rate_hz: float = SHANGHAITECH_RATE_HZ
) -> TrajectoryDataset:
    """Read all trajectories under `root`.

    Args:
        root: A folder `trajectories`, or one that holds it.
        category: The class that all videos get.
        frame_rate_hz: Frames a second of the videos.

    Returns:
        A data set of one category; a video of a camera is named `<camera>_<video>`.

    Raises:
        DatasetError: If there is no such folder or no readable trajectory in it.
    """
    if (root / "trajectories").is_dir():
        root = root / "trajectories"
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; expected trajectories/[<camera>/]<video>/<person>.csv")
    report = ReadingReport()
    found: list[Trajectory] = []
    videos: dict[str, str] = {}
    for folder, name in _video_folders(root, report):
        if name in videos:
            raise DatasetError(f"{folder}: a second video named {name!r}; rename one of them")
        videos[name] = category
        found += read_video_folder(
            folder, category=category, video=name, rate_hz=frame_rate_hz, report=report
        )
    if not found:
        raise DatasetError(
            f"{root}: no readable trajectory ({report.files} CSV files); expected [<camera>/]<video>/<person>.csv"
        )
    return TrajectoryDataset(root, tuple(found), videos, (), report)


def _video_folders(root: Path, report: ReadingReport) -> list[tuple[Path, str]]:
    """Folders that hold files, with the names of their videos; a folder of folders is a camera."""
    result = []
    for entry in sorted(root.iterdir()):
        if not entry.is_dir():
            report.ignored_entries.append(str(entry))
            continue
        inner = [child for child in sorted(entry.iterdir()) if child.is_dir()]
        if inner:
            result += [(child, f"{entry.name}_{child.name}") for child in inner]
            report.ignored_entries += [str(child) for child in sorted(entry.iterdir()) if child.is_file()]
        else:
            result.append((entry, entry.name))
    return result
