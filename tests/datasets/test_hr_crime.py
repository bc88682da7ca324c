from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from activity.datasets.clip_sources import read_clip_sources
from activity.datasets.hr_crime import read_hr_crime
from activity.errors import DatasetError


def row(frame: object, value: float = 10.0) -> str:
    return ",".join([str(frame), *[f"{value:.4f}"] * 34])


def write(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in rows))
    return path


def test_a_row_is_one_frame_of_one_person(tmp_path: Path) -> None:
    values = [str(v) for v in range(1, 35)]
    values[4:6] = ["0.0", "0.0"]  # the right eye is missing
    write(tmp_path / "Fighting" / "v1" / "0.csv", ",".join(["3", *values]), row(4))
    data = read_hr_crime(tmp_path)
    (person,) = data.trajectories
    assert (person.category, person.video, person.person) == ("Fighting", "v1", "0")
    assert person.track.frame_indices.tolist() == [3, 4]
    assert person.track.times_s.tolist() == [0.1, pytest.approx(4 / 30)]
    assert person.track.keypoints[0, 0].tolist() == [1, 2, 1]
    assert person.track.keypoints[0, 2].tolist() == [0, 0, 0]
    assert person.track.keypoints[0, 16].tolist() == [33, 34, 1]
    assert person.track.boxes[0].tolist() == [1, 2, 33, 34]
    assert data.videos == {"v1": "Fighting"}
    assert data.report.rows == 2


def test_people_and_videos_come_in_a_settled_order(tmp_path: Path) -> None:
    for category, video, person in [("B", "v2", "10"), ("B", "v2", "2"), ("A", "v3", "1"), ("B", "v1", "1")]:
        write(tmp_path / category / video / f"{person}.csv", row(0))
    data = read_hr_crime(tmp_path)
    assert [(t.category, t.video, t.person, t.track.track_id) for t in data.trajectories] == [
        ("A", "v3", "1", 1),
        ("B", "v1", "1", 1),
        ("B", "v2", "2", 1),
        ("B", "v2", "10", 2),
    ]
    assert data.categories == ("A", "B")


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(row(1)[:-8], id="a number is missing"),
        pytest.param(row(1) + ",5.0", id="a number too many"),
        pytest.param(row(1).replace("10.0000", "ten", 1), id="no number"),
        pytest.param(row(1, float("nan")), id="NaN"),
        pytest.param(row(1, float("inf")), id="infinite"),
        pytest.param(row(1, 1e30), id="no pixel"),
        pytest.param(row("1.5"), id="half a frame"),
        pytest.param(row(-1), id="negative frame"),
        pytest.param(row(0), id="frame twice"),
        pytest.param(row("frame"), id="a header"),
    ],
)
def test_a_damaged_row_is_left_out_and_counted(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path / "Fighting" / "v" / "1.csv", row(0), bad, row(2))
    data = read_hr_crime(tmp_path)
    assert data.trajectories[0].track.frame_indices.tolist() == [0, 2]
    assert data.report.damaged_rows == {str(path): 1}
    assert data.report.rows == 2


def test_gaps_and_empty_rows_are_counted_and_kept(tmp_path: Path) -> None:
    write(tmp_path / "Fighting" / "v" / "1.csv", row(0), row(1, 0.0), row(5), row(9))
    data = read_hr_crime(tmp_path)
    assert data.report.gaps == 2
    assert data.report.empty_rows == 1
    assert data.trajectories[0].track.frame_indices.tolist() == [0, 1, 5, 9]
    assert not data.trajectories[0].track.keypoints[1].any()


def test_files_without_a_good_row_are_named_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "A" / "v" / "1.csv", row(0))
    empty = write(tmp_path / "A" / "v" / "2.csv")
    broken = write(tmp_path / "A" / "v" / "3.csv", "a,b", "c")
    binary = tmp_path / "A" / "v" / "4.csv"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    data = read_hr_crime(tmp_path)
    assert len(data.trajectories) == 1
    assert data.report.files == 4
    assert data.report.unreadable_files[str(empty)] == "no rows"
    assert data.report.unreadable_files[str(broken)] == "all 2 rows are damaged"
    assert str(binary) in data.report.unreadable_files
    assert json.dumps(data.report.to_json())


def test_a_video_without_people_is_still_a_video(tmp_path: Path) -> None:
    write(tmp_path / "A" / "v1" / "1.csv", row(0))
    (tmp_path / "Normal" / "v2").mkdir(parents=True)
    data = read_hr_crime(tmp_path)
    assert data.videos == {"v1": "A", "v2": "Normal"}


def test_videos_json_gives_frame_rates_and_names_videos_without_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "A" / "v1" / "1.csv", row(0), row(5))
    write(tmp_path / "A" / "v2" / "1.csv", row(0), row(5))
    (tmp_path / "videos.json").write_text('{"v1": {"frame_rate_hz": 25.0}, "v9": {"frame_rate_hz": 30}}')
    data = read_hr_crime(tmp_path, frame_rate_hz=10)
    assert [t.track.times_s[-1] for t in data.trajectories] == [0.2, 0.5]
    assert data.unlabelled_videos == ("v9",)


@pytest.mark.parametrize("content", ["[", "[1]", '{"v": 3}', '{"v": {}}', '{"v": {"frame_rate_hz": 0}}'])
def test_a_damaged_videos_json_is_named(tmp_path: Path, content: str) -> None:
    write(tmp_path / "A" / "v1" / "1.csv", row(0))
    (tmp_path / "videos.json").write_text(content)
    with pytest.raises(DatasetError, match=r"videos\.json: expected"):
        read_hr_crime(tmp_path)


def test_normal_categories_are_kept_unless_the_papers_protocol_asks(tmp_path: Path) -> None:
    write(tmp_path / "Trajectories" / "Abuse" / "v1" / "1.csv", row(0))
    write(tmp_path / "Trajectories" / "Testing_Normal" / "v2" / "1.csv", row(0))
    assert read_hr_crime(tmp_path).categories == ("Abuse", "Testing_Normal")
    paper = read_hr_crime(tmp_path, skip_normal=True)
    assert paper.categories == ("Abuse",)
    assert paper.report.skipped_categories == ["Testing_Normal"]


def test_what_the_layout_does_not_know_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "A" / "v1" / "1.csv", row(0))
    notes = [
        write(tmp_path / "notes.txt"),
        write(tmp_path / "A" / "stray.csv"),
        write(tmp_path / "A" / "v1" / "x.txt"),
    ]
    assert sorted(read_hr_crime(tmp_path).report.ignored_entries) == sorted(map(str, notes))


def test_one_name_in_two_categories_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "A" / "v1" / "1.csv", row(0))
    write(tmp_path / "B" / "v1" / "1.csv", row(0))
    with pytest.raises(DatasetError, match="the video 'v1' lies in 'A' too"):
        read_hr_crime(tmp_path)


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        read_hr_crime(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"no readable trajectory \(0 CSV files\)"):
        read_hr_crime(tmp_path)


def test_sources_of_clips_and_classes_of_videos_without_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "data" / "Fighting" / "fi1" / "1.csv", row(0))
    write(tmp_path / "data" / "Normal" / "no1" / "1.csv", row(0))
    rates = {name: {"frame_rate_hz": 30} for name in ("fi1", "no1", "fi2", "other")}
    (tmp_path / "data" / "videos.json").write_text(json.dumps(rates))
    table = write(
        tmp_path / "sources.csv",
        *("clip,source", "fight/fi1.mp4,s1", "fight/fi2.mp4,s1", "no_fight/no1.mp4,s2"),
    )
    sources = read_clip_sources(table)
    assert sources.sources == {"fi1": "s1", "fi2": "s1", "no1": "s2"}
    assert sources.categories_of(read_hr_crime(tmp_path / "data")) == {"fi2": "Fighting"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("clip,source", "fight/a.mp4,"), "line 2: expected a clip and a source"),
        (("name,source", "fight/a.mp4,s1"), "line 2: expected a clip and a source"),
        (("clip,source", "x/a.mp4,s1", "y/a.mp4,s1"), "line 3: the clip 'a' is named twice"),
        (("clip,source",), "expected one row a clip, got none"),
    ],
)
def test_a_damaged_table_of_sources_is_named_by_line(
    tmp_path: Path, rows: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        read_clip_sources(write(tmp_path / "sources.csv", *rows))


def test_a_missing_table_of_sources_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"sources\.csv: cannot be read"):
        read_clip_sources(tmp_path / "sources.csv")


@pytest.mark.real_data
def test_the_trajectories_of_the_real_clips_are_whole(shared_data: Path) -> None:
    data = read_hr_crime(shared_data / "trajectories")
    assert data.categories == ("Fighting", "Normal")
    assert (len(data.videos), len(data.trajectories), len(data.unlabelled_videos)) == (176, 754, 12)
    assert not data.report.damaged_rows
    assert not data.report.unreadable_files
    assert data.report.gaps == 1082
    table = read_clip_sources(shared_data / "clips" / "sources.csv")
    labels = {**data.videos, **table.categories_of(data)}
    assert len(labels) == 188
    assert sum(label == "Fighting" for label in labels.values()) == 95
    assert all(np.isfinite(t.track.keypoints).all() for t in data.trajectories)
