"""Poses of reports as labels: which are taken, where they lie, and what they weigh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from activity.datasets.splits import is_held_out
from activity.datasets.track_people import confirmed_poses, read_track_people
from activity.errors import ConfigurationError, DatasetError
from activity.structures import COCO_SIGMAS, Track
from activity.training.heatmaps.config import TopDownConfig
from activity.training.heatmaps.people import stored_people
from activity.video import VideoWriter

RATE_HZ = 15
BODY = np.stack([np.linspace(40, 60, 17), np.linspace(20, 110, 17)], axis=1)
BOX = (30.0, 10.0, 70.0, 120.0)  # 4,400 square pixels
WRIST = 9


def walker(frames: int, *, confidence: float = 0.8) -> npt.NDArray[np.float32]:
    """[N, 17, 3]: somebody who goes 2 pixels to the right in each frame."""
    keypoints = np.full((frames, 17, 3), confidence, np.float32)
    for frame in range(frames):
        keypoints[frame, :, :2] = BODY + np.array([2 * frame, 0])
    return keypoints


def track(keypoints: npt.NDArray[np.float32], *, times: list[float] | None = None) -> Track:
    count = len(keypoints)
    boxes = np.array([np.add(BOX, [2 * frame, 0, 2 * frame, 0]) for frame in range(count)], np.float32)
    seconds = np.arange(count) / RATE_HZ if times is None else np.array(times)
    return Track(1, np.arange(count) * 2, seconds, keypoints, boxes, np.full(count, 0.6, np.float32))


def test_a_steady_walk_is_confirmed_once_in_every_part() -> None:
    found = list(confirmed_poses(track(walker(31)), every_s=0.4, least_agreement=0.6))
    assert [int(index / RATE_HZ / 0.39) for index, _, _ in found] == [0, 1, 2, 3, 4]
    for index, labels, weight in found:
        np.testing.assert_allclose(labels[:, :2], BODY + np.array([2 * index, 0]), atol=1e-3)
        np.testing.assert_allclose(labels[:, 2], 1)  # twice 0.8, at most 1
        assert weight == pytest.approx(1)


def test_a_joint_weighs_what_its_neighbours_in_time_say_and_lies_between() -> None:
    keypoints = walker(3, confidence=0.4)
    keypoints[1, WRIST, 1] += 6
    ((index, labels, weight),) = confirmed_poses(track(keypoints), every_s=1, least_agreement=0.6)
    likeness = np.exp(-(6**2) / (2 * 4400 * (2 * COCO_SIGMAS[WRIST]) ** 2))  # 0.767
    assert index == 1
    assert labels[WRIST, 2] == pytest.approx(0.8 * likeness, abs=1e-5)
    assert labels[WRIST, 1] == pytest.approx(BODY[WRIST, 1] + 3, abs=1e-3)
    assert weight == pytest.approx((16 + likeness) / 17, abs=1e-5)


def test_a_joint_that_jumps_or_is_not_seen_beside_has_no_label() -> None:
    keypoints = walker(3)
    keypoints[1, WRIST, 1] += 40
    keypoints[0, 16, 2] = 0
    ((_, labels, weight),) = confirmed_poses(track(keypoints), every_s=1, least_agreement=0.6)
    assert labels[[WRIST, 16]].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert (np.delete(labels, [WRIST, 16], axis=0)[:, 2] == 1).all()
    assert weight == pytest.approx(15 / 17, abs=1e-4)


def test_who_flickers_is_seen_too_seldom_or_too_shortly_is_left_out() -> None:
    flickering = walker(9)
    flickering[1::2, :, 1] += 40
    few_joints = walker(9)
    few_joints[:, 7:, 2] = 0
    for keypoints, times in (
        (flickering, None),
        (few_joints, None),
        (walker(2), None),
        (walker(4), [0.0, 0.2, 0.4, 0.6]),
    ):
        assert not list(confirmed_poses(track(keypoints, times=times), every_s=0.4, least_agreement=0.6))


def write_report(root: Path, clip: str, **changes: Any) -> None:
    one = track(walker(7))
    entry = {
        "track_id": 1,
        "start_s": 0.0,
        "end_s": 0.4,
        "frames": 7,
        "frame_indices": one.frame_indices.tolist(),
        "times_s": one.times_s.tolist(),
        "boxes": one.boxes.tolist(),
        "scores": one.scores.tolist(),
        "keypoints": one.keypoints.tolist(),
    }
    report = {"clip": {"path": clip, "width": 160, "height": 120}, "tracks": [entry], **changes}
    path = root / Path(clip).stem / "report.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    assert is_held_out("s38")
    assert not is_held_out("s01")
    (folder / "sources.csv").write_text("clip,source\nfight/a.mp4,s01\nquiet/b.mp4,s38\n")
    return folder


def test_people_of_sources_kept_apart_are_not_read(tmp_path: Path, clips: Path) -> None:
    for name in ("elsewhere/fight/a.mp4", "b.mp4"):
        write_report(tmp_path / "reports", name)
    people = read_track_people(tmp_path / "reports", clips=clips)
    assert {person.image.path for person in people} == {clips / "fight" / "a.mp4"}
    assert len(people) == 1
    first = people[0]
    assert (first.image.source, first.image.width, first.image.height) == ("s01", 160, 120)
    assert (first.origin, first.held_out) == ("tracks", False)
    assert first.image.frame in {2, 4, 6, 8, 10}
    np.testing.assert_allclose(first.box[1::2], [10, 120])
    assert first.area == pytest.approx(4400)


@pytest.mark.parametrize(
    ("clip", "changes", "message"),
    [
        ("c.mp4", {}, "is not named in"),
        ("a.mp4", {"tracks": [{"track_id": 1}]}, "expected a report of activity analyze"),
    ],
)
def test_a_report_that_does_not_fit_is_named(
    clip: str, changes: dict[str, Any], message: str, tmp_path: Path, clips: Path
) -> None:
    write_report(tmp_path / "reports", clip, **changes)
    with pytest.raises(DatasetError, match=message):
        read_track_people(tmp_path / "reports", clips=clips)


def test_no_report_is_an_error(tmp_path: Path, clips: Path) -> None:
    with pytest.raises(DatasetError, match=r"no report\.json"):
        read_track_people(tmp_path, clips=clips)


def test_training_cuts_them_out_of_the_clips(tmp_path: Path, clips: Path) -> None:
    (clips / "fight").mkdir()
    with VideoWriter(clips / "fight" / "a.mp4", width=160, height=120, frame_rate_hz=30, crf=8) as writer:
        for frame in range(13):
            writer.write(np.full((120, 160, 3), 40 + 10 * frame, np.uint8), frame / 30)
    write_report(tmp_path / "reports", "a.mp4")
    (wanted,) = read_track_people(tmp_path / "reports", clips=clips)
    config: dict[str, Any] = {
        "cache": tmp_path / "cache",
        "stages": [{"height": 64, "width": 64, "steps": 1}],
    }
    data = {"clips": clips, "tracks": tmp_path / "reports"}
    crops = stored_people(TopDownConfig.model_validate({"data": data, **config}))
    assert (len(crops), crops.origins.tolist(), crops.sources.tolist()) == (1, ["tracks"], ["s01"])
    assert wanted.image.frame is not None
    assert crops[0].image.mean() == pytest.approx(40 + 10 * wanted.image.frame, abs=2)
    assert len(stored_people(TopDownConfig.model_validate({"data": data, **config}))) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 1, "cut out once"
    (tmp_path / "reports" / "a" / "report.json").unlink()
    (tmp_path / "reports" / "a").rmdir()
    write_report(tmp_path / "reports", "a.mp4", tracks=[])
    with pytest.raises(DatasetError, match="nobody to store"):  # and again once the clips were analysed again
        stored_people(TopDownConfig.model_validate({"data": data, **config}))
    with pytest.raises(ConfigurationError, match=r"expected data\.clips beside it"):
        stored_people(TopDownConfig.model_validate({"data": {"tracks": tmp_path / "reports"}, **config}))
