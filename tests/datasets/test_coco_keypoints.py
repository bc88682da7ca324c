"""Readers of keypoint annotations, and the split that every trainer keeps to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from activity.datasets.coco_keypoints import (
    box_around_labelled,
    read_coco_keypoints,
    read_lspet,
    read_single17,
    read_teacher_people,
)
from activity.datasets.splits import is_held_out, is_in_held_out_tail
from activity.errors import DatasetError


def annotation(image_id: int, *, visible: int = 17, **more: Any) -> dict[str, Any]:
    keypoints: list[float] = []
    for joint in range(17):
        keypoints += [10.0 + joint, 20.0 + 2 * joint, 2 if joint % 2 else 1] if joint < visible else [0, 0, 0]
    return {
        "id": 1,
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": visible,
        "bbox": [5, 10, 30, 60],
        "area": 900.0,
        "iscrowd": 0,
        **more,
    }


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_people_and_empty_images_are_read(tmp_path: Path) -> None:
    images = [
        {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
        {"id": 8, "file_name": "b.jpg", "width": 50, "height": 40},
    ]
    path = write(
        tmp_path / "coco.json", {"images": images, "annotations": [annotation(7), annotation(7, iscrowd=1)]}
    )
    content = read_coco_keypoints(path, tmp_path / "images")
    assert sorted(content.images) == [7, 8]
    assert content.images[8].path == tmp_path / "images" / "b.jpg"
    assert (content.images[8].width, content.images[8].frame) == (50, None)
    assert 8 not in content.people
    first, crowd = content.people[7]
    np.testing.assert_array_equal(first.box, [5, 10, 35, 70])
    np.testing.assert_array_equal(first.keypoints[1], [11, 22, 1])
    assert (first.area, first.is_crowd, crowd.is_crowd) == (900, False, True)


def test_a_joint_of_visibility_0_has_weight_0(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}]
    path = write(tmp_path / "c.json", {"images": images, "annotations": [annotation(1, visible=5)]})
    (person,) = read_coco_keypoints(path, tmp_path).people[1]
    np.testing.assert_array_equal(person.keypoints[:, 2], [1] * 5 + [0] * 12)


def test_objects_beside_the_people_are_passed_over(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "person", "keypoints": ["nose"]}, {"id": 2, "name": "weapon"}]
    weapon = {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}
    content = {
        "images": [{"id": 1, "file_name": "a"}],
        "annotations": [annotation(1), weapon],
        "categories": categories,
    }
    assert len(read_coco_keypoints(write(tmp_path / "c.json", content), tmp_path).people[1]) == 1


@pytest.mark.parametrize(
    "content",
    [
        "[",
        [],
        {"images": []},
        {"images": [{"id": 1}], "annotations": []},
        {"images": [{"id": 1, "file_name": "a"}], "annotations": [annotation(2)]},
        {"images": [{"id": 1, "file_name": "a"}], "annotations": [annotation(1, keypoints=[1, 2, 3])]},
        {"images": [{"id": 1, "file_name": "a"}], "annotations": [annotation(1, bbox=[1, 2])]},
    ],
    ids=["no JSON", "a list", "no annotations", "no name", "another image", "three values", "half a box"],
)
def test_another_layout_names_the_file(tmp_path: Path, content: object) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"odd\.json"):
        read_coco_keypoints(path, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.json"):
        read_coco_keypoints(tmp_path / "absent.json", tmp_path)


def teacher_files(tmp_path: Path, annotations: list[dict[str, Any]]) -> Path:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "sources.csv").write_text("clip,source\nfight/a.mp4,s38\nfight/b.mp4,s01\n")
    images = [
        {"id": 1, "source": "clips", "file_name": "fight/a.mp4", "frame": 5, "width": 64, "height": 48},
        {"id": 2, "source": "clips", "file_name": "fight/b.mp4", "frame": 0, "width": 64, "height": 48},
        {"id": 3, "source": "weapons", "file_name": "train/images/x.jpg", "width": 64, "height": 48},
    ]
    return write(tmp_path / "people.json", {"images": images, "annotations": annotations})


def test_people_of_two_teachers_keep_their_source_and_agreement(tmp_path: Path) -> None:
    rows = [annotation(i, agreement=0.8, confidences=[0.9] * 17) for i in (1, 2, 3)]
    people = read_teacher_people(
        teacher_files(tmp_path, rows), clips=tmp_path / "clips", weapons=tmp_path / "weapons"
    )
    assert [person.image.source for person in people] == ["s38", "s01", "train/images/x.jpg"]
    assert [person.held_out for person in people[:2]] == [True, False]
    assert [person.origin for person in people] == ["clips", "clips", "weapons"]
    assert [person.image.frame for person in people] == [5, 0, None]
    assert people[0].weight == 0.8


def test_a_joint_counts_as_much_as_the_teachers_are_sure(tmp_path: Path) -> None:
    confidences = [0.9, 0.5, 0.25, 0.02, 0.3] + [0.3] * 12
    rows = [annotation(1, visible=16, agreement=0.5, confidences=confidences)]
    (person,) = read_teacher_people(
        teacher_files(tmp_path, rows), clips=tmp_path / "clips", weapons=tmp_path / "weapons"
    )
    np.testing.assert_allclose(person.keypoints[[0, 1, 2, 3, 4, 16], 2], [1, 1, 0.5, 0.2, 0.6, 0], atol=1e-6)


def test_people_whom_one_teacher_saw_or_who_are_doubtful_are_left_out(tmp_path: Path) -> None:
    rows = [
        annotation(1, agreement=None, confidences=[0.5] * 17),
        annotation(1, agreement=0.1, confidences=[0.5] * 17),
        annotation(1, agreement=0.9, confidences=[0.5] * 17, visible=3),
    ]
    path = teacher_files(tmp_path, rows)
    assert read_teacher_people(path, clips=tmp_path / "clips", weapons=tmp_path) == []


def test_boxes_of_single_people_come_from_their_joints(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(20)]
    rows = [annotation(i, bbox=[500, 500, 1, 1]) for i in range(20)]
    write(tmp_path / "annotations.json", {"images": images, "annotations": rows})
    people = read_single17(tmp_path)
    # Joints span 10..26 and 20..52: 12 % of 32 px on each side.
    np.testing.assert_allclose(people[0].box, [6.16, 16.16, 29.84, 55.84], atol=1e-4)
    assert [person.held_out for person in people] == [False] * 17 + [True] * 3


def test_leeds_joints_become_coco_joints(tmp_path: Path) -> None:
    joints = np.zeros((2, 14, 3), np.float32)
    joints[:, :, 0], joints[:, :, 1] = np.arange(14), 10 * np.arange(14)
    joints[:, :, 2] = 1
    joints[0, 0] = [-5, -7, 0]
    np.savez(tmp_path / "joints.npz", joints=joints, names=np.array(["a.jpg", "b.jpg"]))
    first, second = read_lspet(tmp_path)
    assert first.keypoints[16].tolist() == [0, 0, 0]  # the right ankle is hidden
    assert second.keypoints[14].tolist() == [1, 10, 1]  # right knee
    assert second.keypoints[11].tolist() == [3, 30, 1]  # left hip
    assert second.keypoints[10].tolist() == [6, 60, 1]  # right wrist
    assert second.keypoints[9].tolist() == [11, 110, 1]  # left wrist
    assert (second.keypoints[:5, 2] == 0).all()  # no label in the face
    assert second.box[3] > 130  # the box holds the head all the same


def test_damaged_leeds_arrays_are_named(tmp_path: Path) -> None:
    (tmp_path / "joints.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DatasetError, match=r"joints\.npz"):
        read_lspet(tmp_path)
    np.savez(tmp_path / "joints.npz", joints=np.zeros((3, 16, 3)), names=np.array(["a"] * 3))
    with pytest.raises(DatasetError, match="N, 14, 3"):
        read_lspet(tmp_path)


def test_a_person_without_joints_has_no_box() -> None:
    with pytest.raises(DatasetError, match="without any labelled joint"):
        box_around_labelled(np.zeros((0, 2), np.float32))


def test_a_source_is_held_out_by_its_hash_alone() -> None:
    """The rule is spelled out again: changing it would mix old test sources into training."""
    names = [f"s{i:02d}" for i in range(200)]
    expected = [int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0 for name in names]
    assert [is_held_out(name) for name in names] == expected
    assert 20 <= sum(expected) <= 60


def test_a_source_without_a_name_is_refused() -> None:
    with pytest.raises(DatasetError, match="source"):
        is_held_out("")


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_beyond_the_data_set_is_refused(index: int) -> None:
    with pytest.raises(DatasetError, match="expected 0 to 9"):
        is_in_held_out_tail(index, 10)


@pytest.mark.real_data
def test_the_real_collections_are_read() -> None:
    data = Path(__file__).parents[2] / "../shared/data"
    people = read_teacher_people(
        data / "people" / "annotations.json",
        clips=data / "clips",
        weapons=data / "weapons",
        least_agreement=0.5,
    )
    held_out = {person.image.source for person in people if person.held_out and person.origin == "clips"}
    trained = {person.image.source for person in people if not person.held_out}
    assert len(people) > 5000
    assert {"s29", "s38", "s41"} <= held_out
    assert not held_out & trained
    assert len(read_single17(data / "single17")) == 1000
    assert len(read_lspet(data / "lspet")) == 4800
