from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
import yaml

from activity.detection import FireClassifier
from activity.errors import ConfigurationError, DatasetError
from activity.structures import FireFinding
from activity.training.fire import trainer, validation
from activity.training.fire.augmentation import UNKNOWN, Sprites, make_training_picture
from activity.training.fire.calibration import fit_platt
from activity.training.fire.config import FireConfig
from activity.training.fire.draws import training_pools
from activity.training.fire.duplicates import group_scenes
from activity.training.fire.export import export_fire
from activity.training.fire.flames import cut_sprites, draw_flames, draw_lamp, flame_coloured, lay_over
from activity.training.fire.loss import fire_loss
from activity.training.fire.networks import FireActivationNetwork, FireDetectionNet, FireOutput
from activity.training.fire.pictures import FirePicture

ROOT = Path(__file__).parents[2]
ORANGE = (255, 150, 20)


def config(name: str = "fire", **changes: object) -> FireConfig:
    settings = yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text())
    return FireConfig(**{**settings, **changes})


def picture(
    *, burns: bool, boxes: npt.NDArray[np.float32] | None = None, name: str = "a", held_out: bool = False
) -> FirePicture:
    """Gray, with an orange square in the upper left quarter where it burns."""
    image = np.full((96, 128, 3), 90, np.uint8)
    if burns:
        image[:48, :64] = ORANGE
    origin = "fire" if burns else "no_fire"
    return FirePicture(image, burns, boxes, origin, name, name, name, held_out)


QUARTER = np.array([[0, 0, 0.5, 0.5]], np.float32)
NOWHERE = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize("name", ["fire", "fire_csis"])
def test_shipped_settings_are_valid(name: str) -> None:
    trainer.check_canvases(config(name))
    with pytest.raises(ValueError, match="Extra inputs"):
        config(name, stepz=3)


def test_canvas_that_does_not_fit_the_network_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="multiples of 32, 128x128 for fire_detection_net, got 256x256"
    ):
        trainer.check_canvases(config("fire_csis", canvases=[(256, 256)]))
    with pytest.raises(ConfigurationError, match="got 100x128"):
        trainer.check_canvases(config(canvases=[(100, 128)]))


def test_pictures_hang_together_by_source_by_layout_and_by_content() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(6, 400)).astype(np.float32)
    features[1] = features[0] + 0.1 * random.normal(size=400)  # alike in content
    thumbnails = np.eye(6, 432, dtype=np.float32)
    thumbnails[3] = thumbnails[2]  # alike in layout
    groups = group_scenes(features, thumbnails, ["a", "b", "c", "d", "e", "a"])  # 0 and 5 of one source
    assert groups[0] == groups[1] == groups[5]
    assert groups[2] == groups[3]
    assert len(set(groups.tolist())) == 3
    assert len(group_scenes(np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), [])) == 0


def test_flame_colours_are_orange_and_the_white_amid_it_not_red_green_or_plain_white() -> None:
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, :20] = ORANGE
    image[:, 20:23] = 255  # beside the orange
    image[:, 60:80] = 255  # far from it
    image[:, 80:] = (20, 200, 20)
    found = flame_coloured(image)
    assert found[:, :23].all()
    assert not found[:, 30:].any()


def test_flames_are_cut_out_of_their_boxes_only() -> None:
    image = np.full((96, 128, 3), 40, np.uint8)
    random = np.random.default_rng(0)
    for x in (20, 90):
        image[30:60, x : x + 20] = random.uniform(0.75, 1, (30, 20, 1)) * ORANGE
    assert len(cut_sprites(image, boxes=None)) == 2
    (sprite,) = cut_sprites(image, boxes=np.array([[0, 0, 0.5, 1]], np.float32))
    assert sprite.opacity.shape == (38, 28)  # 30x20 with four pixels around
    assert cut_sprites(image, boxes=NOWHERE) == []
    flat = np.full((96, 128, 3), 40, np.uint8)
    flat[30:60, 20:40] = (200, 120, 80)
    assert cut_sprites(flat, boxes=None) == []  # a lit wall


def test_what_is_laid_over_shows_where_it_says() -> None:
    random = np.random.default_rng(3)
    for make in (draw_flames, draw_lamp):
        image, shown = lay_over(np.full((120, 160, 3), 30, np.uint8), make(random), random, share=(0.5, 0.6))
        assert shown.any()
        assert image[shown].max(1).mean() > image[~shown].max(1).mean() + 60


def test_boxes_become_cells_and_what_nobody_boxed_stays_unknown() -> None:
    sprites = Sprites([], [])
    for seed in range(8):
        random = np.random.default_rng(seed)
        boxed = make_training_picture(
            picture(burns=True, boxes=QUARTER), sprites=sprites, overlay=None, size=(64, 96), random=random
        )
        assert boxed.image.shape == (64, 96, 3)
        assert boxed.cells.shape == (4, 6)
        assert boxed.cells.max() > 0.9
        assert boxed.cells.min() == 0
        assert not boxed.is_sure
        unboxed = make_training_picture(
            picture(burns=True), sprites=sprites, overlay=None, size=(64, 96), random=random
        )
        assert (unboxed.cells == UNKNOWN).all()
        quiet = make_training_picture(
            picture(burns=False, boxes=NOWHERE),
            sprites=sprites,
            overlay="lures",
            size=(64, 96),
            random=random,
        )
        assert not quiet.burns
        assert (quiet.cells == 0).all()


def test_picture_with_flames_laid_over_burns_just_there() -> None:
    made = [
        make_training_picture(
            picture(burns=False, boxes=NOWHERE),
            sprites=Sprites([], []),
            overlay="flames",
            size=(96, 128),
            random=np.random.default_rng(seed),
        )
        for seed in range(8)
    ]
    burning = [entry for entry in made if entry.burns]
    assert len(burning) >= 5
    assert all(entry.is_sure and 0 < entry.cells.max() <= 1 for entry in burning)


def test_loss_asks_for_quiet_outside_boxes_and_for_nothing_certain_inside() -> None:
    cells = torch.zeros(1, 2, 2)
    output = FireOutput(torch.zeros(1), cells)
    truth = torch.tensor([[[1.0, 0.0], [UNKNOWN, 0.5]]])
    one, not_sure, sure = torch.ones(1), torch.tensor([False]), torch.tensor([True])
    half = np.log(2)
    loose = fire_loss(output, burns=one, cells=truth, is_sure=not_sure)
    assert float(loose.picture) == pytest.approx(half)
    assert float(loose.quiet) == pytest.approx(half * 0.5)  # one quiet cell, half wrong
    assert float(loose.burning) == 0
    exact = fire_loss(output, burns=one, cells=truth, is_sure=sure)
    assert float(exact.burning) == pytest.approx(half)
    assert float(fire_loss(output, burns=one, cells=None, is_sure=sure).total) == pytest.approx(half)


def test_calibration_gives_every_scene_one_voice() -> None:
    logits = np.array([2.0] * 50 + [1.0, -1.0, -2.0])
    burns = np.array([True] * 51 + [False] * 2)
    scale, offset = fit_platt(logits, burns, ["one"] * 50 + ["two", "three", "four"])
    assert scale > 0
    assert offset == pytest.approx(0, abs=1e-3)  # fifty pictures of one scene do not tip the balance
    flat, _ = fit_platt(np.array([1.0, -1.0, 1.0, -1.0]), np.array([True, True, False, False]), list("abcd"))
    assert flat == pytest.approx(0.05)  # a network that knows nothing is told so
    with pytest.raises(DatasetError, match="with and without fire, got 2 of 2"):
        fit_platt(np.zeros(2), np.array([True, True]), ["a", "b"])


def test_grad_cam_written_out_is_the_gradient_of_autograd() -> None:
    torch.manual_seed(0)
    network = FireDetectionNet()
    for norm in (network.first_norm, network.second_norm):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    network.eval()
    images = 255 * torch.rand(2, 3, 128, 128)
    features = network.features(images / 255).detach().requires_grad_()
    x = features.flatten(1)
    x = network.first_norm(network.first(x).relu())
    scores = network.classes(network.second_norm(network.second(x).relu()))
    (scores[:, 1] - scores[:, 0]).sum().backward()
    assert features.grad is not None
    expected = (features.grad.mean((2, 3), keepdim=True) * features).sum(1).relu()
    expected = expected / expected.amax((1, 2), keepdim=True).clamp(min=1e-6)
    np.testing.assert_allclose(network(images).cells.detach(), expected.detach(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [FireActivationNetwork, FireDetectionNet])
def test_exported_file_says_what_torch_says(
    make: type[FireActivationNetwork] | type[FireDetectionNet], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    network = make().eval()
    path = export_fire(
        network, tmp_path / "deep/fire.onnx", scale=1.5, offset=-0.5, threshold=0.4, input_long_side=160
    )
    classifier = FireClassifier(path)
    size = (96, 160) if make is FireActivationNetwork else (128, 128)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    finding = classifier.classify(image)
    with torch.inference_mode():
        output = network(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())
    assert finding.probability == pytest.approx(float((1.5 * output.logits - 0.5).sigmoid()), abs=1e-4)
    assert classifier.threshold == 0.4
    assert finding.activation_map.shape == tuple(output.cells.shape[1:])


def test_kind_without_pictures_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'clips' has no pictures; known are"):
        training_pools(config(), [picture(burns=True), picture(burns=False, boxes=NOWHERE)])


@pytest.mark.slow
@pytest.mark.real_data
def test_training_learns_orange_squares_and_goes_on_where_it_was_stopped(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [
        picture(burns=burns, boxes=QUARTER if burns else NOWHERE, name=f"{burns}{i}", held_out=i == 0)
        for burns in (True, False)
        for i in range(4)
    ]
    monkeypatch.setattr(trainer, "read_all_pictures", lambda _config: pictures)
    settings: dict[str, Any] = {
        "initial_weights": ROOT / "../shared/models/yolox_nano.onnx",
        "checkpoint": tmp_path / "fire.onnx",
        "shares": {"fire": 0.5, "no_fire": 0.5},
        "canvases": [(64, 64)],
        "batch_size": 8,
        "save_every": 10,
        "averaging": 0.8,
        "learning_rate": 3e-3,
        "max_minutes": 100,
    }
    with monkeypatch.context() as stopped:
        stopped.setattr(trainer, "write_checkpoint", lambda *_: tmp_path)
        stopped.setattr(trainer, "validate_fire", lambda *_, **__: {})
        trainer.train(config(**settings, steps=15), run_directory=tmp_path / "run")
    path = trainer.train(config(**settings, steps=40), run_directory=tmp_path / "run")
    state = torch.load(tmp_path / "run/state.pt", weights_only=True)
    assert state["step"] == 40
    figures = json.loads((tmp_path / "run/validation.json").read_text())
    assert figures["count"] == {"fire": 1, "no_fire": 1}
    classifier = FireClassifier(path)
    burning, quiet = (
        np.ascontiguousarray(cv2.resize(p.image, (320, 240))) for p in (pictures[0], pictures[4])
    )
    assert classifier.classify(burning).probability > classifier.classify(quiet).probability + 0.2


def test_validation_counts_held_out_pictures_only_and_names_the_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Orange:
        """Takes the mean of the red channel for the probability."""

        threshold = 0.5

        def __init__(self, *_: object, **__: object) -> None: ...

        def classify(self, image: npt.NDArray[np.uint8]) -> FireFinding:
            probability = float(image[..., 0].mean()) / 255
            return FireFinding(probability, np.full((1, 1), probability, np.float32), None)

    def gray(level: int, *, burns: bool, name: str, origin: str, held_out: bool = True) -> FirePicture:
        image = np.full((8, 8, 3), level, np.uint8)
        return FirePicture(image, burns, None, origin, name, name, name, held_out)

    monkeypatch.setattr(validation, "FireClassifier", Orange)
    pictures = [
        gray(230, burns=True, name="a", origin="fire"),
        gray(60, burns=True, name="b", origin="fire"),
        gray(20, burns=False, name="c", origin="no_fire"),
        gray(30, burns=False, name="d", origin="no_fire"),
        gray(200, burns=False, name="e", origin="clips"),
        gray(10, burns=True, name="seen", origin="fire", held_out=False),
    ]
    figures = validation.validate_fire(tmp_path / "any.onnx", pictures)
    assert figures["labelled"]["balanced_accuracy"] == pytest.approx(0.75)
    assert figures["labelled"]["n"] == 4
    low, high = figures["labelled"]["interval"]
    assert low == pytest.approx(0.5)  # both draws may be the missed scene
    assert high == pytest.approx(1)
    assert figures["alarm_rate"] == {"fire": 0.5, "no_fire": 0.0, "clips": 1.0}
    assert figures["count"] == {"fire": 2, "no_fire": 2, "clips": 1}
    assert figures["wrong"] == ["b"]
    with pytest.raises(DatasetError, match="held-out pictures, got none"):
        validation.validate_fire(tmp_path / "any.onnx", pictures[-1:])
