from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from activity.errors import DatasetError
from activity.evaluation.labelled_videos import (
    LabelledVideo,
)
from activity.evaluation.recognition import (
    evaluate_recognizer,
)
from activity.recognition.recognizer import Recognizer
from activity.structures import COCO_FLIP, Tubelet
from activity.training.recognizer.augmentation import GridArranger, augment
from activity.training.recognizer.config import AugmentationSection, RecognizerConfig
from activity.training.recognizer.fit import fit
from activity.training.recognizer.floor import (
    forest_accuracy,
    linear_accuracy,
    movement_features,
    pooled_motion,
)
from activity.training.recognizer.samples import SegmentSet, draw_batches
from activity.training.recognizer.trainer import cross_validate, load_training_data, train
from activity.tubelets import to_part_grids

STILL = AugmentationSection(
    mirror=0, rotation_rad=0, scale=0, joint_noise=0, joint_dropout=0, shortest_crop=1
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def segments(batch: int = 4) -> torch.Tensor:
    return torch.randn(batch, 24, 17, 2, generator=generator(5))


def vary(joints: torch.Tensor, **amounts: float) -> torch.Tensor:
    return augment(joints[:, None], STILL.model_copy(update=amounts), generator())[:, 0]


def test_without_amounts_nothing_is_varied() -> None:
    torch.testing.assert_close(vary(segments()), segments())


def test_a_mirrored_segment_is_left_for_right_and_mirrored_twice_itself() -> None:
    once = vary(segments(), mirror=1)
    torch.testing.assert_close(once[:, :, 9, 0], -segments()[:, :, 10, 0])  # the left wrist is the right one
    torch.testing.assert_close(once[:, :, 9, 1], segments()[:, :, 10, 1])
    torch.testing.assert_close(vary(once, mirror=1), segments())
    assert COCO_FLIP[9] == 10


def test_rotation_and_scale_keep_the_shape_of_a_body() -> None:
    turned = vary(segments(), rotation_rad=0.5)
    torch.testing.assert_close(turned.norm(dim=-1), segments().norm(dim=-1), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(turned, segments())
    ratios = vary(segments(), scale=0.2).norm(dim=-1) / segments().norm(dim=-1)
    assert float(ratios.std(dim=(1, 2)).max()) < 1e-5  # one size for a whole segment
    assert float(ratios.min()) >= 0.8
    assert float(ratios.max()) <= 1.2


def test_a_cropped_segment_keeps_its_length_and_runs_slower() -> None:
    line = torch.linspace(1, 24, 24)[None, :, None, None].expand(3, 24, 17, 2).contiguous()
    slow = vary(line, shortest_crop=0.5)
    steps = slow[:, 1:] - slow[:, :-1]
    assert slow.shape == line.shape
    assert float(steps.min()) >= 0.5 - 1e-4
    assert float(steps.max()) <= 1 + 1e-4
    assert float(steps.std(dim=1).max()) < 1e-4


@pytest.mark.parametrize(
    "amounts", [{"joint_noise": 0.1}, {"rotation_rad": 1.0}, {"scale": 0.5}, {"mirror": 1.0}]
)
def test_a_missing_joint_stays_missing(amounts: dict[str, float]) -> None:
    joints = segments()
    joints[:, 3:7, 10] = 0
    varied = vary(joints, **amounts)
    joint = 9 if "mirror" in amounts else 10
    assert not varied[:, 3:7, joint].any()
    assert varied[:, 7:, joint].any()


def test_no_pose_is_blended_with_a_missing_one() -> None:
    joints = torch.full((8, 24, 17, 2), 5.0)
    joints[:, 12] = 0
    values = sorted(set(vary(joints, shortest_crop=0.5).flatten().tolist()))
    assert values == pytest.approx([0, 5])


def test_an_offset_of_a_joint_holds_for_the_whole_segment_and_for_that_joint_alone() -> None:
    moved = vary(segments(), joint_offset=0.1) - segments()
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved), atol=1e-5, rtol=1e-5)
    assert float(moved[:, 0].flatten().std()) == pytest.approx(0.1, rel=0.2)


def test_each_person_has_a_size_and_a_place_of_its_own() -> None:
    pair = torch.randn(6, 2, 8, 17, 2, generator=generator(3)) + torch.tensor([4.0, 2.0])
    pair[:, :, :, 5] = 0  # missing
    varied = augment(pair, STILL.model_copy(update={"person_scale": 0.2, "person_shift": 0.5}), generator())
    seen = [joint for joint in range(17) if joint != 5]
    assert not varied[:, :, :, 5].any()
    for own in (pair.flip(1), pair):  # the order of the people is drawn too
        middles = [joints[..., seen, :].mean(dim=(2, 3), keepdim=True) for joints in (own, varied)]
        sizes = ((varied - middles[1])[..., seen, :] / (own - middles[0])[..., seen, :]).flatten(2)
        same = sizes.std(dim=2) < 1e-3  # (6, 2)
        assert torch.equal(same[:, 0], same[:, 1])
        ratios = sizes.mean(dim=2)[same]
        assert float((ratios - 1).abs().max()) <= 0.2 + 1e-3
        assert len(set(ratios.round(decimals=4).tolist())) == len(ratios)
        shifts = (middles[1] - middles[0]).flatten(2)[same]
        assert float(shifts.abs().max()) <= 0.5 + 1e-3
        assert len(set(shifts.round(decimals=4).flatten().tolist())) == 2 * len(ratios)


def test_dropped_joints_are_missing_for_the_whole_segment() -> None:
    dropped = vary(segments(200), joint_dropout=0.2)
    missing = (dropped == 0).all(dim=-1)  # (200, 24, 17)
    assert bool((missing.all(dim=1) == missing.any(dim=1)).all())
    assert float(missing.float().mean()) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("padding", ["constant", "replicate"])
def test_tensors_are_arranged_in_grids_as_arrays_are(padding: Literal["constant", "replicate"]) -> None:
    grids = GridArranger(padding)(segments(3))
    for index, joints in enumerate(segments(3)):
        np.testing.assert_array_equal(grids[index].numpy(), to_part_grids(joints.numpy(), padding=padding))


def test_every_class_and_every_clip_is_drawn_as_often_as_the_others() -> None:
    # class 0 has one clip of one segment; class 1 has nine clips, one of them with 100 segments
    sizes = [1, 100, *[1] * 8]
    ends = np.cumsum(sizes)
    data = SegmentSet(
        joints=torch.arange(int(ends[-1])).float()[:, None, None, None].expand(-1, 2, 17, 2),
        clips=tuple(torch.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)),
        labels=torch.tensor([0, *[1] * 9]),
    )
    draw = generator()
    batches = [
        b
        for _ in range(100)
        for b in draw_batches(data, clips_per_batch=10, segments_per_clip=3, generator=draw)
    ]
    labels = torch.cat([batch.labels for batch in batches])
    assert float((labels == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    rows = torch.cat([batch.joints[:, 0, 0, 0] for batch in batches])
    assert len(rows) == 3 * len(labels)
    long_clip = ((rows >= 1) & (rows <= 100)).float().mean()
    assert float(long_clip) == pytest.approx(0.5 / 9, abs=0.02)


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activity.training.recognizer.floor.TREES", 20)


def write_people(root: Path, *, per_class: int = 6) -> None:
    """Fighters shake with their arms up, others stand still: anything that learns at all tells them apart."""
    body = np.random.default_rng(0).uniform(10, 100, size=34)
    for category, jitter, lift in (("Fighting", 8.0, 60.0), ("Normal", 0.2, 0.0)):
        for number in range(per_class):
            draw = np.random.default_rng([number, len(category)])
            pose = body.copy()
            pose[[15, 17, 19, 21]] -= lift  # y of elbows and wrists
            frames = [pose + draw.normal(scale=jitter, size=34) for _ in range(60)]
            path = root / category / f"{category[0]}{number}" / "1.csv"
            path.parent.mkdir(parents=True)
            path.write_text("\n".join(",".join([str(k), *map(str, f)]) for k, f in enumerate(frames)) + "\n")


def config_for(root: Path, **changes: Any) -> RecognizerConfig:
    values: dict[str, Any] = {
        "checkpoint": root / "out" / "small.safetensors",
        "data": {"trajectories": root / "data"},
        "network": {
            "kernel": [8, 3, 3],
            "stride": [8, 3, 3],
            "channels": 8,
            "heads": 2,
            "part_depth": 1,
            "body_depth": 1,
            "velocity": True,
        },
        "optimization": {"epochs": 20, "clips_per_batch": 8, "segments_per_clip": 2, "learning_rate": 0.005},
        "folds": 2,
    }
    return RecognizerConfig.model_validate({**values, **changes})


def test_training_tells_shaking_from_standing_people_and_says_how_well(tmp_path: Path) -> None:
    write_people(tmp_path / "data")
    config = config_for(tmp_path)
    path = train(config, run_directory=tmp_path / "run")
    assert path == config.checkpoint
    figures = evaluate_recognizer(tmp_path / "data", path)
    assert figures["clip"]["balanced_accuracy"] > 0.9
    assert figures["seen_in_training"] == 12
    validation = figures["cross_validation"]
    assert validation["clip"]["n"] == 12
    assert validation["clip"]["balanced_accuracy"] > 0.7
    assert len(validation["floor"]["balanced_accuracy"]) == 1
    assert validation["protocol"] == "2 folds grouped by source, 12 videos of 12 sources"
    (alarms,) = validation["alarms"]
    assert {name: entry["n"] for name, entry in alarms.items()} == {"Fighting": 6, "Normal": 6}
    assert alarms["Fighting"]["alarmed"] > alarms["Normal"]["alarmed"]
    assert figures["alarms"]["Fighting"]["rate"] > figures["alarms"]["Normal"]["rate"]
    training = Recognizer.load(path).training
    assert training["videos"] == sorted([f"F{n}" for n in range(6)] + [f"N{n}" for n in range(6)])
    card = path.with_suffix(".md").read_text()
    for text in (
        "## Data",
        "## How good",
        "## What it cannot do",
        "seed 0",
        "random forest",
        "**Alarms**",
        "Fighting or Normal",
    ):
        assert text in card


def test_a_stopped_run_goes_on_with_the_folds_that_it_has(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=3)
    config = config_for(tmp_path, optimization={"epochs": 1, "clips_per_batch": 4, "segments_per_clip": 1})
    data = load_training_data(config)
    begun: list[str] = []

    def on_epoch(name: str, *_: object) -> None:
        begun.append(name)

    first = cross_validate(config, data, run_directory=tmp_path / "run", on_epoch=on_epoch)
    (tmp_path / "run" / "seed0_fold2.json").unlink()
    again = cross_validate(config, data, run_directory=tmp_path / "run", on_epoch=on_epoch)
    assert again == first
    assert begun == ["seed 0, fold 1 of 2", "seed 0, fold 2 of 2", "seed 0, fold 2 of 2"]
    other = config.model_copy(update={"seed": 1})
    cross_validate(other, data, run_directory=tmp_path / "run", on_epoch=on_epoch)
    assert len(begun) == 5  # another recipe trusts no kept answer


def test_the_same_seed_trains_the_same_network(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    config = config_for(tmp_path, optimization={"epochs": 2, "clips_per_batch": 4, "segments_per_clip": 1})
    data = load_training_data(config)
    videos = [data.dense[video.video] for video in data.videos]
    networks = [fit(config, videos, data.classes, seed=seed)[0].state_dict() for seed in (3, 3, 4)]
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])
    assert not all(torch.equal(networks[0][name], networks[2][name]) for name in networks[0])


def test_mixed_precision_learns_nearly_the_same_and_keeps_its_weights_in_full(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    losses: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for precision, seen in losses.items():
        config = config_for(
            tmp_path,
            optimization={
                "epochs": 3, "clips_per_batch": 4, "segments_per_clip": 1, "precision": precision
            },
        )  # fmt: skip
        data = load_training_data(config)
        videos = [data.dense[video.video] for video in data.videos]
        network, _ = fit(
            config, videos, data.classes, seed=0, on_epoch=lambda *done, kept=seen: kept.append(done[3])
        )
        assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert losses["bf16"] != losses["fp32"]  # it was used
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)


def test_held_out_sources_take_no_part_in_training(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=3)
    names = [f"{c[0]}{n}" for c in ("Fighting", "Normal") for n in range(3)]
    # s38 is held out by its hash, s01 is not
    rows = [
        f"x/{name}.mp4,{'s38' if name in ('F0', 'N0') else 's01' if name[1] == '1' else 's02'}"
        for name in names
    ]
    table = tmp_path / "sources.csv"
    table.write_text("clip,source\n" + "\n".join(rows) + "\n")
    data = load_training_data(
        config_for(tmp_path, data={"trajectories": tmp_path / "data", "sources": table})
    )
    assert [video.video for video in data.held_out] == ["F0", "N0"]
    assert {video.group for video in data.videos} == {"s01", "s02"}


def test_fewer_sources_than_folds_are_refused(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=2)
    config = config_for(tmp_path, folds=5)
    with pytest.raises(DatasetError, match="5 folds need as many sources, got 4"):
        cross_validate(config, load_training_data(config))


def test_one_class_is_nothing_to_learn(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=1)
    (tmp_path / "data" / "Normal" / "N0" / "1.csv").unlink()
    with pytest.raises(DatasetError, match=r"expected at least two categories .* got \['Fighting'\]"):
        load_training_data(config_for(tmp_path))


def test_features_of_the_floor_are_numbers_for_every_video(tmp_path: Path) -> None:
    write_people(tmp_path / "data", per_class=1)
    (tmp_path / "data" / "Normal" / "empty").mkdir()
    videos = load_training_data(config_for(tmp_path)).videos
    features = np.stack([movement_features(video) for video in videos])
    assert features.shape == (3, 38)
    assert np.isfinite(features).all()
    by_name = {video.video: row for video, row in zip(videos, features, strict=True)}
    assert by_name["F0"][0] > 5 * by_name["N0"][0]  # mean speed of the torso
    assert not by_name["empty"].any()
    pooled = {video.video: pooled_motion(video) for video in videos}
    assert all(row.shape == (188,) and np.isfinite(row).all() for row in pooled.values())
    assert not pooled["empty"].any()


def test_the_floor_tells_fast_from_slow_people_and_guesses_between_equals() -> None:
    def video(number: int, speed: float) -> LabelledVideo:
        draw = np.random.default_rng(number)
        grids = draw.normal(size=(5, 2, 1, 3, 3)) + draw.normal(scale=speed, size=(5, 2, 24, 3, 3))
        tubelet = Tubelet(track_id=1, start_s=0, end_s=2, grids=grids.astype(np.float32), observed=1)
        return LabelledVideo(str(number), "AB"[number % 2], str(number), ((tubelet,),))

    folds = [(range(20), range(20, 40)), (range(20, 40), range(20))]
    assert forest_accuracy([video(k, 0.1 + k % 2) for k in range(40)], folds, seed=0) == 1
    assert linear_accuracy([video(k, 0.1 + k % 2) for k in range(40)], folds) == 1
    assert forest_accuracy([video(k, 0.1) for k in range(40)], folds, seed=0) == pytest.approx(0.5, abs=0.25)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 1}, "greater than or equal to 2"),
        ({"epochs": 3}, "Extra inputs are not permitted"),
        ({"tubelets": {"fps": 3}}, "tubelets: unknown fps"),
        ({"network": {"depth": 3}}, "bptubeformer has no depth"),
        ({"network": {"classes": 3}}, "network.classes follows from the data"),
        ({"network": {"architecture": "resnet"}}, "got 'resnet'"),
    ],
)
def test_a_wrong_configuration_is_refused_with_its_field(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        config_for(tmp_path, **changes)


@pytest.mark.parametrize("clip_loss", [0.0, 0.7])
def test_a_batch_in_parts_teaches_what_it_teaches_at_once(
    clip_loss: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_people(tmp_path / "data", per_class=4)
    optimization = {"epochs": 1, "clips_per_batch": 8, "segments_per_clip": 2, "clip_loss": clip_loss}
    config = config_for(tmp_path, optimization=optimization)
    config = config_for(
        tmp_path, optimization=optimization, network={**config.model_dump()["network"], "dropout": 0.0}
    )
    data = load_training_data(config)
    videos = [data.dense[video.video] for video in data.videos]
    learned, losses = [], []
    for at_once in (256, 6, 1):  # one part, parts of 3, 3 and 2 clips, and each clip alone
        monkeypatch.setattr("activity.training.recognizer.fit.SEGMENTS_AT_ONCE", at_once)
        network, _ = fit(config, videos, data.classes, seed=0, on_epoch=lambda *done: losses.append(done[3]))
        learned.append(network.state_dict())
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)
    for parts in learned[1:]:
        for name, weights in learned[0].items():
            torch.testing.assert_close(parts[name], weights, rtol=0, atol=2e-4)  # a step is 5e-3 long
