"""People of clips that `activity analyze` has followed, and how the picture moved: its reports as training input.

A report keeps every track with its keypoints, so a recogniser can learn from just what the pipeline will show it.
The class is the name of the folder that the clip lay in, unless the caller knows better.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import numpy as np
from pydantic import BaseModel, ValidationError

from activity.datasets.hr_crime import ReadingReport, Trajectory, TrajectoryDataset
from activity.errors import DatasetError, StructureError
from activity.report.schema import SceneMotionEntry, TrackEntry
from activity.structures import SceneMotion


class _Clip(BaseModel):
    path: str


class _Report(BaseModel):
    """What is read of a report; reports of earlier versions have these parts too."""

    clip: _Clip
    tracks: list[TrackEntry]
    scene_motion: SceneMotionEntry | None = None


def read_reports(root: Path, *, class_names: Mapping[str, str] | None = None) -> TrajectoryDataset:
    """Read every `report.json` under `root`.

    Args:
        root: What was given to `activity analyze --out`.
        class_names: Folder of the clip to the class that it stands for; a folder that is not named here is its own
            class.

    Returns:
        A data set whose videos are the stems of the clips, with the motion of their pictures. Unreadable reports are counted in its report, with the
        reason; so are gaps and frames without a joint.

    Raises:
        DatasetError: If there is no folder or no readable report with a person, or two reports are of clips of one
            name.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; name what was given to activity analyze --out")
    reading = ReadingReport()
    trajectories: list[Trajectory] = []
    videos: dict[str, str] = {}
    motions: dict[str, SceneMotion] = {}
    for path in sorted(root.rglob("report.json")):
        reading.files += 1
        try:
            report = _Report.model_validate_json(path.read_bytes())
            tracks = [entry.to_track() for entry in report.tracks]
            motion = None if report.scene_motion is None else report.scene_motion.to_motion()
        except (OSError, ValidationError, StructureError) as error:
            reading.unreadable_files[str(path)] = str(error).splitlines()[0]
            continue
        clip = PureWindowsPath(report.clip.path)  # knows both kinds of slashes
        if clip.stem in videos:
            raise DatasetError(f"{path}: a second report of a clip named {clip.stem!r}; remove one of them")
        category = (class_names or {}).get(clip.parent.name, clip.parent.name)
        if not category:
            raise DatasetError(
                f"{path}: the clip {report.clip.path!r} lay in no folder that could name its class"
            )
        videos[clip.stem] = category
        if motion is not None:
            motions[clip.stem] = motion
        for track in tracks:
            reading.rows += len(track.frame_indices)
            steps = np.diff(track.frame_indices)
            reading.gaps += int((steps > 2 * np.median(steps)).sum()) if len(steps) else 0
            reading.empty_rows += int((track.keypoints[:, :, 2] == 0).all(axis=1).sum())
            trajectories.append(Trajectory(category, clip.stem, str(track.track_id), track))
    if not trajectories:
        reasons = "; ".join(list(reading.unreadable_files.values())[:3])
        raise DatasetError(
            f"{root}: no person in {reading.files} report.json files{': ' if reasons else ''}{reasons}; expected "
            "reports of activity analyze"
        )
    trajectories.sort(key=lambda one: (one.category, one.video, one.track.track_id))
    return TrajectoryDataset(root, tuple(trajectories), videos, (), reading, motions)
