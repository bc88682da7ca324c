"""Trackers side by side: on walks whose poses are the truth, and on the demo with the networks that ship."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from activity.config import Settings
from activity.datasets.rendered.walkers import walking_scene
from activity.evaluation.tracker_comparison import (
    TRACKERS,
    Walk,
    compare_on_video,
    compare_on_walks,
    follow_with_each,
    pose_finder,
    render_walks,
)
from activity.evaluation.tracking import TrueBoxes
from activity.structures import Poses, Track, box_iou
from activity.video import VideoReader

DEMO = Path(__file__).parents[2] / "docs" / "demo"


def walk(frames: int = 20) -> Walk:
    """Two people stand still, in two colours; the frame's number is written into its first pixel."""
    boxes = np.array([[20.0, 20, 50, 110], [120, 20, 150, 110]])
    pictures = []
    for index in range(frames):
        image = np.full((120, 200, 3), 90, np.uint8)
        image[20:110, 20:50], image[20:110, 120:150] = (200, 40, 40), (40, 40, 200)
        image[0, 0] = index
        pictures.append((index, index / 15, image))
    truth = {index: TrueBoxes(np.array([1, 2]), boxes) for index in range(frames)}
    return Walk("crossing", 0, pictures, truth)


def find(image: npt.NDArray[np.uint8]) -> Poses:
    """Both people, the second of them in all but the last five frames."""
    boxes = np.array([[20, 20, 50, 110], [120, 20, 150, 110]], np.float32)[: 2 if image[0, 0, 0] < 15 else 1]
    return Poses(np.zeros((len(boxes), 17, 3), np.float32), boxes, np.full(len(boxes), 0.9, np.float32))


def test_every_tracker_is_measured_on_the_same_people() -> None:
    figures = compare_on_walks([walk(), walk()], find, Settings())
    assert set(figures) == {"crossing"}
    assert set(figures["crossing"]) == set(TRACKERS)
    ours = figures["crossing"]["pose"]
    # 35 of 40 boxes found, each by the right id: IDF1 2 * 35 / (40 + 35)
    assert ours["idf1"] == pytest.approx(70 / 75)
    assert (ours["id_switches"], ours["tracks"], ours["people"], ours["walks"]) == (0, 4, 4, 2)


def test_rendered_walks_are_the_same_for_the_same_seed_and_show_who_they_say() -> None:
    first, second = (walking_scene("crowd", seed=3).render(1.0) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)
    assert len(first.actors) >= 3
    # behind the screen, the first walker of an occlusion scene is out of sight in the middle of the walk
    middle = [walking_scene("occlusion", seed=0).render(time_s).actors.tolist() for time_s in (0.4, 2.5, 4.6)]
    assert middle == [[0, 1], [1], [0, 1]]


def truth_of_the_first_four_seconds() -> Mapping[int, TrueBoxes]:
    content = json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))
    boxes: dict[int, list[tuple[int, list[float]]]] = {}
    for entry in content["annotations"]:
        if entry["category_id"] == 1:
            x, y, width, height = entry["bbox"]
            boxes.setdefault(entry["image_id"] - 1, []).append(
                (entry["track_id"], [x, y, x + width, y + height])
            )
    return {
        frame: TrueBoxes(np.array([number for number, _ in people]), np.array([box for _, box in people]))
        for frame, people in boxes.items()
        if frame < 60  # two crossings are over by then
    }


@pytest.fixture(scope="module")
def demo_figures() -> Mapping[str, float]:
    settings = Settings(threads=1)
    return compare_on_video(
        DEMO / "demo.mp4", truth_of_the_first_four_seconds(), pose_finder(settings, threads=1), settings
    )["pose"]


def test_the_people_of_the_demo_are_followed(demo_figures: Mapping[str, float]) -> None:
    assert demo_figures["tracks"] <= 6
    assert demo_figures["idf1"] > 0.85


@pytest.mark.xfail(
    strict=True,
    reason="2 switches with people at three sizes: while two people have one box, it lies nearer to the one whose id it "
    "does not carry, there and back",
)
def test_the_people_of_the_demo_keep_their_ids(demo_figures: Mapping[str, float]) -> None:
    assert demo_figures["id_switches"] == 0


def test_the_people_of_the_demo_have_the_same_ids_after_they_crossed() -> None:
    settings, truth = Settings(threads=1), truth_of_the_first_four_seconds()
    with VideoReader(DEMO / "demo.mp4") as reader:
        pictures = [(frame.index, frame.time_s, frame.image) for frame in islice(reader, 60)]
        rate_hz = reader.info.frame_rate_hz
    tracks = follow_with_each(pictures, pose_finder(settings, threads=1), settings, frame_rate_hz=rate_hz)[
        "pose"
    ]
    before, after = (ids_seen(tracks, truth, range(*part)) for part in ((0, 15), (50, 60)))
    met = before.keys() & after.keys()
    assert len(met) >= 4
    assert {number: before[number] for number in met} == {number: after[number] for number in met}


def ids_seen(tracks: Sequence[Track], truth: Mapping[int, TrueBoxes], frames: range) -> dict[int, int]:
    """The track that lies over each true person in most of some frames."""
    votes: dict[int, Counter[int]] = {}
    for track in tracks:
        for frame, box in zip(track.frame_indices.tolist(), track.boxes, strict=True):
            if frame in frames:
                overlap = box_iou(truth[frame].boxes, box[None])[:, 0]
                best = int(overlap.argmax())
                if overlap[best] >= 0.5:
                    votes.setdefault(int(truth[frame].ids[best]), Counter())[track.track_id] += 1
    return {number: counted.most_common(1)[0][0] for number, counted in votes.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["crossing", "occlusion"])
def test_rendered_people_who_cross_or_hide_for_a_second_keep_their_ids(kind: str) -> None:
    settings = Settings(threads=1)
    walks = render_walks([0], kinds=[kind])  # type: ignore[list-item]
    figures = compare_on_walks(walks, pose_finder(settings, threads=1), settings)[kind]["pose"]
    assert figures["id_switches"] == 0
    assert figures["tracks"] == figures["people"]


def test_a_command_without_anything_to_follow_says_so() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "activity", "evaluate", "trackers", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "--rendered N" in result.stderr
