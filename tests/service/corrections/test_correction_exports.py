"""Reviewed incidents as training data: each format is read back by the reader that training uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from activity.datasets.coco_keypoints import read_coco_keypoints
from activity.datasets.hr_crime import read_hr_crime
from activity.datasets.yolo_boxes import read_yolo_boxes
from activity.errors import OutputError
from activity.report import ClipAnalysis, write_json
from activity.service.corrections import ReviewedIncident, collect_reviewed
from activity.service.corrections.cvat import write_cvat
from activity.service.corrections.pictures import write_pictures
from activity.service.corrections.trajectories import write_trajectories
from activity.service.database import Clip, Database, Incident, StepOutput, new_id
from activity.service.database.repository.incidents import add_incidents, add_review
from activity.service.database.repository.jobs import add_job
from activity.service.storage import FolderStorage
from activity.structures import (
    COCO_KEYPOINT_NAMES,
    ClipSummary,
    Detections,
    Evidence,
    SceneAlert,
    Track,
    VideoInfo,
)
from activity.video import VideoWriter, sha256_of

FRAMES = 40


def person(track_id: int, x: float) -> Track:
    """Somebody who stands at `x` in every second frame, with one joint that was never seen."""
    indices = np.arange(0, FRAMES, 2)
    keypoints = np.zeros((len(indices), 17, 3), np.float32)
    keypoints[..., 0] = x + np.arange(17) / 2
    keypoints[..., 1] = 10 + np.arange(17)
    keypoints[..., 2] = 0.9
    keypoints[:, 4] = 0
    boxes = np.tile(np.array([x, 8, x + 10, 30], np.float32), (len(indices), 1))
    return Track(track_id, indices, indices / 20, keypoints, boxes, np.ones(len(indices), np.float32))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoWriter(path, width=64, height=48, frame_rate_hz=20.0) as writer:
        for number in range(FRAMES):
            writer.write(np.full((48, 64, 3), 5 * number, np.uint8), number / 20)
    return path


@pytest.fixture
def reviewed(clip: Path, tmp_path: Path) -> Iterator[tuple[Database, FolderStorage, dict[str, str]]]:
    """One clip with four alerts: confirmed, corrected, dismissed, and one that nobody looked at."""
    database, storage = Database.open(f"sqlite:///{tmp_path / 'a.sqlite'}"), FolderStorage(tmp_path / "files")
    alerts = [
        SceneAlert(
            "fighting",
            "Fighting",
            "police",
            "severe",
            begin,
            end,
            0.9,
            ids,
            (Evidence("activity", "x", 0.9),),
        )
        for begin, end, ids in ((0.5, 1.0, (1,)), (1.2, 1.6, (1, 2)), (0.0, 0.3, (2,)), (0.0, 1.0, (1,)))
    ]
    weapon = Detections(np.array([[20, 20, 30, 28]], np.float32), np.array([0.9], np.float32), ("weapon",))
    analysis = ClipAnalysis(
        video=VideoInfo(Path("gate.mp4"), 64, 48, 20.0, FRAMES, 2.0, "h264"),
        sha256="0" * 64,
        frames_decoded=FRAMES,
        frames_analysed=FRAMES // 2,
        duration_s=2.0,
        damage=None,
        tracks=[person(1, 5.0), person(2, 40.0)],
        activities=[],
        summary=ClipSummary(None, None, {}, "rule", reason="none"),
        detections=[(10, 0.5, weapon)],
        holders=None,
        fire=None,
        alerts=[],
        models=[],
        timing_s={},
    )
    write_json(analysis, tmp_path / "report.json")
    storage.put("jobs/j/report.json", tmp_path / "report.json")
    storage.put("clips/c/file.mp4", clip)
    with database.write() as session:
        row = Clip(
            storage_key="clips/c/file.mp4",
            original_name="gate.mp4",
            sha256=sha256_of(clip),
            size_bytes=1,
            uploaded_by="key:ann",
        )
        session.add(row)
        session.flush()
        job = add_job(session, clip_id=row.id, submitted_by="key:ann")
        session.add(
            StepOutput(job_id=job.id, step="report", files={"report.json": {"key": "jobs/j/report.json"}})
        )
        made = add_incidents(session, job, alerts)
        add_review(session, made[0], reviewer="key:bo", decision="confirmed")
        add_review(session, made[1], reviewer="key:bo", decision="corrected", label="../Arson")
        add_review(session, made[2], reviewer="key:bo", decision="dismissed", reason="a hug")
        names = dict(zip(("confirmed", "corrected", "dismissed", "new"), (i.id for i in made), strict=True))
    yield database, storage, names
    database.close()


def collect(reviewed: tuple[Database, FolderStorage, dict[str, str]]) -> list[ReviewedIncident]:
    skipped: dict[str, str] = {}
    found = list(collect_reviewed(reviewed[0], reviewed[1], skipped=skipped))
    assert skipped == {}
    return found


def test_reviews_say_what_an_incident_is(reviewed: tuple[Database, FolderStorage, dict[str, str]]) -> None:
    found = {item.incident_id: item for item in collect(reviewed)}
    names = reviewed[2]
    assert names["new"] not in found
    assert {name: found[names[name]].label for name in ("confirmed", "corrected", "dismissed")} == {
        "confirmed": "Fighting",
        "corrected": "../Arson",
        "dismissed": "Normal",
    }
    assert found[names["confirmed"]].weapons == ((10, (20.0, 20.0, 30.0, 28.0)),)


def test_trajectories_come_back_through_the_reader_of_hr_crime(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    incidents, names = collect(reviewed), reviewed[2]
    skipped: dict[str, str] = {}
    people = write_trajectories(incidents, tmp_path / "out", skipped=skipped)
    assert (people, skipped) == ({"Fighting": 1, "../Arson": 2, "Normal": 1}, {})
    data = read_hr_crime(tmp_path / "out")
    assert dict(data.videos) == {
        names["confirmed"]: "Fighting",
        names["corrected"]: "___Arson",
        names["dismissed"]: "Normal",
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Fighting",
        "Normal",
        "___Arson",
        "videos.json",
    ]
    (fight,) = [t.track for t in data.trajectories if t.video == names["confirmed"]]
    truth = person(1, 5.0)
    inside = (truth.times_s >= 0.5) & (truth.times_s <= 1.0)
    np.testing.assert_array_equal(fight.frame_indices, truth.frame_indices[inside])
    np.testing.assert_allclose(fight.times_s, truth.times_s[inside])
    np.testing.assert_allclose(fight.keypoints[..., :2], truth.keypoints[inside][..., :2], atol=0.051)
    np.testing.assert_array_equal(fight.keypoints[..., 2] > 0, truth.keypoints[inside][..., 2] > 0)
    assert data.report.damaged_rows == {}


def test_coco_comes_back_with_everybody_in_each_picture(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    skipped: dict[str, str] = {}
    out = tmp_path / "out"
    counts = write_pictures(collect(reviewed), reviewed[1], out, "coco", skipped=skipped, per_incident=3)
    assert (counts["pictures"], counts["people"], skipped) == (9, 18, {})
    data = read_coco_keypoints(out / "annotations.json", out / "images")
    assert all(image.path.is_file() for image in data.images.values())
    assert {len(people) for people in data.people.values()} == {2}
    first, second = data.people[1]
    np.testing.assert_allclose(first.keypoints[5, :2], person(1, 5.0).keypoints[0, 5, :2], atol=0.051)
    assert first.keypoints[4, 2] == 0
    np.testing.assert_allclose(second.box, [40, 8, 50, 30], atol=0.051)
    with pytest.raises(OutputError, match="empty folder"):
        write_pictures(collect(reviewed), reviewed[1], out, "coco", skipped=skipped)


def test_pictures_are_the_frames_that_the_labels_were_made_on(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    import cv2  # noqa: PLC0415

    out = tmp_path / "out"
    write_pictures(collect(reviewed)[:1], reviewed[1], out, "coco", skipped={}, per_incident=2)
    for path in (out / "images").iterdir():
        frame = int(path.stem.rpartition("_")[2])
        assert frame in (10, 20)
        image = cv2.imread(str(path))
        assert image is not None
        assert abs(float(image.mean()) - 5 * frame) < 4  # frame n was painted 5 n


def test_yolo_comes_back_with_people_and_weapons(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    counts = write_pictures(collect(reviewed), reviewed[1], out, "yolo", skipped={}, per_incident=50)
    labels = read_yolo_boxes(out, class_count=2)
    assert len(labels) == counts["pictures"]
    assert counts["weapons"] == 1
    (armed,) = [item for item in labels if (item.classes == 1).any()]
    assert armed.path.stem.endswith("_0000010")
    np.testing.assert_allclose(
        armed.boxes[armed.classes == 1][0] * [64, 48, 64, 48], [20, 20, 30, 28], atol=0.01
    )
    np.testing.assert_allclose(armed.boxes[0] * [64, 48, 64, 48], [5, 8, 15, 30], atol=0.01)


def test_a_clip_whose_time_is_over_gives_trajectories_but_no_pictures(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    _, storage, names = reviewed
    storage.delete("clips/c/file.mp4")
    skipped: dict[str, str] = {}
    incidents = collect(reviewed)
    assert write_pictures(incidents, storage, tmp_path / "a", "yolo", skipped=skipped)["pictures"] == 0
    assert set(skipped) == {names["confirmed"], names["corrected"], names["dismissed"]}
    assert sum(write_trajectories(incidents, tmp_path / "b", skipped={}).values()) == 4


@pytest.mark.parametrize("option", ["redact", "skeleton_only"])
def test_what_was_not_to_be_shown_gives_trajectories_but_no_pictures(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path, option: str
) -> None:
    report = json.loads((tmp_path / "report.json").read_text())
    report["settings"] = {"output": {"redact": False, "skeleton_only": False, option: True}}
    (tmp_path / "hidden.json").write_text(json.dumps(report))
    _, storage, names = reviewed
    storage.delete("jobs/j/report.json")
    storage.put("jobs/j/report.json", tmp_path / "hidden.json")
    skipped: dict[str, str] = {}
    incidents = collect(reviewed)
    assert write_pictures(incidents, storage, tmp_path / "a", "coco", skipped=skipped)["pictures"] == 0
    assert list((tmp_path / "a").rglob("*.jpg")) == []
    assert set(skipped) == {names["confirmed"], names["corrected"], names["dismissed"]}
    assert sum(write_trajectories(incidents, tmp_path / "b", skipped={}).values()) == 4


def test_a_report_that_is_gone_is_named(reviewed: tuple[Database, FolderStorage, dict[str, str]]) -> None:
    reviewed[1].delete("jobs/j/report.json")
    skipped: dict[str, str] = {}
    assert list(collect_reviewed(reviewed[0], reviewed[1], skipped=skipped)) == []
    assert len(skipped) == 3


def test_cvat_holds_boxes_activities_and_skeletons(
    reviewed: tuple[Database, FolderStorage, dict[str, str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert write_cvat(collect(reviewed), out) == 3
    root = ET.parse(out / f"{reviewed[2]['corrected']}.xml").getroot()  # noqa: S314 - our own file
    assert root.findtext("version") == "1.1"
    tracks = root.findall("track")
    assert [track.get("label") for track in tracks] == ["person", "skeleton"] * 2
    truth = person(1, 5.0)
    boxes = [box for box in tracks[0].findall("box") if box.get("outside") == "0"]
    read = [[float(box.get(side, "nan")) for side in ("xtl", "ytl", "xbr", "ybr")] for box in boxes]
    np.testing.assert_allclose(read, truth.boxes, atol=0.051)
    assert [int(box.get("frame", "")) for box in boxes] == truth.frame_indices.tolist()
    activities = [box.findtext("attribute[@name='activity']") for box in boxes]
    inside = [1.2 <= time_s <= 1.6 for time_s in truth.times_s]
    assert activities == ["../Arson" if i else "unlabelled" for i in inside]
    last = tracks[0].findall("box")[-1]
    assert (last.get("outside"), last.get("frame")) == ("1", "39")
    joints = tracks[1].findall("skeleton")[0].findall("points")
    assert [joint.get("label") for joint in joints] == list(COCO_KEYPOINT_NAMES)
    assert [joint.get("outside") for joint in joints] == ["1" if i == 4 else "0" for i in range(17)]
    assert joints[5].get("points") == "7.50,15.00"


def test_somebody_who_was_lost_is_outside_in_between(tmp_path: Path) -> None:
    whole = person(1, 5.0)
    kept = [0, 1, 2, 9, 10, 11]
    track = Track(
        1,
        whole.frame_indices[kept],
        whole.times_s[kept],
        whole.keypoints[kept],
        whole.boxes[kept],
        whole.scores[kept],
    )
    incident = ReviewedIncident(
        new_id(), "c", "0" * 64, None, "confirmed", "Fighting", 0, 9, (1,), (track,), (), 64, 48, 20.0
    )
    write_cvat([incident], tmp_path / "out")
    boxes = ET.parse(tmp_path / "out" / f"{incident.incident_id}.xml").getroot().iter("box")  # noqa: S314
    assert [int(box.get("frame", "")) for box in boxes if box.get("outside") == "1"] == [5, 23]


def test_an_incident_without_its_people_is_left_out(tmp_path: Path) -> None:
    incident = ReviewedIncident(
        new_id(),
        "c",
        "0" * 64,
        None,
        "confirmed",
        "Fighting",
        50,
        60,
        (1,),
        (person(1, 5.0),),
        (),
        64,
        48,
        20.0,
    )
    skipped: dict[str, str] = {}
    assert write_trajectories([incident], tmp_path / "out", skipped=skipped) == {}
    assert list(skipped) == [incident.incident_id]


def test_incident_is_the_last_word(reviewed: tuple[Database, FolderStorage, dict[str, str]]) -> None:
    with reviewed[0].write() as session:
        incident = session.get_one(Incident, reviewed[2]["confirmed"])
        add_review(session, incident, reviewer="key:cy", decision="dismissed", reason="on second thought")
    labels = {item.incident_id: item.label for item in collect(reviewed)}
    assert labels[reviewed[2]["confirmed"]] == "Normal"
