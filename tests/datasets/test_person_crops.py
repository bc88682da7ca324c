"""People cut out once: what is stored is what was in the frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.person_crops import (
    PersonCrops,
    capsule_mask,
    cut_people,
    cut_person,
    person_mask,
    store_person_crops,
)
from activity.datasets.rendered_crops import render_people
from activity.errors import DatasetError


def labelled(
    box: tuple[float, float, float, float],
    path: Path = Path("x.png"),
    *,
    origin: str = "single17",
    held_out: bool = False,
    weight: float = 0.7,
) -> LabelledPerson:
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[:, 0] = np.linspace(box[0] + 1, box[2] - 1, 17)
    keypoints[:, 1] = np.linspace(box[1] + 1, box[3] - 1, 17)
    keypoints[:, 2] = 1
    image = ImageReference(path, None, 0, 0, path.name)
    return LabelledPerson(image, keypoints, np.array(box, np.float32), 50.0, weight, origin, held_out)


def test_surroundings_are_kept_and_cut_at_the_edge() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    crop = cut_person(labelled((10, 30, 30, 70)), image, reach=2.0)
    # Box centre (20, 50), reach 40 on each side: x from -20 (cut to 0) to 60, y from 10 to 90.
    np.testing.assert_array_equal(crop.image, image[10:90, 0:60])
    np.testing.assert_allclose(crop.box, [10, 20, 30, 60])
    np.testing.assert_allclose(crop.keypoints[0], [11, 21, 1])
    assert crop.scale == 1
    assert crop.mask is None


def test_a_large_person_is_shrunk_with_all_that_is_known() -> None:
    image = np.zeros((1200, 1200, 3), np.uint8)
    cv2.circle(image, (601, 601), 20, (255, 255, 255), -1)
    person = labelled((301, 301, 901, 901))
    person.keypoints[0] = [601, 601, 1]
    crop = cut_person(person, image, reach=2.0)
    assert crop.scale == pytest.approx(0.25)
    assert crop.area == pytest.approx(50 / 16)
    y, x = np.nonzero(crop.image[..., 0] > 127)
    np.testing.assert_allclose([x.mean(), y.mean()], crop.keypoints[0, :2], atol=0.2)
    np.testing.assert_allclose(crop.box[2] - crop.box[0], 150)


def test_a_box_outside_the_image_is_refused() -> None:
    with pytest.raises(DatasetError, match="outside the image"):
        cut_person(labelled((500, 500, 520, 540)), np.zeros((100, 100, 3), np.uint8), reach=2.0)


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        cv2.imwrite(str(path), random.integers(0, 256, (90, 70, 3), dtype=np.uint8))
    people = [
        labelled((10, 20, 40, 60), paths[1], origin="lspet", held_out=True),
        labelled((5, 5, 25, 50), paths[0]),
        labelled((30, 40, 60, 80), paths[1], weight=0.5),
    ]
    store_person_crops(cut_people(people, masked_origins=("single17",)), tmp_path / "store")
    stored = PersonCrops([tmp_path / "store", tmp_path / "store"])
    assert len(stored) == 6
    assert stored.sources.tolist() == ["a.png", "b.png", "b.png"] * 2
    assert stored.held_out.tolist() == [False, True, False] * 2
    image = cv2.cvtColor(cv2.imread(str(paths[1])), cv2.COLOR_BGR2RGB)
    direct = cut_person(people[0], np.asarray(image, np.uint8), reach=2.0)
    for index in (1, 4):
        np.testing.assert_array_equal(stored[index].image, direct.image)
        np.testing.assert_allclose(stored[index].keypoints, direct.keypoints)
        assert stored[index].mask is None
    mask = stored[0].mask
    assert mask is not None
    assert mask.shape == stored[0].image.shape[:2]
    with pytest.raises(IndexError):
        stored[6]


def test_nobody_to_store_is_an_error_and_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nobody to store"):
        store_person_crops([], tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_folder_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="delete the folder"):
        PersonCrops([tmp_path])


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent\.png"):
        list(cut_people([labelled((1, 1, 9, 9), tmp_path / "absent.png")]))


def test_a_person_before_a_plain_wall_is_cut_out() -> None:
    image = np.full((200, 120, 3), 200, np.uint8)
    image += np.random.default_rng(0).integers(0, 6, image.shape, dtype=np.uint8)
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[:5, :2] = (60, 40)
    keypoints[[5, 7, 9], :2] = (70, 60), (70, 85), (70, 105)
    keypoints[[6, 8, 10], :2] = (50, 60), (50, 85), (50, 105)
    keypoints[[11, 13, 15], :2] = (67, 105), (67, 135), (67, 165)
    keypoints[[12, 14, 16], :2] = (53, 105), (53, 135), (53, 165)
    keypoints[:, 2] = 1
    body = capsule_mask((200, 120), keypoints)
    image[body > 0] = (40, 60, 90)
    mask = person_mask(image, keypoints)
    overlap = ((mask > 127) & (body > 0)).sum() / ((mask > 127) | (body > 0)).sum()
    assert overlap > 0.85


def test_a_body_of_too_few_joints_is_empty() -> None:
    assert capsule_mask((20, 20), np.zeros((17, 3), np.float32)).sum() == 0


def test_rendered_people_carry_a_mask_and_the_last_scenes_are_held_out() -> None:
    people = list(render_people(7, seed=3))
    assert people
    for person, crop in people:
        assert crop.mask is not None
        assert person.held_out == (person.image.frame == 6)
        seen = crop.keypoints[crop.keypoints[:, 2] == 1, :2]
        inside = (seen > -0.5).all(axis=1) & (seen < np.array(crop.image.shape[1::-1])).all(axis=1)
        places = seen[inside].round().astype(int)
        assert (crop.mask[places[:, 1], places[:, 0]] > 0).mean() > 0.5
