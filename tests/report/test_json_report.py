import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.errors import OutputError, StructureError
from activity.report import (
    ClipAnalysis,
    FireReading,
    ModelInfo,
    read_head,
    read_report,
    report_schema,
    write_json,
)
from activity.report.entries import plain_settings, round_keypoints
from activity.structures import ClipSummary, Track, VideoInfo

Build = Callable[..., ClipAnalysis]
SCHEMA = Path(__file__).parents[2] / "activity" / "report" / "report.schema.json"


def written(analysis: ClipAnalysis, folder: Path) -> dict[str, Any]:
    write_json(analysis, folder / "report.json")
    content = json.loads((folder / "report.json").read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def still_track(frames: int) -> Track:
    boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (frames, 1))
    keypoints = np.ones((frames, 17, 3), np.float32)
    return Track(1, np.arange(frames), np.arange(frames) / 30, keypoints, boxes, np.ones(frames, np.float32))


def test_the_committed_schema_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA.read_text("utf-8")) == report_schema(), (
        "the form of report.json has changed: raise SCHEMA_VERSION, document it, and write report_schema() to the file"
    )


def test_every_key_of_the_schema_is_documented() -> None:
    text = (SCHEMA.parents[2] / "docs" / "report.md").read_text("utf-8")
    schema = report_schema()
    keys = {key for part in [schema, *schema["$defs"].values()] for key in part.get("properties", {})}
    assert {key for key in keys if f"`{key}`" not in text} == set()


def test_the_report_has_the_promised_keys(analysis: ClipAnalysis, tmp_path: Path) -> None:
    report = written(analysis, tmp_path)
    assert report["schema_version"] == "1.2"
    assert {"path", "sha256", "width", "height", "frame_rate_hz", "frames", "duration_s"} <= report[
        "clip"
    ].keys()
    assert {"track_id", "start_s", "end_s"} <= report["tracks"][0].keys()
    assert {"track_id", "start_s", "end_s", "label", "score", "probabilities"} <= report["activities"][
        0
    ].keys()
    assert {"label", "score", "probabilities"} <= report["summary"].keys()
    assert {"name", "sha256"} <= report["models"][0].keys()
    assert {"detections", "holders", "alerts", "timing_s"} <= report.keys()


def test_the_numbers_of_the_report_are_those_of_the_analysis(analysis: ClipAnalysis, tmp_path: Path) -> None:
    report = written(analysis, tmp_path)
    assert report["clip"]["path"] == "clips/corridor.mp4"
    assert report["clip"]["frames"] == 300
    assert report["summary"]["probabilities"] == {"Fighting": 0.93, "Normal": 0.07}
    first = report["activities"][0]
    assert first["start_s"] == 0
    assert first["end_s"] == 2.3
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert sum(first["attention"]["body_parts"].values()) == pytest.approx(1, abs=1e-3)
    assert [len(row) for row in first["attention"]["tubelets"].values()] == [12] * 5
    assert report["alerts"][0]["explanation"][0]["weight"] == 0.93
    assert report["timing_s"]["detection"] == 5.3


def test_a_report_can_serve_as_training_input(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    write_json(rich_analysis, tmp_path / "report.json")
    tracks = [entry.to_track() for entry in read_report(tmp_path / "report.json").tracks]
    for track, original in zip(tracks, rich_analysis.tracks, strict=True):
        assert track.track_id == original.track_id
        np.testing.assert_array_equal(track.frame_indices, original.frame_indices)
        np.testing.assert_allclose(track.times_s, original.times_s, atol=1e-6)
        np.testing.assert_allclose(track.keypoints[..., :2], original.keypoints[..., :2], atol=0.0501)


def test_the_motion_of_the_picture_comes_back_to_four_digits(
    analysis: ClipAnalysis, build: Build, tmp_path: Path
) -> None:
    write_json(analysis, tmp_path / "report.json")
    entry = read_report(tmp_path / "report.json").scene_motion
    assert entry is not None
    assert analysis.motion is not None
    np.testing.assert_allclose(entry.to_motion().measures, analysis.motion.measures, rtol=1e-3)
    np.testing.assert_allclose(entry.to_motion().times_s, analysis.motion.times_s)
    with pytest.raises(StructureError, match="measures: expected"):
        entry.model_copy(update={"measures": ["speed"]}).to_motion()
    write_json(build(motion=None), tmp_path / "none.json")
    assert read_report(tmp_path / "none.json").scene_motion is None


def test_the_head_is_that_of_the_whole_report(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(rich_analysis, path)
    head, whole = read_head(path), read_report(path)
    assert head.model_dump() == {key: whole.model_dump()[key] for key in type(head).model_fields}
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))  # as another program may store it
    assert read_head(path) == head


def test_a_track_longer_than_one_chunk_is_whole(build: Build, tmp_path: Path) -> None:
    n = 600
    track = still_track(n)
    write_json(build(tracks=[track], activities=[], alerts=[]), tmp_path / "report.json")
    entry = read_report(tmp_path / "report.json").tracks[0]
    assert entry.frame_indices == list(range(n))
    assert entry.frames == len(entry.keypoints) == len(entry.boxes) == n


def test_what_was_not_analysed_is_not_an_empty_finding(analysis: ClipAnalysis, tmp_path: Path) -> None:
    report = written(analysis, tmp_path)
    assert report["fire"] == {
        "status": "not_analysed",
        "reason": "No fire classifier is part of this version.",
        "frames_analysed": 0,
        "items": [],
    }
    assert report["holders"]["status"] == report["coverage"]["holders"]["status"] == "not_analysed"
    assert report["coverage"]["activities"] == {"status": "analysed", "reason": None}


def test_an_analysis_that_found_nothing_says_that_it_looked(build: Build, tmp_path: Path) -> None:
    report = written(build(detections=[], holders=[], fire=[], not_analysed={}), tmp_path)
    assert report["detections"] == {"status": "analysed", "reason": None, "frames_analysed": 100, "items": []}
    assert report["fire"]["status"] == report["holders"]["status"] == "analysed"


def test_findings_are_written_one_by_one(rich_analysis: ClipAnalysis, tmp_path: Path) -> None:
    report = written(rich_analysis, tmp_path)
    assert (
        len(report["detections"]["items"]) == len(report["holders"]["items"]) == 31
    )  # 4.0 s to 7.0 s at 10 Hz
    assert report["detections"]["items"][0]["label"] == "weapon"
    assert report["holders"]["items"][0]["candidates"][0] == {
        "track_id": 1,
        "iou": 0.12,
        "hand_distance": 0.03,
        "hand_deviation": None,
        "probability": 0.0,
    }
    assert len(report["fire"]["items"]) == 100
    read_report(tmp_path / "report.json")


def test_the_holders_posture_is_written_and_a_report_of_the_version_before_can_be_read(
    rich_analysis: ClipAnalysis, tmp_path: Path
) -> None:
    report = written(rich_analysis, tmp_path)
    assert {item["posture"] for item in report["holders"]["items"]} == {0.71}
    for item in report["holders"]["items"]:
        del item["posture"]
    report["schema_version"] = "1.1"
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert {item.posture for item in read_report(tmp_path / "report.json").holders.items} == {None}


def test_a_clip_without_people_is_not_judged_and_says_why(
    empty_analysis: ClipAnalysis, tmp_path: Path
) -> None:
    report = written(empty_analysis, tmp_path)
    assert report["tracks"] == report["activities"] == report["alerts"] == []
    assert report["summary"]["label"] is None
    assert report["coverage"]["activities"] == {
        "status": "not_analysed",
        "reason": "No person was found in the 100 analysed frames.",
    }
    assert report["coverage"]["alerts"]["status"] == "not_analysed"
    read_report(tmp_path / "report.json")


def test_people_seen_too_briefly_are_told_from_nobody(build: Build) -> None:
    analysis = build(activities=[], alerts=[])
    assert "long enough" in analysis.not_analysed["activities"]


def test_rounding_never_makes_a_seen_joint_a_missing_one() -> None:
    rounded = round_keypoints(np.array([[12.345, 7.04, 0.0002], [3, 4, 0], [5, 6, 1]], np.float32))
    assert rounded.tolist() == [[12.3, 7.0, 0.001], [3.0, 4.0, 0.0], [5.0, 6.0, 1.0]]


def test_a_name_that_is_no_unicode_is_written_readably(build: Build, tmp_path: Path) -> None:
    path = Path(os.fsdecode(b"caf\xe9.mp4"))
    analysis = build(video=VideoInfo(path, 320, 240, 30.0, 300, 10.0, "h264"))
    write_json(analysis, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").clip.path == "caf\\udce9.mp4"


def test_settings_that_json_cannot_hold_become_text() -> None:
    values = {"path": Path("a/b"), "rate": float("nan"), "sizes": (1, 2.5), "on": True, "none": None}
    assert plain_settings(values) == {
        "path": "a/b",
        "rate": "nan",
        "sizes": [1, 2.5],
        "on": True,
        "none": None,
    }


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.dictionaries(st.text(), inner) | st.lists(inner),
        max_leaves=6,
    )
)
def test_any_setting_can_be_written(value: object) -> None:
    json.dumps(plain_settings(value), allow_nan=False).encode("utf-8")


def test_an_unwritable_folder_is_named(analysis: ClipAnalysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose a folder that you may write to"):
        write_json(analysis, tmp_path / "file" / "report.json")


def test_a_failed_write_leaves_the_old_report_and_no_rest(
    analysis: ClipAnalysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("activity.report.json_report._write_pieces", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_json(analysis, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "Invalid JSON"), ('{"schema_version": "9.9"}', "schema_version"), ("[]", "object")],
)
def test_what_is_no_report_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(OutputError, match=message):
        read_report(tmp_path / "report.json")
    with pytest.raises(OutputError, match=message):
        read_head(tmp_path / "report.json")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(b"\xff\xfe\x00")
    for read in (read_head, read_report):
        with pytest.raises(OutputError, match="not a report"):
            read(tmp_path / "report.json")


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be read"):
        read_report(tmp_path / "report.json")


def test_memory_does_not_grow_with_the_clip(build: Build, tmp_path: Path) -> None:
    def peak_bytes(frames: int) -> int:
        analysis = build(tracks=[still_track(frames)], activities=[], alerts=[])
        tracemalloc.start()
        write_json(analysis, tmp_path / "report.json")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)
    assert peak_bytes(4000) < 1.5 * peak_bytes(400)  # ten times the frames


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"frames_analysed": 301}, "expected 0 to 300"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"timing_s": {"pose": -1.0}}, "timing_s"),
        ({"tracks": []}, "not among"),
        ({"detections": [], "not_analysed": {"detections": "no"}}, "has results and yet a reason"),
        ({"not_analysed": {"people": "no"}}, "expected some of"),
    ],
)
def test_a_contradictory_analysis_is_refused(changes: dict[str, Any], message: str, build: Build) -> None:
    with pytest.raises(StructureError, match=message):
        build(**changes)


def test_an_id_that_two_tracks_share_is_refused(analysis: ClipAnalysis) -> None:
    with pytest.raises(StructureError, match="distinct ids"):
        replace(analysis, tracks=[analysis.tracks[0], *analysis.tracks])


def test_parts_check_their_numbers() -> None:
    with pytest.raises(StructureError, match="probability"):
        FireReading(0, 0.0, 1.2, True)
    with pytest.raises(StructureError, match="finite"):
        FireReading(0, 0.0, 0.2, True, (0, 0, float("nan"), 1))
    with pytest.raises(StructureError, match="sha256"):
        ModelInfo("x", "pose", sha256="zz")


def test_the_classes_of_the_recogniser_come_first(build: Build) -> None:
    summary = ClipSummary("Arson", 0.5, {"Arson": 0.5, "Normal": 0.5}, "rule")
    assert build(summary=summary).classes == ("Fighting", "Normal", "Arson")
