"""Reviewed incidents as labelled pictures: COCO keypoints for pose networks, YOLO boxes for detectors.

Pictures are taken from the clip, evenly spread over the incident. Everybody who was followed is labelled in them,
not only those whom the alert names: a person without a label would teach a network to look past people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np

from activity.errors import OutputError, VideoError
from activity.service.corrections.reviewed import ReviewedIncident
from activity.service.corrections.trajectories import make_empty
from activity.service.storage import Storage
from activity.structures import COCO_KEYPOINT_NAMES, COCO_LIMBS, Frame, Track
from activity.video import VideoReader

PictureFormat = Literal["coco", "yolo"]
PICTURES_PER_INCIDENT: Final = 20
_JPEG_QUALITY: Final = 95
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    name: str
    frame: Frame
    people: list[tuple[Track, int]]  # the track, and the position in it
    weapons: list[Box]


def write_pictures(
    incidents: Iterable[ReviewedIncident],
    storage: Storage,
    root: Path,
    layout: PictureFormat,
    *,
    skipped: dict[str, str],
    per_incident: int = PICTURES_PER_INCIDENT,
) -> dict[str, int]:
    """Write ``images/`` and either ``annotations.json`` (COCO) or ``labels/`` (YOLO: 0 person, 1 weapon).

    Args:
        incidents: What people decided.
        storage: Holds the clips.
        root: A folder, made if it is missing; it must be empty.
        layout: Which of the two.
        skipped: Filled with incidents that could not be written, and why.
        per_incident: Pictures taken of one incident at most.

    Returns:
        Counts: ``pictures``, ``people``, ``weapons``.

    Raises:
        OutputError: If the folder cannot be written or is not empty.
    """
    make_empty(root)
    (root / "images").mkdir()
    if layout == "yolo":
        (root / "labels").mkdir()
        (root / "classes.txt").write_text("person\nweapon\n", encoding="utf-8")
    counts = {"pictures": 0, "people": 0, "weapons": 0}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    written: set[str] = set()
    for incident in incidents:
        for picture in _pictures(incident, storage, per_incident, skipped):
            if picture.name in written:  # two incidents of one clip at the same time
                continue
            written.add(picture.name)
            _write_image(root / "images" / f"{picture.name}.jpg", picture.frame)
            counts["pictures"] += 1
            counts["people"] += len(picture.people)
            counts["weapons"] += len(picture.weapons)
            if layout == "yolo":
                (root / "labels" / f"{picture.name}.txt").write_text(_yolo_lines(picture), encoding="utf-8")
            else:
                images.append(_coco_image(picture, len(images) + 1, incident))
                for track, position in picture.people:
                    annotations.append(
                        _coco_person(track, position, len(annotations) + 1, image_id=len(images))
                    )
    if layout == "coco":
        content = {"images": images, "annotations": annotations, "categories": [_coco_category()]}
        (root / "annotations.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
    return counts


def _pictures(
    incident: ReviewedIncident, storage: Storage, count: int, skipped: dict[str, str]
) -> Iterator[_Picture]:
    if incident.clip_key is None:
        skipped[incident.incident_id] = "the clip's time is over"
        return
    if not incident.pictures_allowed:
        skipped[incident.incident_id] = (
            "its analysis was to cover heads or to show no picture; trajectories hold none"
        )
        return
    wanted = _spread(incident, count)
    if not wanted:
        skipped[incident.incident_id] = "nobody was seen within its time"
        return
    try:
        with (
            storage.local_file(incident.clip_key) as path,
            VideoReader(path, max_side_px=max(incident.width, incident.height), allow_damaged=True) as reader,
        ):
            for frame in reader:
                if frame.index in wanted:
                    if (frame.width, frame.height) != (incident.width, incident.height):
                        skipped[incident.incident_id] = (
                            f"its frames are {frame.width}x{frame.height}, "
                            f"its report was made at {incident.width}x{incident.height}"
                        )
                        return
                    yield _Picture(
                        f"{incident.clip_id}_{frame.index:07d}",
                        frame,
                        wanted[frame.index],
                        [box for index, box in incident.weapons if index == frame.index],
                    )
                if frame.index >= max(wanted):
                    return
    except (VideoError, FileNotFoundError) as error:
        skipped[incident.incident_id] = f"the clip cannot be read: {error}"


def _spread(incident: ReviewedIncident, count: int) -> dict[int, list[tuple[Track, int]]]:
    """Frame index to the people in it, for at most `count` frames of the incident with somebody in them."""
    seen: dict[int, list[tuple[Track, int]]] = {}
    for track in incident.tracks:
        for position, (index, time_s) in enumerate(zip(track.frame_indices, track.times_s, strict=True)):
            if incident.start_s <= time_s <= incident.end_s:
                seen.setdefault(int(index), []).append((track, position))
    indices = sorted(seen)
    if len(indices) > count:
        places = np.linspace(0, len(indices) - 1, count).round().astype(int)
        indices = [indices[place] for place in places]
    return {index: seen[index] for index in indices}


def _write_image(path: Path, frame: Frame) -> None:
    good = cv2.imwrite(
        str(path), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    if not good:
        raise OutputError(f"{path}: cannot be written; choose a folder with room that you may write to")


def _yolo_lines(picture: _Picture) -> str:
    boxes: list[tuple[int, Box]] = [
        (0, tuple(track.boxes[position].tolist())) for track, position in picture.people
    ]
    boxes += [(1, box) for box in picture.weapons]
    width, height = picture.frame.width, picture.frame.height
    lines = []
    for kind, box in boxes:
        x0, x1 = (min(max(value, 0.0), width) / width for value in (box[0], box[2]))
        y0, y1 = (min(max(value, 0.0), height) / height for value in (box[1], box[3]))
        if x1 > x0 and y1 > y0:
            lines.append(f"{kind} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n")
    return "".join(lines)


def _coco_image(picture: _Picture, image_id: int, incident: ReviewedIncident) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": f"{picture.name}.jpg",
        "width": picture.frame.width,
        "height": picture.frame.height,
        "clip_sha256": incident.clip_sha256,
        "clip_frame": picture.frame.index,
    }


def _coco_person(track: Track, position: int, annotation_id: int, *, image_id: int) -> dict[str, Any]:
    x0, y0, x1, y1 = (float(value) for value in track.boxes[position])
    keypoints: list[float] = []
    for x, y, confidence in track.keypoints[position].tolist():
        keypoints += [round(x, 2), round(y, 2), 2] if confidence > 0 else [0, 0, 0]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": 1,
        "bbox": [round(x0, 2), round(y0, 2), round(x1 - x0, 2), round(y1 - y0, 2)],
        "area": round((x1 - x0) * (y1 - y0), 2),
        "iscrowd": 0,
        "keypoints": keypoints,
        "num_keypoints": int((track.keypoints[position][:, 2] > 0).sum()),
        "track_id": track.track_id,
    }


def _coco_category() -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(COCO_KEYPOINT_NAMES),
        "skeleton": [[a + 1, b + 1] for a, b in COCO_LIMBS],
    }
