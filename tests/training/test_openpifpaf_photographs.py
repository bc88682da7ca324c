"""Pictures of real people for OpenPifPaf's fields: who is learned from, who is ignored, what is kept apart."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pydantic import ValidationError

from activity.errors import DatasetError
from activity.pose.openpifpaf_network import coco_head_metas
from activity.training.openpifpaf.config import PhotographsSection
from activity.training.openpifpaf.fields import TrainingFields, vector_errors
from activity.training.openpifpaf.photographs import Photograph, Photographs
from activity.training.openpifpaf.samples import FieldEncoder
from activity.training.openpifpaf.trainer import train
from tests.training.test_openpifpaf_pose import config

NAMES = ("a.png", "b.png", "c.png", "d.png")
"""b.png is kept apart by its hash, the others are not."""


def metas() -> list[object]:
    made = coco_head_metas()
    for meta in made:
        meta.base_stride = 8
    return made


def person(left: float, *, agreement: float | None) -> dict[str, object]:
    """Somebody 20 px wide and 60 px tall whose 17 joints stand in a grid; the nose has no label."""
    joints = [[left + 10 * (k % 3), 20 + 12 * (k // 3), 2] for k in range(17)]
    joints[0] = [0, 0, 0]
    return {
        "keypoints": [value for joint in joints for value in joint],
        "bbox": [left - 2, 15, 24, 74],
        "area": 24 * 74,
        "agreement": agreement,
        "category_id": 1,
        "iscrowd": 0,
    }


def write_pictures(root: Path) -> PhotographsSection:
    annotations: list[dict[str, object]] = []
    for number, name in enumerate(NAMES):
        (root / "pictures").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "pictures" / name), np.full((100, 160, 3), 60 * number, np.uint8))
        for left, agreement in ((30, 0.8), (110, 0.2)):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, **person(left, agreement=agreement)}
            )
    content = {
        "images": [{"id": n, "file_name": name, "width": 160, "height": 100} for n, name in enumerate(NAMES)],
        "annotations": annotations,
        "categories": [{"id": 1, "keypoints": []}],
    }
    (root / "people.json").write_text(json.dumps(content))
    return PhotographsSection(
        annotations=root / "people.json",
        images=root / "pictures",
        share=1.0,
        person_px=(70, 70),
        held_out_pictures=2,
    )


def test_the_doubtful_are_ignored_and_a_source_is_kept_apart(tmp_path: Path) -> None:
    photographs = Photographs(write_pictures(tmp_path), folder=tmp_path / "kept")
    assert [p.path.name[:4] for p in photographs.training] == ["a_0_", "c_0_", "d_0_"]
    assert [p.path.name[:4] for p in photographs.apart] == ["b_0_"]
    one = photographs.training[0]
    assert isinstance(one, Photograph)
    assert one.keypoints.shape == (1, 17, 3)
    assert one.keypoints[0, 0].tolist() == [0, 0, 0]
    assert one.keypoints[0, 4].tolist() == [40, 32, 2]
    np.testing.assert_allclose(one.ignored, [[108, 15, 132, 89]])


def test_pictures_of_one_name_in_two_folders_are_kept_apart(tmp_path: Path) -> None:
    section = write_pictures(tmp_path)
    content = json.loads(section.annotations.read_text())
    (tmp_path / "pictures" / "more").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "more" / "a.png"), np.full((100, 160, 3), 255, np.uint8))
    content["images"][3]["file_name"] = "more/a.png"
    section.annotations.write_text(json.dumps(content))
    training = Photographs(section, folder=tmp_path / "kept").training
    brightness = {round(float(np.mean(np.asarray(cv2.imread(str(one.path)))))) for one in training}
    assert brightness == {0, 120, 255}


def test_a_picture_of_unknown_size_is_refused(tmp_path: Path) -> None:
    section = write_pictures(tmp_path)
    content = json.loads(section.annotations.read_text())
    del content["images"][0]["width"]
    section.annotations.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"a\.png: expected width and height in the annotations"):
        Photographs(section, folder=tmp_path / "kept")


def test_a_sample_moves_people_and_ignored_regions_alike(tmp_path: Path) -> None:
    photographs = Photographs(write_pictures(tmp_path), folder=tmp_path / "kept")
    for seed in range(12):
        picture, people, ignored = photographs.sample(np.random.default_rng(seed), width=161, height=161)
        assert picture.shape == (161, 161, 3)
        seen = people[0, people[0, :, 2] > 0, :2]
        height = seen[:, 1].max() - seen[:, 1].min()
        assert 40 < height <= 71  # 60 px scaled so that the joints' extent is 70, or cut
        if len(ignored) and len(seen) == 16:
            apart = abs((ignored[0, 0] + ignored[0, 2]) / 2 - seen[:, 0].mean()) * 60 / height
            assert apart <= 81  # they stood 80 px apart; the region may be cut at the edge


def test_a_mirrored_sample_keeps_who_is_ignored_on_the_side_where_he_stands(tmp_path: Path) -> None:
    section = write_pictures(tmp_path).model_copy(update={"person_px": (60.0, 60.0)})
    photographs = Photographs(section, folder=tmp_path / "kept")
    sides = set()
    for seed in range(20):
        _, people, ignored = photographs.sample(np.random.default_rng(seed), width=321, height=161)
        assert len(ignored) == 1
        middle = people[0, people[0, :, 2] > 0, 0].mean()
        aside = float(ignored[0, [0, 2]].mean() - middle)
        assert abs(aside) == pytest.approx(80, abs=4)  # as in the picture, on one side or the other
        sides.add(aside > 0)
    assert sides == {True, False}


def test_nothing_is_learned_in_an_ignored_region() -> None:
    encoder = FieldEncoder(metas())
    image = torch.zeros(3, 97, 97)
    nobody = np.zeros((0, 17, 3), np.float32)
    cif, caf = encoder(image, nobody, np.array([[40, 40, 56, 56]], np.float32))
    plain, _ = encoder(image, nobody)
    assert bool(torch.isnan(cif[:, 0, 6, 6]).all())
    assert bool(torch.isnan(caf[:, 0, 6, 6]).all())
    assert bool((cif[:, 0, 0, 0] == 0).all())
    assert not bool(torch.isnan(plain[:, 0]).any())


class Told(torch.nn.Module):
    """A network that answers with targets, moved by known cells."""

    def __init__(self, cif: torch.Tensor, caf: torch.Tensor) -> None:
        super().__init__()
        self.fields = (cif, caf)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        del images
        answers = []
        for target, moved in zip(self.fields, (3.0, 0.5), strict=True):
            ends = 1 if target.shape[1] == 5 else 2
            rows, columns = target.shape[-2:]
            y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            vectors = torch.nan_to_num(target[:, 1 : 1 + 2 * ends]) + torch.stack([x, y] * ends)
            vectors[:, 1] += moved  # y of the first end
            answers.append(torch.cat([torch.zeros_like(target[:, :2]), vectors], dim=1)[None])
        return tuple(answers)


def test_vectors_that_miss_by_known_cells_are_measured_so() -> None:
    joints = np.array([[20 + 5 * (k % 4), 20 + 12 * (k // 4), 2] for k in range(17)], np.float32)[None]
    image = torch.zeros(3, 97, 97)
    cif, caf = FieldEncoder(metas())(image, joints)
    errors = vector_errors(Told(cif, caf), [(image, cif, caf)])
    assert errors["cif_error_cells"] == pytest.approx(3.0, abs=1e-5)
    assert errors["caf_error_cells"] == pytest.approx(0.25, abs=1e-5)  # 0.5 at one of two ends


def test_the_share_decides_how_many_samples_are_photographs(tmp_path: Path) -> None:
    section = write_pictures(tmp_path).model_copy(update={"share": 0.5})
    settings = config(tmp_path).model_copy(update={"photographs": section})
    folder = tmp_path / "scenes"
    folder.mkdir()
    mixed = TrainingFields(
        settings,
        metas(),
        photographs=Photographs(section, folder=tmp_path / "kept"),
        folder=folder,
        first=0,
        end=24,
    )
    rendered = TrainingFields(settings, metas(), photographs=None, folder=folder, first=0, end=24)
    same = [torch.equal(mixed[k][0], rendered[k][0]) for k in range(24)]
    assert 4 < sum(same) < 20


def test_a_run_on_pictures_measures_sources_kept_apart(tmp_path: Path) -> None:
    settings = config(tmp_path).model_copy(update={"photographs": write_pictures(tmp_path)})
    train(settings, run_directory=tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "measurements.jsonl").read_text().splitlines()[-1])
    assert set(figures["photographs"]) == {
        "recall_oks50", "precision_oks50", "mean_oks", "cif_error_cells", "caf_error_cells"
    }  # fmt: skip
    assert figures["photographs"]["cif_error_cells"] > 0


def test_pictures_in_which_nobody_is_sure_are_refused(tmp_path: Path) -> None:
    section = write_pictures(tmp_path).model_copy(update={"least_agreement": 0.9})
    with pytest.raises(DatasetError, match=r"nobody with agreement of at least 0\.9"):
        Photographs(section, folder=tmp_path / "kept")


def test_a_range_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="least <= greatest"):
        PhotographsSection(annotations=tmp_path, images=tmp_path, person_px=(200, 100))
