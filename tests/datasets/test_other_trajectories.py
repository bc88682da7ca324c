from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity.datasets.coco_tracks import read_coco_tracks
from activity.datasets.generated import HR_CRIME_CLASSES, write_generated
from activity.datasets.hr_anomaly import read_hr_anomaly
from activity.datasets.hr_crime import read_hr_crime
from activity.datasets.reports import read_reports
from activity.errors import DatasetError, OutputError
from activity.structures import MOTION_MEASURES

POSE = [value for joint in range(17) for value in (10.0 + joint, 20.0 + joint, 2)]


def coco(path: Path, *, annotations: list[dict[str, Any]], **image: object) -> Path:
    images = [
        {
            "id": frame,
            "file_name": f"Fighting/a/{frame}.jpg",
            "video": "a",
            "frame": frame,
            "category": "Fighting",
        }
        | image
        for frame in range(4)
    ]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return path


def person(image: int, track: int | None, keypoints: list[float] | None = None) -> dict[str, Any]:
    return {"image_id": image, "track_id": track, "keypoints": POSE if keypoints is None else keypoints}


def test_tracked_people_of_a_coco_file_become_trajectories(tmp_path: Path) -> None:
    path = coco(
        tmp_path / "x.json",
        annotations=[person(0, 7), person(1, 7), person(3, 7), person(2, 9)],
        frame_rate_hz=10.0,
    )
    dataset = read_coco_tracks(path)
    assert [(t.video, t.person, len(t.track.frame_indices)) for t in dataset.trajectories] == [
        ("a", "7", 3),
        ("a", "9", 1),
    ]
    assert dataset.trajectories[0].track.times_s.tolist() == [0, 0.1, 0.3]
    assert dataset.trajectories[0].track.keypoints[0, 2].tolist() == [12, 22, 1]
    assert dataset.videos == {"a": "Fighting"}
    assert dataset.report.gaps == 1


def test_people_of_no_use_in_a_coco_file_are_counted(tmp_path: Path) -> None:
    bad = [
        person(0, None),
        person(1, 1, POSE[:-3]),
        person(9, 1),
        person(2, 1, [0.0] * 51),
        person(3, 1),
        person(3, 1),
    ]
    path = coco(tmp_path / "x.json", annotations=bad)
    dataset = read_coco_tracks(path)
    assert dataset.report.rows == 1
    assert dataset.report.damaged_rows == {str(path): 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "expected COCO keypoints with `video` and `frame`"),
        ('{"images": [{"id": 1, "file_name": "a/1.jpg"}], "annotations": []}', "vid_id"),
        ('{"images": [], "annotations": []}', "nobody is tracked in 0 annotations"),
    ],
)
def test_a_coco_file_without_tracks_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DatasetError, match=words):
        read_coco_tracks(tmp_path / "x.json")


def write_row(path: Path, frames: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join([str(f), *(["5.0"] * 34)]) for f in range(frames)) + "\n")


def test_shanghaitech_has_a_folder_for_each_camera_and_avenue_has_none(tmp_path: Path) -> None:
    write_row(tmp_path / "trajectories" / "01" / "0014" / "0001.csv")
    write_row(tmp_path / "trajectories" / "02" / "0014" / "0001.csv")
    write_row(tmp_path / "trajectories" / "07" / "0001.csv", frames=5)
    dataset = read_hr_anomaly(tmp_path, frame_rate_hz=25.0)
    assert dataset.videos == {"01_0014": "Normal", "02_0014": "Normal", "07": "Normal"}
    assert [len(t.track.frame_indices) for t in dataset.trajectories] == [3, 3, 5]
    assert dataset.trajectories[2].track.times_s[-1] == pytest.approx(4 / 25)


def test_a_folder_that_is_no_anomaly_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        read_hr_anomaly(tmp_path / "none")
    with pytest.raises(DatasetError, match="no readable trajectory"):
        read_hr_anomaly(tmp_path)


def report(path: Path, clip: str, tracks: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"schema_version": "1.0", "clip": {"path": clip, "codec": "h264"}, "tracks": tracks})
    )


def track(frames: list[int]) -> dict[str, Any]:
    count = len(frames)
    return {
        "track_id": 1, "start_s": 0.0, "end_s": 1.0, "frames": count, "frame_indices": frames,
        "times_s": [f / 10 for f in frames], "boxes": [[0, 0, 9, 9]] * count, "scores": [0.5] * count,
        "keypoints": [[[1, 2, 0.5]] * 16 + [[0, 0, 0]]] * count,
    }  # fmt: skip


def test_reports_of_our_own_become_trajectories_with_the_clips_folder_as_class(tmp_path: Path) -> None:
    report(tmp_path / "a" / "report.json", "clips/fight/a.mp4", [track([0, 1, 2, 7])])
    report(tmp_path / "b" / "report.json", "clips\\no_fight\\b.mp4", [])
    dataset = read_reports(tmp_path, class_names={"fight": "Fighting"})
    assert dataset.videos == {"a": "Fighting", "b": "no_fight"}
    assert len(dataset.trajectories) == 1
    assert dataset.trajectories[0].track.keypoints[0, 0].tolist() == pytest.approx([1, 2, 0.5])
    assert (dataset.report.rows, dataset.report.gaps) == (4, 1)


def test_a_report_gives_the_motion_of_its_picture_too(tmp_path: Path) -> None:
    report(tmp_path / "a" / "report.json", "clips/fight/a.mp4", [track([0, 1])])
    motion = {"measures": MOTION_MEASURES, "times_s": [0.1, 0.2], "values": [[1.5] * 17, [0.25] * 17]}
    report(tmp_path / "b" / "report.json", "clips/fight/b.mp4", [track([0, 1])])
    path = tmp_path / "b" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scene_motion": motion}))
    dataset = read_reports(tmp_path)
    assert set(dataset.motions) == {"b"}
    assert dataset.motions["b"].measures[1, 3] == 0.25


def test_damaged_reports_are_counted_and_two_of_one_clip_refused(tmp_path: Path) -> None:
    report(tmp_path / "a" / "report.json", "fight/a.mp4", [track([0, 1])])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "report.json").write_text("{}")
    report(tmp_path / "wrong" / "report.json", "fight/c.mp4", [track([1, 0])])
    dataset = read_reports(tmp_path)
    assert len(dataset.report.unreadable_files) == 2
    report(tmp_path / "again" / "report.json", "other/a.mp4", [])
    with pytest.raises(DatasetError, match="second report of a clip named 'a'"):
        read_reports(tmp_path)


def test_a_folder_without_reports_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no person in 0 report\.json files; expected"):
        read_reports(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        read_reports(tmp_path / "none")


def test_generated_people_are_read_back_as_hr_crime(tmp_path: Path) -> None:
    dataset = read_hr_crime(write_generated(tmp_path / "g", videos=1, people=2, frames=12))
    assert dataset.categories == tuple(sorted(HR_CRIME_CLASSES))
    assert len(dataset.trajectories) == 26
    assert not dataset.report.damaged_rows
    positions = dataset.trajectories[0].track.keypoints[:, :, :2]
    assert positions.shape == (12, 17, 2)
    assert 0 < float((positions == 0).all(axis=2).mean()) < 0.1


def test_generated_people_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    texts = []
    for name in ("a", "b"):
        root = write_generated(tmp_path / name, videos=1, people=1, frames=5)
        texts.append([path.read_text() for path in sorted(root.rglob("*.csv"))])
    assert texts[0] == texts[1]
    assert len({*texts[0]}) == 13
    with pytest.raises(OutputError, match="expected an empty folder"):
        write_generated(tmp_path / "a")


def test_classes_move_differently(tmp_path: Path) -> None:
    root = write_generated(tmp_path / "g", videos=1, people=1, frames=60)
    speeds = {}
    for trajectory in read_hr_crime(root).trajectories:
        wrist = trajectory.track.keypoints[:, 9]
        seen = wrist[:, 2] > 0
        speeds[trajectory.category] = np.abs(np.diff(wrist[seen, 0])).mean()
    assert max(speeds.values()) > 2 * min(speeds.values())
