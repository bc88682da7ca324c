"""Training of OpenPifPaf networks on rendered people: samples, steps, and runs that are broken off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from activity.datasets.rendered import surveillance_scene
from activity.errors import CheckpointError, ConfigurationError
from activity.pose.openpifpaf_network import coco_head_metas, load_checkpoint
from activity.training.openpifpaf.samples import RenderedFields, cut, mirror, relight
from activity.training.openpifpaf.trainer import FieldTraining, OpenPifPafConfig, train


def config(folder: Path, **changes: object) -> OpenPifPafConfig:
    settings = {
        "kind": "openpifpaf",
        "checkpoint": folder / "out.safetensors",
        "image_width_px": 97,
        "image_height_px": 81,
        "scene_width_px": 129,
        "scene_height_px": 97,
        "people": (1, 2),
        "batch_size": 2,
        "steps": 2,
        "warmup_steps": 1,
        "loader_processes": 0,
        "held_out_scenes": 2,
        "samples_per_scene": 2,
    }
    return OpenPifPafConfig.model_validate(settings | changes)


def samples(folder: Path, **changes: object) -> RenderedFields:
    metas = coco_head_metas()
    for meta in metas:
        meta.base_stride = 8
    folder.mkdir(exist_ok=True)
    return RenderedFields(config(folder, **changes), metas, folder=folder, first=0, end=6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_width_px": 96}, "use 97"),
        ({"base_network": "resnet9000"}, "choose one of"),
        ({"base_network": "mobilenetv3small", "backbone_weights": "yolox.onnx"}, "leave one out"),
        ({"stepz": 5}, "Extra inputs"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"scale_range": (1.2, 0.8)}, "least <= greatest"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    change: dict[str, object], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=reason):
        config(tmp_path, **change)


def test_a_mirrored_person_has_left_and_right_swapped() -> None:
    image = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    person = np.zeros((1, 17, 3), np.float32)
    person[0, 5] = (1, 0.5, 2)  # left shoulder
    turned_image, turned = mirror(image, person)
    assert turned_image[0, 0].tolist() == image[0, 3].tolist()
    assert turned[0, 6].tolist() == [2, 0.5, 2]  # right shoulder, at 4 - 1 - 1
    assert turned[0, 5].tolist() == [0, 0, 0]  # no label stays no label
    again_image, again = mirror(turned_image, turned)
    np.testing.assert_array_equal(again_image, image)
    np.testing.assert_array_equal(again, person)


def test_relighting_keeps_the_shape_and_repeats_with_its_generator() -> None:
    image = np.full((20, 30, 3), 128, np.uint8)
    first, second = (relight(image, np.random.default_rng(seed)) for seed in (4, 5))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, relight(image, np.random.default_rng(4)))


def test_a_scene_shows_upright_people_inside_the_picture() -> None:
    scene = surveillance_scene(np.random.default_rng(3), width=161, height=113, people=3)
    assert scene.image.shape == (113, 161, 3)
    assert 2 <= len(scene.keypoints) <= 3
    again = surveillance_scene(np.random.default_rng(3), width=161, height=113, people=3)
    np.testing.assert_array_equal(scene.image, again.image)


def test_a_sample_is_the_same_whether_rendered_or_read_from_disk(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    fresh = [samples(folder)[number] for number in range(3)]
    assert list(folder.glob("*-scene.npz"))
    kept = [samples(folder)[number] for number in range(3)]
    for one, other in zip(fresh, kept, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    image, cif, caf = fresh[0]
    assert image.shape == (3, 81, 97)
    assert cif.shape == (17, 5, 11, 13)
    assert caf.shape == (19, 9, 11, 13)
    assert any((sample[1][:, 0] == 1).any() for sample in fresh)


def test_a_cut_keeps_pixels_and_joints_together() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    image[30:34, 40:44] = 255  # a bright square around the joint at its centre
    people = np.zeros((2, 17, 3), np.float32)
    people[0, 0] = (41.5, 31.5, 2)
    people[1, 3] = (2, 3, 1)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        picture, moved = cut(image, people, rng, width=33, height=33, scale=2.0)
        assert picture.shape == (33, 33, 3)
        for x, y, label in moved[moved[..., 2] > 0]:
            assert 0 <= x <= 32
            assert 0 <= y <= 32
            if label == 2:
                assert picture[round(float(y)), round(float(x))].min() == 255
        assert (moved[..., 2] > 0).any()


def test_a_scene_smaller_than_the_cut_stays_whole() -> None:
    people = np.zeros((1, 17, 3), np.float32)
    people[0, 5] = (10, 5, 2)
    picture, moved = cut(
        np.full((12, 20, 3), 9, np.uint8), people, np.random.default_rng(0), width=65, height=49, scale=1.0
    )
    assert (picture == 9).all()
    assert moved[0, 5, 2] == 2


def test_an_empty_scene_is_cut_too() -> None:
    picture, moved = cut(
        np.zeros((90, 90, 3), np.uint8),
        np.zeros((0, 17, 3), np.float32),
        np.random.default_rng(0),
        width=33,
        height=49,
        scale=0.7,
    )
    assert picture.shape == (49, 33, 3)
    assert moved.shape == (0, 17, 3)


def test_one_sample_in_so_many_is_a_new_scene(tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    chosen = samples(folder, samples_per_scene=3)
    for number in range(6):
        chosen[number]
    assert sorted(path.name for path in folder.glob("*-scene.npz")) == ["0-scene.npz", "1-scene.npz"]


def test_steps_on_one_batch_lower_its_losses(tmp_path: Path) -> None:
    training = FieldTraining(config(tmp_path, steps=100, learning_rate=3e-3), run_directory=tmp_path)
    drawn = samples(tmp_path / "scenes")
    batch = tuple(torch.stack(parts) for parts in zip(*(drawn[number] for number in range(2)), strict=True))
    assert len(batch) == 3
    losses = [training.learn(batch) for _ in range(15)]
    for name in ("cocokp.cif.c", "cocokp.cif.vec", "cocokp.caf.c", "cocokp.caf.vec"):
        assert losses[-1][name] < 0.9 * losses[0][name], name


def test_a_run_that_is_given_again_goes_on_where_it_stopped(tmp_path: Path) -> None:
    run = tmp_path / "run"
    checkpoint = train(config(tmp_path, steps=2), run_directory=run)
    assert torch.load(run / "state.pt", weights_only=True)["step"] == 2
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))
    network, description = load_checkpoint(checkpoint)
    assert description == config(tmp_path).description()
    assert not network.training
    train(config(tmp_path, steps=3), run_directory=run)
    assert torch.load(run / "state.pt", weights_only=True)["step"] == 3


def test_a_run_of_another_network_is_not_gone_on_with(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(config(tmp_path, steps=1), run_directory=run)
    with pytest.raises(ConfigurationError, match="base_network was 'yolox_nano', is 'shufflenetv2k_small'"):
        train(config(tmp_path, steps=1, base_network="shufflenetv2k_small"), run_directory=run)


def test_a_run_goes_on_from_a_checkpoint_of_the_same_network(tmp_path: Path) -> None:
    checkpoint = train(config(tmp_path, steps=1), run_directory=tmp_path / "first")
    given = load_checkpoint(checkpoint)[0].state_dict()
    tuned = FieldTraining(config(tmp_path, initial_checkpoint=checkpoint), run_directory=tmp_path / "second")
    for name, value in tuned.network.state_dict().items():
        torch.testing.assert_close(value, given[name])
    other = config(tmp_path, initial_checkpoint=checkpoint, base_network="shufflenetv2k_small")
    with pytest.raises(CheckpointError, match="another network"):
        FieldTraining(other, run_directory=tmp_path / "third")
