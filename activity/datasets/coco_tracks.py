"""People through time in a COCO keypoint file, as PoseTrack extends it.

Beyond COCO's fields an image names its `video` (or `vid_id`) and its `frame` (or `frame_id`), a person a `track_id`.
An image's `category`, or else the folder of its file name, is the class of its video.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from activity.datasets.hr_crime import HR_CRIME_FRAME_RATE_HZ, ReadingReport, Trajectory, TrajectoryDataset
from activity.errors import DatasetError
from activity.structures import KEYPOINT_COUNT, Track, boxes_around_keypoints


def read_coco_tracks(path: Path, *, frame_rate_hz: float = HR_CRIME_FRAME_RATE_HZ) -> TrajectoryDataset:
    """Read the tracked people of a COCO keypoint file.

    A keypoint of visibility 0 is missing. People without a track, without a joint or with other than 17 keypoints,
    and second people of one track in one frame, are left out and counted as damaged rows.

    Args:
        path: The JSON file.
        frame_rate_hz: Frames a second, where a video says nothing itself (`frame_rate_hz` of its images).

    Raises:
        DatasetError: If the file is no such JSON, an image lacks a field, or nobody is tracked.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = {int(image["id"]): _image(image, frame_rate_hz) for image in content["images"]}
        annotations = list(content["annotations"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path}: expected COCO keypoints with `video` and `frame` of each image, got {error!r}"
        ) from error
    report = ReadingReport(files=1)
    rows: dict[tuple[str, int], dict[int, list[float]]] = defaultdict(dict)
    for annotation in annotations:
        where = images.get(annotation.get("image_id"))
        points = annotation.get("keypoints")
        track = annotation.get("track_id")
        if where is None or track is None or not _is_pose(points):
            report.damaged_rows[str(path)] = report.damaged_rows.get(str(path), 0) + 1
            continue
        person = rows[where["video"], int(track)]
        if where["frame"] in person:
            report.damaged_rows[str(path)] = report.damaged_rows.get(str(path), 0) + 1
            continue
        person[where["frame"]] = points
        report.rows += 1
    if not rows:
        raise DatasetError(
            f"{path}: nobody is tracked in {len(annotations)} annotations; every person needs a `track_id` and 17 "
            "keypoints"
        )
    facts = {image["video"]: image for image in images.values()}
    numbers: dict[str, int] = defaultdict(int)
    trajectories = []
    for (video, track), person in sorted(rows.items()):
        numbers[video] += 1
        trajectories.append(
            Trajectory(
                facts[video]["category"],
                video,
                str(track),
                _track(numbers[video], person, facts[video]["rate_hz"]),
            )
        )
        report.gaps += int((np.diff(sorted(person)) > 1).sum())
    videos = {video: str(image["category"]) for video, image in facts.items()}
    return TrajectoryDataset(path, tuple(trajectories), videos, (), report)


def _image(image: dict[str, Any], frame_rate_hz: float) -> dict[str, Any]:
    name = PurePosixPath(str(image["file_name"]))
    category = image.get("category") or name.parent.name
    if not category:
        raise KeyError(f"category of image {image['id']}")
    return {
        "video": str(image["video"] if "video" in image else image["vid_id"]),
        "frame": int(image["frame"] if "frame" in image else image["frame_id"]),
        "category": str(category),
        "rate_hz": float(image.get("frame_rate_hz", frame_rate_hz)),
    }


def _is_pose(points: Any) -> bool:
    return (
        isinstance(points, list)
        and len(points) == 3 * KEYPOINT_COUNT
        and all(isinstance(value, int | float) and np.isfinite(value) for value in points)
        and any(value > 0 for value in points[2::3])
    )


def _track(number: int, person: dict[int, list[float]], rate_hz: float) -> Track:
    frames = np.array(sorted(person), dtype=np.int64)
    keypoints = np.array([person[int(frame)] for frame in frames], dtype=np.float32).reshape(
        -1, KEYPOINT_COUNT, 3
    )
    keypoints[:, :, 2] = keypoints[:, :, 2] > 0
    keypoints[keypoints[:, :, 2] == 0] = 0
    return Track(
        track_id=number,
        frame_indices=frames,
        times_s=frames / rate_hz,
        keypoints=keypoints,
        boxes=boxes_around_keypoints(keypoints),
        scores=np.ones(len(frames), dtype=np.float32),
    )
