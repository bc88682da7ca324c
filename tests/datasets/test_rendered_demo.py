"""The bundled clip, its truth, and the script that makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity.datasets.rendered import demo_story
from activity.video import VideoReader

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "docs" / "demo"


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DEMO / "truth.json").read_text())
    return loaded


def test_the_clip_is_small_and_ten_seconds_long() -> None:
    assert (DEMO / "demo.mp4").stat().st_size < 1_500_000
    with VideoReader(DEMO / "demo.mp4") as reader:
        assert (reader.info.width, reader.info.height, reader.info.codec) == (640, 360, "h264")
        times = [frame.time_s for frame in reader]
    assert len(times) == 150
    np.testing.assert_allclose(times, np.arange(150) / 15, atol=1e-3)


def test_the_truth_names_every_frame_of_the_clip(truth: dict[str, Any]) -> None:
    assert [image["frame"] for image in truth["images"]] == list(range(150))
    assert {image["file_name"] for image in truth["images"]} == {"demo.mp4"}
    np.testing.assert_allclose([image["time_s"] for image in truth["images"]], np.arange(150) / 15, atol=1e-5)


def test_annotations_are_sound_coco(truth: dict[str, Any]) -> None:
    assert {c["id"]: c["name"] for c in truth["categories"]} == {1: "person", 2: "weapon", 3: "fire"}
    ids = [annotation["id"] for annotation in truth["annotations"]]
    assert len(set(ids)) == len(ids)
    images = {image["id"] for image in truth["images"]}
    for annotation in truth["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert annotation["image_id"] in images
        assert 0 <= x < x + width <= 640
        assert 0 <= y < y + height <= 360
        assert 0 < annotation["area"] <= width * height
        if annotation["category_id"] == 1:
            keypoints = np.reshape(annotation["keypoints"], (17, 3))
            assert annotation["num_keypoints"] == (keypoints[:, 2] > 0).sum() > 0
            assert set(keypoints[:, 2]) <= {0, 1, 2}


def test_five_people_are_as_tall_as_in_ordinary_footage(truth: dict[str, Any]) -> None:
    people = [a for a in truth["annotations"] if a["category_id"] == 1]
    assert {a["track_id"] for a in people} == {1, 2, 3, 4, 5}
    whole = [a["bbox"][3] for a in people if a["visible_fraction"] > 0.97]
    assert min(whole) > 90
    assert max(whole) < 200
    assert min(a["visible_fraction"] for a in people) < 0.6  # someone passes in front of someone


def test_the_staged_events_are_those_annotated(truth: dict[str, Any]) -> None:
    events = {event["event"]: event for event in truth["staged"]["events"]}
    assert events["fight"]["track_ids"] == [1, 2]
    times = {image["id"]: image["time_s"] for image in truth["images"]}
    for name, category in (("weapon", 2), ("fire", 3)):
        at = [times[a["image_id"]] for a in truth["annotations"] if a["category_id"] == category]
        assert events[name]["start_s"] == min(at)
        assert events[name]["end_s"] == pytest.approx(max(at) + 1 / 15, abs=1e-5)
    assert (
        {a["holder"] for a in truth["annotations"] if a["category_id"] == 2}
        == {3}
        == set(events["weapon"]["track_ids"])
    )


def test_the_story_still_gives_the_committed_truth(truth: dict[str, Any]) -> None:
    scene = demo_story(seed=truth["staged"]["seed"]).render(45 / 15)
    annotated = [a for a in truth["annotations"] if a["image_id"] == 46 and a["category_id"] == 1]
    np.testing.assert_allclose(
        [np.reshape(a["keypoints"], (17, 3)) for a in annotated], scene.keypoints, atol=0.02
    )


def test_any_time_of_the_story_is_rendered_alike_twice() -> None:
    story = demo_story(seed=3)
    first = story.render(4.0).image
    story.render(6.0)
    np.testing.assert_array_equal(story.render(4.0).image, first)


def test_the_quiet_variant_has_the_same_people_and_nothing_to_alert(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "render_demo_clip.py"), "--quiet", "--seconds", "0.4"]
    subprocess.run([*command, "--out", str(tmp_path)], check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})  # noqa: S603
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["staged"]["events"] == []
    assert {a["category_id"] for a in truth["annotations"]} == {1}
    assert len(truth["images"]) == 6
    with VideoReader(tmp_path / "demo.mp4") as reader:
        assert sum(1 for _ in reader) == 6
    story = demo_story(seed=3, quiet=True)
    assert story.fight is None
    assert story.stage.fire is None
    assert all(actor.armed is None for actor in story.actors)
    assert len(story.render(8.0).actors) == 5
