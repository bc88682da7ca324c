"""Reviewed incidents as trajectories in the layout of HR-Crime, which `activity train recognizer` reads."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from activity.errors import OutputError
from activity.service.corrections.reviewed import ReviewedIncident
from activity.structures import Track


def write_trajectories(
    incidents: Iterable[ReviewedIncident], root: Path, *, skipped: dict[str, str]
) -> dict[str, int]:
    """Write ``<label>/<incident>/<person>.csv`` and ``videos.json``.

    The people whom a label is about are written from the begin to the end of the incident, pixels to 0.01. The format
    knows no confidences: a joint that was seen has its position, any other 0, 0. Reading gives times as frame number
    over frame rate, so clips with a frame rate that varies are shifted by that.

    Args:
        incidents: What people decided.
        root: A folder, made if it is missing; it must not hold trajectories yet.
        skipped: Filled with incidents that could not be written, and why.

    Returns:
        Label to number of people.

    Raises:
        OutputError: If the folder cannot be written or is not empty.
    """
    make_empty(root)
    videos: dict[str, Any] = {}
    people: dict[str, int] = {}
    for incident in incidents:
        involved = list(incident.involved())
        if not involved:
            skipped[incident.incident_id] = "nobody whom the alert names was seen within its time"
            continue
        folder = root / folder_name(incident.label) / incident.incident_id
        folder.mkdir(parents=True)
        for track, inside in involved:
            with (folder / f"{track.track_id}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(_row(track, int(i)) for i in inside)
        people[incident.label] = people.get(incident.label, 0) + len(involved)
        videos[incident.incident_id] = {
            "frame_rate_hz": incident.frame_rate_hz,
            "clip_sha256": incident.clip_sha256,
            "decision": incident.decision,
        }
    (root / "videos.json").write_text(json.dumps(videos, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return people


def make_empty(root: Path) -> None:
    """Make a folder that holds nothing.

    Raises:
        OutputError: If it cannot be made, or holds something.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise OutputError(f"{root}: expected an empty folder, so that old and new labels do not mix")
    except OSError as error:
        raise OutputError(f"{root}: cannot be made: {error.strerror}") from error


def folder_name(label: str) -> str:
    """A label that a person typed as the name of a folder: letters, digits, ``-``, ``_`` and inner spaces."""
    return re.sub(r"[^\w\- ]", "_", label).strip() or "_"


def _row(track: Track, position: int) -> list[str]:
    cells = [str(int(track.frame_indices[position]))]
    for x, y, confidence in track.keypoints[position].tolist():
        if confidence == 0:
            cells += ["0", "0"]
        else:
            at = (round(x, 2), round(y, 2))
            cells += [f"{value:.2f}" for value in (at if any(at) else (0.01, 0.01))]  # 0, 0 means "missing"
    return cells
