"""From annotated pictures to figures: which are looked at, what the estimator sees, and the groups reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from activity.cli import app
from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.errors import ConfigurationError, DatasetError
from activity.evaluation.light import light_of
from activity.evaluation.pose import PosedPicture
from activity.evaluation.pose_pictures import (
    Estimate,
    find_poses,
    keep_held_out,
    read_coco_pictures,
    read_single_person_pictures,
)
from activity.evaluation.pose_report import describe_poses, pck_of_torso, torso_px
from activity.structures import COCO_KEYPOINT_NAMES, Poses
from activity.video import VideoWriter

Array = npt.NDArray[np.float32]


def standing(x: float) -> Array:
    """A person 40 px wide and 160 px high whose upper left corner is (x, 0), every joint labelled."""
    joints = np.ones((17, 3), np.float32)
    joints[:, 0] = x + 40 * (np.arange(17) % 2)
    joints[:, 1] = 10 * np.arange(17)
    return joints


def found(*people: Array) -> Poses:
    return Poses.from_keypoints(np.stack(people), [0.9] * len(people)) if people else Poses.empty()


def measure(folder: Path, estimate: Estimate, **options: Any) -> dict[str, Any]:
    return describe_poses(find_poses(read_coco_pictures(folder / "truth.json", folder), estimate), **options)


def annotation(image_id: int, joints: Array, **more: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": image_id,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "area": 6400,
    }
    entry |= {"bbox": [float(joints[0, 0]), float(joints[0, 1]), 40, 160]}
    return entry | {"keypoints": (joints * [1, 1, 2]).ravel().tolist(), "num_keypoints": 17} | more


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A white photograph, and a video of ten frames that get lighter, in a subfolder of their own."""
    cv2.imwrite(str(tmp_path / "white.png"), np.full((200, 300, 3), 255, np.uint8))
    (tmp_path / "clips").mkdir()
    with VideoWriter(tmp_path / "clips/ramp.mp4", width=320, height=240, frame_rate_hz=25) as writer:
        for index in range(10):
            writer.write(np.full((240, 320, 3), 20 * index, np.uint8), index / 25)
    content = {
        "images": [
            {"id": 1, "file_name": "white.png", "width": 300, "height": 200},
            {"id": 2, "file_name": "ramp.mp4", "source": "clips", "frame": 7, "width": 320, "height": 240},
            {"id": 3, "file_name": "ramp.mp4", "source": "clips", "frame": 2},
        ],
        "annotations": [
            annotation(1, standing(0)),
            annotation(2, standing(100), agreement=0.4),
            annotation(3, standing(200), agreement=0.9),
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_KEYPOINT_NAMES)}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path


def by_brightness(image: npt.NDArray[np.uint8], _labelled: Array) -> Poses:
    """Finds the person who belongs to each picture of `data_set`, and nobody in any other."""
    level = float(image.mean())
    for expected, x in ((255, 0), (140, 100), (40, 200)):
        if abs(level - expected) < 8:
            return found(standing(x))
    return Poses.empty()


def test_photographs_and_the_named_frames_of_videos_are_shown_to_the_estimator(data_set: Path) -> None:
    steps: list[tuple[int, int]] = []
    pictures = read_coco_pictures(data_set / "truth.json", data_set)
    posed = find_poses(pictures, by_brightness, progress=lambda *step: steps.append(step))
    figures = describe_poses(posed)
    assert (figures["recall_oks50"], figures["precision_oks50"]) == (1, 1)
    assert (figures["images"], figures["people"]) == (3, 3)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_people_under_the_least_agreement_do_not_count(data_set: Path) -> None:
    figures = measure(data_set, by_brightness, min_agreement=0.5)
    assert (figures["images"], figures["people"], figures["precision_oks50"]) == (3, 2, 1)


def test_the_pictures_of_one_folder_can_be_chosen(data_set: Path) -> None:
    pictures = read_coco_pictures(data_set / "truth.json", data_set, folder="clips")
    assert [picture.reference.frame for picture in pictures] == [7, 2]
    with pytest.raises(DatasetError, match="it names none there"):
        read_coco_pictures(data_set / "truth.json", data_set, folder="weapons")


def test_photographs_reach_the_estimator_as_rgb_with_the_labelled_boxes(data_set: Path) -> None:
    cv2.imwrite(str(data_set / "white.png"), np.full((200, 300, 3), [10, 20, 250], np.uint8))  # BGR: red
    seen = []

    def look(image: npt.NDArray[np.uint8], labelled: Array) -> Poses:
        seen.append((image[0, 0].tolist(), labelled.tolist()))
        return Poses.empty()

    pictures = read_coco_pictures(data_set / "truth.json", data_set)
    find_poses([picture for picture in pictures if picture.reference.frame is None], look)
    assert seen == [([250, 20, 10], [[0, 0, 40, 160]])]


def test_videos_are_held_out_by_source_and_photographs_each_for_itself(data_set: Path) -> None:
    # is_held_out: s38 is, s01 is not; white.png is not
    pictures = read_coco_pictures(data_set / "truth.json", data_set)
    table = data_set / "sources.csv"
    table.write_text("clip,source\nfight/ramp.mp4,s38\n", encoding="utf-8")
    assert [picture.reference.frame for picture in keep_held_out(pictures, table)] == [7, 2]

    table.write_text("clip,source\nfight/ramp.mp4,s01\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="none of 3 pictures is kept apart"):
        keep_held_out(pictures, table)


def test_a_video_whose_source_is_unknown_is_never_called_held_out(data_set: Path) -> None:
    pictures = read_coco_pictures(data_set / "truth.json", data_set)
    with pytest.raises(DatasetError, match=r"ramp\.mp4: its source is not known"):
        keep_held_out(pictures, None)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            {"file_name": "gone.png"},
            "gone.png: expected the picture that the annotations name, found no file",
        ),
        ({"file_name": "truth.json"}, "truth.json: expected an image, got a file that cannot be decoded"),
        ({"file_name": "empty.png"}, "empty.png: expected an image"),
        ({"width": 301, "height": 200}, "expected 301x200 as the annotations say, got 300x200"),
        (
            {"file_name": "ramp.mp4", "source": "clips", "frame": 10, "width": 0},
            "ramp.mp4: expected a frame 10, the video ends before it",
        ),
    ],
)
def test_a_picture_that_is_not_what_the_annotations_say_is_named(
    data_set: Path, image: dict[str, Any], message: str
) -> None:
    (data_set / "empty.png").touch()
    content = json.loads((data_set / "truth.json").read_text(encoding="utf-8"))
    content["images"][0] |= image
    (data_set / "truth.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        measure(data_set, by_brightness)


def test_annotations_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.json"):
        read_coco_pictures(tmp_path / "gone.json", tmp_path)


@pytest.mark.real_data
def test_frames_of_real_clips_and_weapon_images_are_found_where_the_annotations_say(
    shared_data: Path,
) -> None:
    annotations = shared_data / "people/annotations.json"
    content = json.loads(annotations.read_text(encoding="utf-8"))
    images = {image["id"]: image for image in content["images"]}
    wanted = {"fight/fi001.mp4", content["images"][-1]["file_name"]}
    people: dict[tuple[str, int], list[Array]] = {}
    for entry in content["annotations"]:
        image = images[entry["image_id"]]
        joints = np.array(entry["keypoints"], np.float32).reshape(17, 3)
        people.setdefault((image["file_name"], image.get("frame", 0)), []).append(
            np.minimum(joints, [9e9, 9e9, 1])
        )
    order = iter(sorted(key for key in people if key[0] in wanted))

    chosen = [
        picture
        for picture in read_coco_pictures(annotations, shared_data)
        if picture.reference.source in wanted
        and (picture.reference.source, picture.reference.frame or 0) in people
    ]
    # pictures come by path and frame
    figures = describe_poses(find_poses(chosen, lambda _image, _boxes: found(*people[next(order)])))
    assert figures["images"] >= 2
    assert figures["recall_oks50"] == 1
    assert figures["mean_oks"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("colour", "light"),
    [
        ((128, 128, 128), "infrared"),
        ((20, 24, 30), "infrared"),
        ((180, 90, 60), "day"),
        ((60, 30, 20), "night"),
    ],
)
def test_light_is_told_by_colour_and_then_by_brightness(colour: tuple[int, int, int], light: str) -> None:
    # half of the picture in the colour, half in grey of the same mean: an even tint is no colour
    image = np.empty((90, 160, 3), np.uint8)
    image[:, :80] = colour
    image[:, 80:] = round(sum(colour) / 3)
    assert light_of(image) == light


def test_a_tint_over_a_grey_picture_is_no_colour() -> None:
    grey = np.random.default_rng(0).integers(60, 200, (90, 160, 1)).astype(np.uint8)
    assert light_of(np.concatenate([grey, grey + 10, grey + 30], axis=2)) == "infrared"


def person(joints: Array, height: float = 160) -> LabelledPerson:
    box = np.array([joints[0, 0], 0, joints[0, 0] + 40, height], np.float32)
    image = ImageReference(Path("hall.png"), None, 0, 0, "hall")
    return LabelledPerson(image, joints, box, 6400, 1.0, "coco", held_out=False)


def test_figures_stand_for_each_height_and_light_that_has_people() -> None:
    pictures = [
        PosedPicture([person(standing(0)), person(standing(200), height=100)], found(standing(0)), "day"),
        PosedPicture([person(standing(0))], found(standing(0), standing(900)), "infrared"),
        PosedPicture([], Poses.empty(), "night"),
    ]
    figures = describe_poses(pictures)
    assert set(figures["by_light"]) == {"day", "infrared"}
    assert figures["by_light"]["day"] == {
        "recall_oks50": 0.5,
        "precision_oks50": 1,
        "mean_oks": 0.5,
        "people": 2,
        "images": 1,
    }
    assert figures["by_light"]["infrared"]["precision_oks50"] == 0.5
    assert set(figures["by_height"]) == {"64_to_128_px", "from_128_px"}
    assert figures["by_height"]["64_to_128_px"]["recall_oks50"] == 0
    assert figures["by_height"]["from_128_px"]["recall_oks50"] == 1


def test_pck_takes_a_fifth_of_the_torso_and_misses_whoever_has_no_pose() -> None:
    # left shoulder (40, 50) to right hip (0, 120): 80.6 px, so a joint may be 16.1 px off
    one, other = standing(0), standing(400)
    assert torso_px(person(one)) == pytest.approx(np.hypot(40, 70))
    pose = one.copy()
    pose[:4, 0] += 16
    pose[4:6, 0] += 17
    pose[6, 2] = 0  # not found, although its place would be right
    share, people = pck_of_torso([PosedPicture([person(one), person(other)], found(pose))])
    assert people == 2
    assert share == pytest.approx((17 - 3) / 34)


def test_without_a_labelled_torso_there_is_no_pck() -> None:
    joints = standing(0)
    joints[[5, 6], 2] = 0
    assert pck_of_torso([PosedPicture([person(joints)], found(joints))]) == (None, 0)


def test_leeds_people_are_held_out_by_their_place_in_the_file(tmp_path: Path) -> None:
    joints = np.zeros((20, 14, 3), np.float32)
    joints[..., 0] = np.arange(14) * 3 + 5
    joints[..., 1] = np.arange(14) * 5 + 5
    joints[..., 2] = 1
    np.savez(tmp_path / "joints.npz", joints=joints, names=np.array([f"p{i:02d}.png" for i in range(20)]))
    pictures = read_single_person_pictures("lspet", tmp_path)
    assert [picture.reference.path.name for picture in keep_held_out(pictures, None)] == [
        "p17.png",
        "p18.png",
        "p19.png",
    ]


def test_the_command_prints_the_figures_of_the_demo(tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "docs/demo"
    command = [sys.executable, "-m", "activity", "evaluate", "pose", "--images", str(demo)]
    command += ["--coco", str(demo / "truth.json"), "--every", "30", "--labelled-boxes", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    figures = json.loads(result.stdout)
    keys = {"ap", "ap50", "ar", "recall_oks50", "precision_oks50", "mean_oks", "images", "people", "pck"}
    assert keys <= set(figures)
    assert (figures["images"], figures["people"]) == (5, 25)
    assert figures["recall_oks50"] > 0.6
    assert set(figures["by_light"]) == {"day"}


def test_a_command_without_a_data_set_says_what_to_name() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "activity", "evaluate", "pose", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "expected one data set" in result.stderr


def test_rendered_scenes_need_no_data_set() -> None:
    call = [
        *["evaluate", "pose", "--rendered", "3", "--seed", "7", "--labelled-boxes", "--json", "--pose"],
        "topdown",
    ]
    first, again = (CliRunner().invoke(app, call, catch_exceptions=False) for _ in range(2))
    figures = json.loads(first.stdout)
    assert figures["images"] == 3
    assert 3 <= figures["people"] <= 18
    assert figures["pck"] > 0.5
    assert json.loads(again.stdout) == figures


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--held-out"], "leave out --held-out"),
        (["--every", "2"], "leave out --held-out"),
        (["--lspet", "somewhere"], "expected one data set"),
    ],
)
def test_rendered_scenes_are_not_picked_from_a_collection(more: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", "pose", "--rendered", "3", *more])
    assert isinstance(result.exception, ConfigurationError)
    assert told in str(result.exception)
