"""Training of the heat-map network: labels stay on the pixels, losses ask for the right thing, runs resume."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError
from rich.console import Console

from activity.datasets.coco_keypoints import ImageReference, LabelledPerson
from activity.datasets.person_crops import PersonCrop, PersonCrops, cut_person, store_person_crops
from activity.errors import CheckpointError, ConfigurationError, DatasetError
from activity.pose.heatmap_network import HeatmapNetwork
from activity.pose.heatmaps import decode_heatmaps
from activity.training.heatmaps.augmentation import CropAugmentation
from activity.training.heatmaps.config import CropStage, PoseDataConfig, TopDownConfig
from activity.training.heatmaps.loss import gaussian_maps, heatmap_loss
from activity.training.heatmaps.measurement import measure_crops
from activity.training.heatmaps.samples import CropSampler
from activity.training.heatmaps.trainer import HeatmapTraining, train


def person_with_a_bright_wrist(random: np.random.Generator) -> PersonCrop:
    """A dark body in a gray room; one wrist is a bright disc, so that its place can be seen in any crop."""
    image = np.full((160, 120, 3), 60, np.uint8)
    keypoints = np.zeros((17, 3), np.float32)
    keypoints[:, 0], keypoints[:, 1] = random.uniform(35, 85, 17), random.uniform(30, 130, 17)
    keypoints[:, 2] = 1
    rows, columns = np.mgrid[:160, :120]
    near = (columns - keypoints[9, 0]) ** 2 + (rows - keypoints[9, 1]) ** 2 <= 36
    image[near] = 255
    return PersonCrop(image, keypoints, np.array([30, 20, 90, 140], np.float32), 7200.0, 1.0, 1.0, None)


def augment_with(random: np.random.Generator) -> CropAugmentation:
    return CropAugmentation(
        padding=1.3,
        neighbours=lambda: person_with_a_bright_wrist(random),
        backgrounds=lambda: np.zeros((40, 40, 3), np.uint8),
        generator=random,
    )


def test_labels_follow_the_pixels_through_every_geometry() -> None:
    """Mirrored crops carry the left wrist's disc under the right wrist's label."""
    random = np.random.default_rng(0)
    augmentation = augment_with(random)
    augmentation._through_a_camera = lambda image: image  # type: ignore[method-assign]
    augmentation._beside_a_neighbour = lambda image, joints, size: (image, joints)  # type: ignore[method-assign]
    augmentation._behind_a_block = lambda image, joints: (image, joints)  # type: ignore[method-assign]
    sides = {9: 0, 10: 0}
    for _ in range(60):
        person = person_with_a_bright_wrist(random)
        crop = augmentation(person, size=(96, 80))
        y, x = np.nonzero(crop.image[..., 0] > 200)
        if len(x) < 8 or x.min() == 0 or y.min() == 0 or x.max() == 79 or y.max() == 95:
            continue
        distance = np.linalg.norm(crop.joints[[9, 10], :2] - [x.mean(), y.mean()], axis=1)
        assert distance.min() < 1.0
        sides[9 + int(distance.argmin())] += 1
    assert min(sides.values()) >= 10


def test_people_without_a_mask_are_put_elsewhere_with_a_rim_around_their_joints() -> None:
    random = np.random.default_rng(4)
    augmentation = CropAugmentation(
        padding=1.3,
        neighbours=lambda: person_with_a_bright_wrist(random),
        backgrounds=lambda: np.full((40, 40, 3), 250, np.uint8),
        generator=random,
    )
    augmentation._through_a_camera = lambda image: image  # type: ignore[method-assign]
    augmentation._beside_a_neighbour = lambda image, joints, size: (image, joints)  # type: ignore[method-assign]
    augmentation._behind_a_block = lambda image, joints: (image, joints)  # type: ignore[method-assign]
    keypoints = np.stack([np.full(17, 100), np.linspace(60, 140, 17), np.ones(17)], axis=1).astype(np.float32)
    box = np.array([90, 50, 110, 150], np.float32)
    person = PersonCrop(np.full((200, 200, 3), 60, np.uint8), keypoints, box, 1.0, 1.0, 1.0, None)
    moved = 0
    for _ in range(200):
        crop = augmentation(person, size=(96, 80))
        places = crop.joints[:, :2].round().astype(int)
        inside = ((places >= 0) & (places < [80, 96])).all(axis=1)
        at_joints = crop.image[places[inside, 1], places[inside, 0]]
        assert (at_joints <= 120).all()  # their own 60, or what lies outside the region
        moved += int((crop.image > 240).any())
    assert 0.15 < moved / 200 < 0.35
    few = PersonCrop(person.image, keypoints * (np.arange(17) < 9)[:, None], box, 1.0, 1.0, 1.0, None)
    assert not any((augmentation(few, size=(96, 80)).image > 240).any() for _ in range(100))


def test_some_people_stand_on_their_heads_and_most_do_not() -> None:
    random = np.random.default_rng(2)
    augmentation = augment_with(random)
    keypoints = np.stack([np.full(17, 60), np.linspace(30, 130, 17), np.ones(17)], axis=1).astype(np.float32)
    upright = PersonCrop(
        np.full((160, 120, 3), 60, np.uint8),
        keypoints,
        np.array([30, 20, 90, 140], np.float32),
        1.0,
        1.0,
        1.0,
        None,
    )
    crops = [augmentation(upright, size=(96, 80)).joints for _ in range(600)]
    down = np.array([joints[16, 1] - joints[0, 1] for joints in crops])
    assert 0.03 < (down < 0).mean() < 0.13  # half of 0.15
    assert np.median(down) > 50


def test_all_augmentations_together_give_crops_of_the_right_kind() -> None:
    random = np.random.default_rng(1)
    augmentation = CropAugmentation(
        padding=1.3,
        neighbours=lambda: person_with_a_bright_wrist(random),
        backgrounds=lambda: random.integers(0, 256, (30, 50, 3), dtype=np.uint8),
        generator=random,
    )
    masked = person_with_a_bright_wrist(random)
    masked = PersonCrop(
        masked.image, masked.keypoints, masked.box, 1.0, 1.0, 1.0, np.full((160, 120), 255, np.uint8)
    )
    for index in range(120):
        crop = augmentation(masked if index % 2 else person_with_a_bright_wrist(random), size=(64, 96))
        assert crop.image.shape == (64, 96, 3)
        assert crop.image.dtype == np.uint8
        assert np.isfinite(crop.joints).all()
        assert ((crop.joints[:, 2] >= 0) & (crop.joints[:, 2] <= 1)).all()


def test_a_gaussian_stands_on_its_joint() -> None:
    # Stride 4: pixel 13.5 is the centre of cell 3, pixel 5.5 of cell 1.
    maps = gaussian_maps(torch.tensor([[[13.5, 5.5, 1.0]]]), size=(6, 8), stride=4, sigma_cells=1.5)
    assert maps.shape == (1, 1, 6, 8)
    assert maps[0, 0, 1, 3] == 1
    assert maps[0, 0, 1, 4].item() == pytest.approx(np.exp(-1 / 4.5))
    np.testing.assert_allclose(decode_heatmaps(maps.numpy(), smoothing_cells=0)[0, 0], [3, 1, 1], atol=1e-4)


def loss_of(logits: torch.Tensor, joints: torch.Tensor) -> tuple[float, float, float]:
    terms = heatmap_loss(logits, joints, stride=4, sigma_cells=1.5, location_weight=1.0)
    loss, presence, location = (float(term) for term in terms)
    return loss, presence, location


def test_the_right_place_costs_no_location_and_a_wrong_one_does() -> None:
    joints = torch.tensor([[[13.5, 9.5, 1.0]]])
    right = torch.log(gaussian_maps(joints, size=(8, 8), stride=4, sigma_cells=1.5).clamp(min=1e-9))
    wrong = torch.roll(right, 3, dims=3)
    assert loss_of(right, joints)[2] == pytest.approx(0, abs=1e-4)
    assert loss_of(wrong, joints)[2] > 1
    assert loss_of(wrong, joints)[1] > loss_of(right, joints)[1]


def test_a_joint_outside_the_crop_asks_for_an_empty_map() -> None:
    joints = torch.tensor([[[-20.0, 9.5, 1.0]]])
    empty, full = torch.full((1, 1, 8, 8), -9.0), torch.zeros((1, 1, 8, 8))
    assert loss_of(empty, joints)[1] < 0.01 < loss_of(full, joints)[1]
    assert loss_of(full, joints)[2] == 0


def test_a_joint_without_a_label_asks_for_nothing() -> None:
    logits = torch.randn((1, 2, 8, 8), requires_grad=True)
    joints = torch.tensor([[[13.5, 9.5, 0.0], [13.5, 9.5, 1.0]]])
    loss, _, _ = heatmap_loss(logits, joints, stride=4, sigma_cells=1.5, location_weight=1.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, 0].abs().max() == 0
    assert logits.grad[0, 1].abs().max() > 0


def test_a_batch_without_any_label_costs_nothing() -> None:
    assert loss_of(torch.randn((1, 1, 8, 8)), torch.zeros((1, 1, 3))) == (0, 0, 0)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Ten people of one collection, two of them held out, each with its own gray."""
    random = np.random.default_rng(5)
    people = []
    for index in range(10):
        crop = person_with_a_bright_wrist(random)
        reference = ImageReference(Path(f"{index}.png"), None, 0, 0, f"source{index}")
        person = LabelledPerson(
            reference, crop.keypoints, crop.box, 7200.0, 1.0, "clips", held_out=index in (3, 7)
        )
        image = np.full_like(crop.image, 10 * index) if index in (3, 7) else crop.image
        people.append((person, cut_person(person, image, reach=2.0)))
    store_person_crops(people, tmp_path / "cache" / "rendered1_seed0")
    return tmp_path / "cache"


def configuration(cache: Path, *, steps: int, **more: object) -> TopDownConfig:
    values = {
        "data": PoseDataConfig(rendered_frames=1, shares={"clips": 1.0}),
        "cache": cache,
        "backbone": None,
        "stages": [CropStage(height=64, width=64, steps=steps)],
        "batch_size": 4,
        "warm_up_steps": 1,
    }
    return TopDownConfig.model_validate(values | more)


def test_held_out_people_are_never_drawn(store: Path) -> None:
    crops = PersonCrops([store / "rendered1_seed0"])
    sampler = CropSampler(crops, shares={"clips": 1.0, "absent": 3.0}, padding=1.3, seed=0)
    drawn = {id_of(sampler._person(), crops) for _ in range(200)}
    assert drawn == {0, 1, 2, 4, 5, 6, 8, 9}


def id_of(person: PersonCrop, crops: PersonCrops) -> int:
    return next(i for i in range(len(crops)) if np.array_equal(crops[i].keypoints, person.keypoints))


def test_nobody_to_train_on_is_an_error(store: Path) -> None:
    with pytest.raises(DatasetError, match="no stored person to train on"):
        CropSampler(PersonCrops([store / "rendered1_seed0"]), shares={"lspet": 1.0}, padding=1.3, seed=0)


def test_a_perfect_network_measures_1_and_a_blind_one_0(store: Path) -> None:
    crops = PersonCrops([store / "rendered1_seed0"])
    held_out = [crops[3], crops[7]]

    def perfect(images: np.ndarray) -> np.ndarray:
        from activity.pose.heatmaps import crop_matrix  # noqa: PLC0415

        assert len(images) == 2
        joints = np.stack([person.keypoints for person in held_out])
        for person, moved in zip(held_out, joints, strict=True):
            matrix = crop_matrix(person.box, size=(192, 160), padding=1.3)
            moved[:, :2] = person.keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        maps = gaussian_maps(torch.from_numpy(joints), size=(48, 40), stride=4, sigma_cells=1.5)
        return np.asarray(maps.numpy(), np.float32)

    def blind(images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), 17, 48, 40), np.float32)

    figures = measure_crops(perfect, crops, origin="clips", size=(192, 160), stride=4, padding=1.3)
    assert figures["people"] == 2
    assert figures["mean_oks"] > 0.99
    assert figures["recall_oks50"] == 1
    assert figures["pck"] == 1
    assert figures["recall_oks50/64-128px"] == 1
    figures = measure_crops(blind, crops, origin="clips", size=(192, 160), stride=4, padding=1.3)
    assert figures["recall_oks50"] == 0
    assert measure_crops(blind, crops, origin="lspet", size=(192, 160), stride=4, padding=1.3) == {}


def test_a_run_trains_resumes_and_exports(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    people = PersonCrops([store / "rendered1_seed0"])
    console = Console(quiet=True)
    HeatmapTraining(configuration(store, steps=2), run_directory=run, crops=people, console=console).run()
    target = tmp_path / "shipped" / "pose.onnx"
    checkpoint = train(configuration(store, steps=3, checkpoint=target), run_directory=run)
    assert checkpoint == target
    assert target.read_bytes() == (run / "pose_topdown.onnx").read_bytes()
    records = [json.loads(line) for line in (run / "measurements.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [2, 3]
    assert records[-1]["clips"]["people"] == 2
    assert list((run / "tensorboard").iterdir())


def test_a_run_of_version_0_1_goes_on(store: Path, tmp_path: Path) -> None:
    """Its state holds just these five parts."""
    config = configuration(store, steps=3)
    network, averaged = HeatmapNetwork(), HeatmapNetwork()
    named = dict(network.named_parameters())
    groups = [
        {
            "params": [
                v for n, v in named.items() if n.startswith("backbone.") == of and (v.ndim > 1) == decays
            ],
            "lr": 0.5,
            "peak_lr": 0.5,
            "weight_decay": 0.5,
        }
        for of in (True, False)
        for decays in (True, False)
    ]
    optimizer = torch.optim.AdamW(groups)
    network(torch.zeros((1, 64, 64, 3), dtype=torch.uint8)).sum().backward()
    optimizer.step()
    state = {
        "network": network.state_dict(),
        "averaged": averaged.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 2,
        "elapsed_s": 120.0,
    }
    (tmp_path / "run").mkdir()
    torch.save(state, tmp_path / "run/state.pt")
    people = PersonCrops([store / "rendered1_seed0"])
    training = HeatmapTraining(
        config, run_directory=tmp_path / "run", crops=people, console=Console(quiet=True)
    )
    for name, value in training.averaged.state_dict().items():
        torch.testing.assert_close(value, averaged.state_dict()[name], rtol=0, atol=0)
    rates = [group["peak_lr"] for group in training._run.optimizer.param_groups]
    assert rates == [config.backbone_learning_rate] * 2 + [config.learning_rate] * 2
    training.run()
    (record,) = [json.loads(line) for line in (tmp_path / "run/measurements.jsonl").read_text().splitlines()]
    assert record["step"] == 3
    assert 2 <= record["minutes"] < 3


def test_a_run_with_other_data_is_not_gone_on_with(store: Path, tmp_path: Path) -> None:
    people = PersonCrops([store / "rendered1_seed0"])
    first = HeatmapTraining(
        configuration(store, steps=1),
        run_directory=tmp_path / "run",
        crops=people,
        console=Console(quiet=True),
    )
    first._run.save()
    with pytest.raises(ConfigurationError, match=r"batch_size was 4, is 2\. Go on with"):
        train(configuration(store, steps=1, batch_size=2), run_directory=tmp_path / "run")


def test_a_state_of_something_else_is_named(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    torch.save({"network": {}}, run / "state.pt")
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        train(configuration(store, steps=1), run_directory=run)


@pytest.mark.slow
def test_eight_fixed_crops_are_learnt_by_heart(store: Path, tmp_path: Path) -> None:
    config = configuration(store, steps=150, ema_decay=0.9, location_weight=1.0)
    crops = PersonCrops([store / "rendered1_seed0"])
    training = HeatmapTraining(config, run_directory=tmp_path, crops=crops, console=Console(quiet=True))
    images, joints = training._sampler.draw(8, size=(64, 64))
    training._sampler.draw = lambda count, *, size: (images, joints)  # type: ignore[method-assign]
    first = training._one_step()
    for _ in range(120):
        last = training._one_step()
    assert last[2] < 0.5 * first[2]


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"stages": []}, {"padding": 0.5}, {"unknown": 1}, {"seed": -1}]
)
def test_settings_out_of_bounds_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        configuration(tmp_path, steps=1, **wrong)


def test_the_bundled_configuration_ships_the_bundled_checkpoint() -> None:
    text = (Path(__file__).parents[2] / "configs" / "pose_topdown.yaml").read_text(encoding="utf-8")
    config = TopDownConfig.model_validate(yaml.safe_load(text))
    assert config.checkpoint == Path("checkpoints/pose_topdown.onnx")
    assert (config.stages[-1].height, config.stages[-1].width) == (192, 160)
    assert sum(config.data.shares.values()) == pytest.approx(1)


def test_a_crop_must_fit_the_backbones_stride() -> None:
    with pytest.raises(ValidationError, match="multiple of 32"):
        CropStage(height=100, width=64, steps=1)
