"""Reviewed incidents for annotators: "CVAT for video 1.1" XML, one file an incident, beside which the clip is opened."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from activity.service.corrections.reviewed import ReviewedIncident
from activity.service.corrections.trajectories import make_empty
from activity.structures import COCO_KEYPOINT_NAMES, Track

PERSON: Final = "person"
SKELETON: Final = "skeleton"
UNLABELLED: Final = "unlabelled"


def write_cvat(incidents: Iterable[ReviewedIncident], root: Path) -> int:
    """Write ``<incident>.xml``: each person's box with its activity, and the skeleton.

    Frame numbers are those of the decoded clip, so tasks are made of the clip itself. CVAT interpolates between the
    frames that were analysed; where a person was lost, boxes are marked as outside. Outside the incident, and for
    people whom it is not about, the activity is ``unlabelled``: nobody has judged it.

    Returns:
        Number of files.

    Raises:
        OutputError: If the folder cannot be written or is not empty.
    """
    make_empty(root)
    count = 0
    for incident in incidents:
        tree = ET.ElementTree(_annotations(incident))
        ET.indent(tree)
        tree.write(root / f"{incident.incident_id}.xml", encoding="utf-8", xml_declaration=True)
        count += 1
    return count


def _annotations(incident: ReviewedIncident) -> ET.Element:
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    task = ET.SubElement(ET.SubElement(root, "meta"), "task")
    for name, text in (
        ("name", incident.incident_id),
        ("mode", "interpolation"),
        ("source", f"clip with SHA-256 {incident.clip_sha256}"),
    ):
        ET.SubElement(task, name).text = text
    size = ET.SubElement(task, "original_size")
    ET.SubElement(size, "width").text = str(incident.width)
    ET.SubElement(size, "height").text = str(incident.height)
    labels = ET.SubElement(task, "labels")
    _label(labels, PERSON, "rectangle", attributes=("activity", "track_id"))
    _label(labels, SKELETON, "skeleton", attributes=("track_id",))
    for name in COCO_KEYPOINT_NAMES:
        _label(labels, name, "points", parent=SKELETON)
    for number, track in enumerate(incident.tracks):
        root.append(_boxes(track, 2 * number, incident))
        root.append(_skeletons(track, 2 * number + 1))
    return root


def _label(
    labels: ET.Element, name: str, kind: str, *, attributes: tuple[str, ...] = (), parent: str | None = None
) -> None:
    label = ET.SubElement(labels, "label")
    ET.SubElement(label, "name").text = name
    ET.SubElement(label, "type").text = kind
    holder = ET.SubElement(label, "attributes")
    for attribute in attributes:
        entry = ET.SubElement(holder, "attribute")
        ET.SubElement(entry, "name").text = attribute
        ET.SubElement(entry, "mutable").text = "True" if attribute == "activity" else "False"
        ET.SubElement(entry, "input_type").text = "text"
    if parent is not None:
        ET.SubElement(label, "parent").text = parent


def _boxes(track: Track, number: int, incident: ReviewedIncident) -> ET.Element:
    element = ET.Element("track", id=str(number), label=PERSON, source="auto")
    lost_after = _lost_after(track)
    for position, index in enumerate(track.frame_indices.tolist()):
        inside = incident.start_s <= track.times_s[position] <= incident.end_s
        judged = inside and track.track_id in incident.track_ids
        values = (track.track_id, incident.label if judged else UNLABELLED)
        _box(element, track, position, index, values, outside=False)
        if position in lost_after:
            _box(element, track, position, index + 1, values, outside=True)
    return element


def _box(
    element: ET.Element, track: Track, position: int, index: int, values: tuple[int, str], *, outside: bool
) -> None:
    corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), track.boxes[position].tolist(), strict=True))
    state = {
        "frame": str(index),
        "outside": str(int(outside)),
        "occluded": "0",
        "keyframe": "1",
        "z_order": "0",
    }
    box = ET.SubElement(element, "box", state | {name: f"{value:.2f}" for name, value in corners.items()})
    ET.SubElement(box, "attribute", name="track_id").text = str(values[0])
    ET.SubElement(box, "attribute", name="activity").text = values[1]


def _skeletons(track: Track, number: int) -> ET.Element:
    element = ET.Element("track", id=str(number), label=SKELETON, source="auto")
    lost_after = _lost_after(track)
    for position, index in enumerate(track.frame_indices.tolist()):
        _skeleton(element, track, position, index, outside=False)
        if position in lost_after:
            _skeleton(element, track, position, index + 1, outside=True)
    return element


def _skeleton(element: ET.Element, track: Track, position: int, index: int, *, outside: bool) -> None:
    skeleton = ET.SubElement(element, "skeleton", frame=str(index), keyframe="1", z_order="0")
    ET.SubElement(skeleton, "attribute", name="track_id").text = str(track.track_id)
    for name, (x, y, confidence) in zip(COCO_KEYPOINT_NAMES, track.keypoints[position].tolist(), strict=True):
        ET.SubElement(
            skeleton,
            "points",
            label=name,
            frame=str(index),
            outside=str(int(outside or confidence == 0)),
            occluded="0",
            keyframe="1",
            points=f"{x:.2f},{y:.2f}",
        )


def _lost_after(track: Track) -> frozenset[int]:
    """Positions after which the person is not seen for longer than between two analysed frames, the last among them."""
    steps = np.diff(track.frame_indices)
    usual = int(np.median(steps)) if len(steps) else 1
    return frozenset([*np.flatnonzero(steps > max(2 * usual, 2)).tolist(), len(track) - 1])
