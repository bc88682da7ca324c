from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from activity.detection import YoloxDetector
from activity.errors import ConfigurationError
from activity.networks.onnx import OnnxModel
from activity.networks.yolox import Yolox
from activity.training.detector.export import export_detector, state_thresholds
from activity.training.detector.samples import LABELS, DetectorSample, read_boxed_samples
from activity.training.detector.trainer import DetectorConfig, draw_batch, initial_network, train

ROOT = Path(__file__).parents[2]
SHIPPED_CONFIG = ROOT / "configs/detector_yolox.yaml"
COCO_YOLOX = ROOT / "../shared/models/yolox_nano.onnx"


def config(**changes: object) -> DetectorConfig:
    return DetectorConfig(**{**yaml.safe_load(SHIPPED_CONFIG.read_text()), **changes})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Yolox, Path]:
    torch.manual_seed(0)
    network = Yolox(2).eval()
    path = tmp_path_factory.mktemp("export") / "deep/detector.onnx"
    export_detector(
        network, path, labels=LABELS, score_thresholds={"person": 0.4, "weapon": 0.2}, input_long_side=320
    )
    return network, path


@pytest.mark.parametrize("size", [(32, 32), (96, 160), (160, 96)])
@pytest.mark.slow
def test_exported_network_says_what_torch_says_at_any_size(
    exported: tuple[Yolox, Path], size: tuple[int, int]
) -> None:
    network, path = exported
    images = np.random.default_rng(0).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    with torch.inference_mode():
        raw = network(torch.from_numpy(images))
    expected = torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], 2).numpy()
    np.testing.assert_allclose(OnnxModel(path).run({"images": images})["output"], expected, atol=1e-4)


@pytest.mark.slow
def test_exported_file_tells_the_detector_all_it_needs(exported: tuple[Yolox, Path]) -> None:
    path = exported[1]
    detector = YoloxDetector(path)
    assert detector.labels == LABELS
    assert detector.score_thresholds == pytest.approx({"person": 0.4, "weapon": 0.2})
    assert "Apache-2.0" in OnnxModel(path).metadata["licence"]
    detector.detect(np.zeros((90, 160, 3), np.uint8))


@pytest.mark.slow
def test_thresholds_can_be_restated_without_touching_the_rest(exported: tuple[Yolox, Path]) -> None:
    path = exported[1]
    before = OnnxModel(path).metadata
    state_thresholds(path, {"person": 0.5, "weapon": 0.25})
    after = OnnxModel(path).metadata
    state_thresholds(path, {"person": 0.4, "weapon": 0.2})
    assert YoloxDetector(path).labels == LABELS
    assert {key for key in before if before[key] != after[key]} == {"score_thresholds"}
    assert after["score_thresholds"] == '{"person": 0.5, "weapon": 0.25}'


def test_shipped_settings_are_valid_and_strange_ones_are_refused() -> None:
    assert config().checkpoint == Path("checkpoints/detector_person_weapon.onnx")
    with pytest.raises(ValueError, match="Extra inputs"):
        config(stepz=3)
    with pytest.raises(ValueError, match="input_long_side"):
        config(input_long_side=650)


def test_canvas_that_no_pyramid_fits_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="multiples of 32, got 100x128"):
        train(config(canvases=[(100, 128)]), run_directory=tmp_path)


@pytest.mark.real_data
def test_person_layer_starts_as_the_published_one() -> None:
    coco, ours = OnnxModel(COCO_YOLOX), initial_network(COCO_YOLOX).eval()
    images = np.random.default_rng(1).uniform(0, 255, (1, 3, 416, 416)).astype(np.float32)
    with torch.inference_mode():
        raw = ours(torch.from_numpy(images)).numpy()
    published = coco.run({"images": images})["output"]
    probabilities = 1 / (1 + np.exp(-raw[..., 5:]))
    np.testing.assert_allclose(probabilities, published[..., [5 + 0, 5 + 43]], atol=1e-4)  # person, knife


@pytest.mark.real_data
def test_batches_hold_pictures_and_objects_of_the_asked_size() -> None:
    pool: list[DetectorSample] = read_boxed_samples(
        ROOT / "../shared/data/weapons/train", origin="weapons", held_out=False, is_gray=True
    )
    images, objects = draw_batch(
        {"weapons": pool}, config(batch_size=3), size=(96, 128), random=np.random.default_rng(0)
    )
    assert images.shape == (3, 3, 96, 128)
    assert len(objects) == 3
    for labels in objects:
        assert (labels.boxes[:, :2] < labels.boxes[:, 2:]).all()
        assert (labels.boxes[:, [0, 2]] <= 128).all()
        assert len(labels.classes) == len(labels.boxes)
