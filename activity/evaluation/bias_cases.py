"""Cases of a bias audit: from annotated pictures, and from reports of clips whose truth is known."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from activity.association import link_holders
from activity.errors import DatasetError
from activity.evaluation.bias import Case
from activity.evaluation.pose_matching import MATCH_OKS, similarity_to_people
from activity.evaluation.pose_pictures import Estimate, LabelledPicture, find_poses, read_coco_pictures
from activity.pose.hands import find_hands
from activity.report import read_head
from activity.structures import Detections, Poses, box_iou

_FOUND_IOU: Final = 0.5


def cases_of_pictures(
    annotations: Path,
    images: Path,
    groups: Path,
    estimate: Estimate,
    *,
    score_threshold: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Case]:
    """Who was missed, whose pose is wrong, and to whom weapons were given wrongly.

    A person is missed where no box overlaps theirs by 0.5, a pose is wrong where none reaches OKS 0.5. Where weapons are
    annotated with a `holder` (a person's `track_id`), each is linked by its true box to the poses that were found.

    Args:
        annotations: COCO keypoints.
        images: Folder that its file names are relative to.
        groups: CSV with the columns ``annotation`` (a person's id) and ``group``; people without one are left out.
        estimate: Detector and pose estimator.
        score_threshold: Least score of a person who counts as found.
        progress: Called after each picture.

    Raises:
        DatasetError: If a file cannot be read, or no person has a group.
    """
    table = {row["annotation"]: row["group"] for row in _rows(groups, ("annotation", "group"))}
    content = json.loads(annotations.read_text(encoding="utf-8"))
    objects = {entry["id"] for entry in content.get("categories", ()) if "keypoints" not in entry}
    people: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    weapons: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in content["annotations"]:
        if entry.get("category_id") not in objects:
            people[int(entry["image_id"])].append(entry)
        elif "holder" in entry:
            weapons[int(entry["image_id"])].append(entry)
    if not any(str(entry["id"]) in table for entries in people.values() for entry in entries):
        raise DatasetError(f"{groups}: expected ids of people in {annotations}, none is there")
    order = [int(image["id"]) for image in content["images"]]
    pictures = read_coco_pictures(annotations, images)
    looked_at: list[tuple[int, LabelledPicture]] = [
        (image_id, picture)
        for image_id, picture in zip(order, pictures, strict=True)
        if any(str(entry["id"]) in table for entry in people[image_id])
    ]
    image_of = {id(picture.people): image_id for image_id, picture in looked_at}
    cases: list[Case] = []
    for posed in find_poses([picture for _, picture in looked_at], estimate, progress=progress):
        image_id = image_of[id(posed.people)]
        keep = posed.poses.scores >= score_threshold
        found = Poses(posed.poses.keypoints[keep], posed.poses.boxes[keep], posed.poses.scores[keep])
        member = [table.get(str(entry["id"])) for entry in people[image_id]]
        boxes = np.array([person.box for person in posed.people], np.float32).reshape(-1, 4)
        overlap = box_iou(found.boxes, boxes)
        similarity = similarity_to_people(found.keypoints, posed.people)
        for row, group in enumerate(member):
            if group is None or posed.people[row].is_crowd:
                continue
            missed = not bool((overlap[:, row] >= _FOUND_IOU).any())
            wrong = not bool((similarity[:, row] >= MATCH_OKS).any())
            cases += [Case("detection", group, missed), Case("pose", group, wrong)]
        cases += _holder_cases(weapons[image_id], people[image_id], member, found, overlap)
    return cases


def _holder_cases(
    weapons: Sequence[Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    groups: Sequence[str | None],
    found: Poses,
    overlap: npt.NDArray[np.float64],
) -> list[Case]:
    cases = []
    for weapon in weapons:
        row = next((i for i, entry in enumerate(people) if entry.get("track_id") == weapon["holder"]), None)
        group = None if row is None else groups[row]
        if row is None or group is None:
            continue
        x, y, width, height = (float(value) for value in weapon["bbox"])
        box = np.array([[x, y, x + width, y + height]], np.float32)
        (link,) = link_holders(
            frame_index=0,
            time_s=0.0,
            weapons=Detections(box, np.ones(1, np.float32), ("weapon",)),
            people=found,
            track_ids=np.arange(1, len(found) + 1),
            hands=find_hands(found.keypoints, found.boxes),
        )
        right = link.track_id is not None and overlap[link.track_id - 1, row] >= _FOUND_IOU
        cases.append(Case("holder", group, not right))
    return cases


def cases_of_reports(table: Path) -> list[Case]:
    """False and missed alerts of clips whose truth is known.

    Args:
        table: CSV with the columns ``report`` (path of a report.json, relative to the table), ``group`` and ``alert``
            (the label of the alert that there should be, empty for none).

    Raises:
        DatasetError: If the table cannot be read.
        OutputError: If a report cannot be read.
    """
    cases = []
    for row in _rows(table, ("report", "group", "alert")):
        labels = {alert.label for alert in read_head(table.parent / row["report"]).alerts}
        if row["alert"]:
            cases.append(Case("missed_alert", row["group"], row["alert"] not in labels))
        else:
            cases.append(Case("false_alert", row["group"], bool(labels)))
    return cases


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    if not rows or any(column not in rows[0] for column in columns):
        got = ", ".join(rows[0]) if rows else "nothing"
        raise DatasetError(f"{path}: expected a CSV with the columns {', '.join(columns)}, got {got}")
    return rows
