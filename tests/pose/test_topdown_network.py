"""The heat-map network, its export, and the checkpoint that is shipped."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from activity.datasets.rendered import random_scene
from activity.networks.onnx import OnnxModel
from activity.pose.heatmap_network import HeatmapNetwork
from activity.pose.heatmaps import crop_matrix, cut_crop, decode_heatmaps
from activity.pose.topdown import load_topdown
from activity.structures import COCO_KEYPOINT_NAMES, Detections
from activity.training.heatmaps.export import export_heatmap_network

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "pose_topdown.onnx"


@pytest.fixture(scope="module")
def network() -> HeatmapNetwork:
    torch.manual_seed(0)
    return HeatmapNetwork().eval()


@pytest.fixture(scope="module")
def peaked(network: HeatmapNetwork) -> HeatmapNetwork:
    """A network whose maps have peaks, as a trained one's have; of flat maps the highest cell is chance."""
    steep = copy.deepcopy(network)
    torch.nn.init.normal_(steep.joints.weight, std=1.0, generator=torch.Generator().manual_seed(1))
    return steep


@pytest.fixture(scope="module")
def exported(peaked: HeatmapNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "network.onnx"
    return export_heatmap_network(peaked, path, size=(96, 64), padding=1.25)


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (192, 160)])
def test_a_map_has_a_quarter_of_the_crops_side(network: HeatmapNetwork, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        maps = network(torch.zeros((2, *size, 3), dtype=torch.uint8))
    assert maps.shape == (2, 17, size[0] // 4, size[1] // 4)


def test_an_untrained_network_expects_nobody(network: HeatmapNetwork) -> None:
    with torch.inference_mode():
        maps = torch.sigmoid(network(torch.full((1, 64, 64, 3), 114, dtype=torch.uint8)))
    assert maps.max() < 0.1


@pytest.mark.parametrize("people", [1, 3])
def test_the_export_answers_as_the_network_does(peaked: HeatmapNetwork, exported: Path, people: int) -> None:
    scene = random_scene(np.random.default_rng(0), width=160, height=120, people=1)
    crops = np.random.default_rng(1).integers(0, 256, (people, 96, 64, 3), dtype=np.uint8)
    crops[0] = cv2.resize(scene.image, (64, 96))
    with torch.inference_mode():
        wanted = torch.sigmoid(peaked(torch.from_numpy(crops))).numpy()
    assert wanted.max() - wanted.min() > 0.1
    got = OnnxModel(exported).run({"crops": crops})["heatmaps"]
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    difference = decode_heatmaps(got)[..., :2] - decode_heatmaps(wanted)[..., :2]
    assert np.abs(difference).max() * 4 <= 0.5  # px of the crop


def test_the_export_says_what_inference_must_know(exported: Path) -> None:
    metadata = OnnxModel(exported).metadata
    assert metadata["kind"] == "topdown-heatmaps"
    assert (metadata["height"], metadata["width"], metadata["stride"]) == ("96", "64", "4")
    assert float(metadata["padding"]) == 1.25
    assert tuple(json.loads(metadata["keypoints"])) == COCO_KEYPOINT_NAMES
    assert metadata["licence"]
    assert metadata["commit"]


def test_the_estimator_runs_the_export(exported: Path) -> None:
    people = Detections(np.array([[10, 10, 60, 90]], np.float32), np.array([0.9]), ("person",))
    poses = load_topdown(exported).estimate(np.full((100, 100, 3), 90, np.uint8), people)
    assert poses.keypoints.shape == (1, 17, 3)


def test_the_shipped_checkpoint_is_small_and_has_a_card() -> None:
    assert SHIPPED.stat().st_size < 6_000_000
    assert SHIPPED.with_suffix(".md").is_file()


def test_the_shipped_checkpoint_finds_rendered_people_in_their_boxes() -> None:
    """Scenes that training never saw; people of 60 px and more, of whom little is hidden.

    Most joints lie within a tenth of the person's height. (Noise, blur and odd postures make these scenes
    harder than a common clip; the model card has the strict figures.)
    """
    estimator = load_topdown(SHIPPED)
    random = np.random.default_rng(20_000)
    near: list[npt.NDArray[np.bool_]] = []
    for _ in range(10):
        scene = random_scene(random, width=400, height=300, people=3)
        tall = (scene.boxes[:, 3] - scene.boxes[:, 1] >= 60) & (scene.visible_fraction >= 0.7)
        boxes = scene.boxes[tall]
        people = Detections(boxes, np.ones(len(boxes), np.float32), ("person",) * len(boxes))
        poses = estimator.estimate(scene.image, people)
        truth = scene.keypoints[tall]
        distance = np.linalg.norm(poses.keypoints[..., :2] - truth[..., :2], axis=2)
        within = distance < 0.1 * (boxes[:, 3] - boxes[:, 1])[:, None]
        near += [joints[seen] for joints, seen in zip(within, truth[..., 2] == 2, strict=True)]
    assert len(near) >= 12
    assert np.concatenate(near).mean() >= 0.6


def test_the_shipped_checkpoint_is_not_sure_of_a_wall() -> None:
    """A crop without a person must not look like a found person."""
    noise = np.random.default_rng(0).normal(120, 12, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    estimator = load_topdown(SHIPPED, keypoint_threshold=0.0)
    people = Detections(np.array([[60, 20, 140, 200]], np.float32), np.array([1.0]), ("person",))
    assert estimator.estimate(noise, people).scores[0] < 0.3


def test_a_crop_shows_the_person_upright_and_whole() -> None:
    scene = random_scene(np.random.default_rng(4), width=320, height=240, people=1)
    matrix = crop_matrix(scene.boxes[0], size=(192, 160), padding=1.3)
    assert cut_crop(scene.image, matrix, size=(192, 160)).shape == (192, 160, 3)
    seen = scene.keypoints[0, scene.keypoints[0, :, 2] > 0, :2]
    inside = seen @ matrix[:, :2].T + matrix[:, 2]
    assert ((inside >= 0) & (inside < [160, 192])).all()
