"""Networks of other projects, stood in for by small ones of ours in the same layouts."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from activity.assembly import load_estimator
from activity.config import PoseSettings, Settings
from activity.errors import CheckpointError, ConfigurationError
from activity.pose.foreign_crops import IMAGENET_MEAN, IMAGENET_STD, ForeignCrops
from activity.pose.heatmap_crops import HeatmapCrops
from activity.pose.topdown import load_topdown
from activity.pose.yolo_pose import YoloPoseEstimator
from activity.structures import Detections

CROP = (64, 48)


class Bright(nn.Module):
    """Brightness of each pixel in [0, 1], once for each joint: the peak is at the one white spot."""

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        mean = torch.from_numpy(IMAGENET_MEAN).view(1, 3, 1, 1)
        std = torch.from_numpy(IMAGENET_STD).view(1, 3, 1, 1)
        return ((crops * std + mean) / 255).mean(1, keepdim=True)


class Heatmaps(Bright):
    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(super().forward(crops), 4).repeat(1, 17, 1, 1)


class SimCC(Bright):
    """Two bins a pixel."""

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        bright = super().forward(crops)
        across = bright.amax(2).repeat_interleave(2, dim=2).repeat(1, 17, 1)
        return across, bright.amax(3).repeat_interleave(2, dim=2).repeat(1, 17, 1)


class OneSided(nn.Module):
    """Sees the spot as a left joint more than as a right one, whichever way the person looks."""

    def __init__(self, *, simcc: bool) -> None:
        super().__init__()
        self.inner = SimCC() if simcc else Heatmaps()

    def forward(self, crops: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        maps: torch.Tensor | tuple[torch.Tensor, torch.Tensor] = self.inner(crops)
        share = torch.full((17, 1), 0.6)
        share[list(LEFT)] = 1.0
        if isinstance(maps, tuple):
            return maps[0] * share, maps[1] * share
        return maps * share[..., None]


LEFT = (1, 3, 5, 7, 9, 11, 13, 15)


class YoloPose(nn.Module):
    """Three people: one, the same a little off, and another whose joints are unsure."""

    def __init__(self) -> None:
        super().__init__()
        rows = torch.zeros(56, 3)
        for column, (x, score, sure) in enumerate([(40, 0.9, 0.8), (42, 0.7, 0.8), (90, 0.6, 0.05)]):
            rows[:5, column] = torch.tensor([x, 64, 20, 60, score])
            rows[5::3, column], rows[6::3, column], rows[7::3, column] = x, 64, sure
        self.rows = nn.Parameter(rows)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.rows[None] + 0 * images.mean()


def export(network: nn.Module, path: Path, size: tuple[int, int], *, any_number: bool) -> Path:
    simcc = isinstance(getattr(network, "inner", network), SimCC)
    names = ["x", "y"] if simcc else ["out"]
    axes = {name: {0: "n"} for name in ["image", *names]} if any_number else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's age and of constants, neither ours to mend
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, *size),), str(path), dynamo=False, opset_version=17,
            input_names=["image"], output_names=names, dynamic_axes=axes,
        )  # fmt: skip
    return path


def spotted(x: int, y: int) -> np.ndarray:
    image = np.zeros((120, 160, 3), np.uint8)
    image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image


def people(*boxes: tuple[int, int, int, int]) -> Detections:
    return Detections(
        np.array(boxes, np.float32), np.full(len(boxes), 0.8, np.float32), ("person",) * len(boxes)
    )


@pytest.mark.parametrize("network", [Heatmaps, SimCC])
@pytest.mark.parametrize("any_number", [True, False])
def test_a_top_down_network_finds_the_spot_in_every_box(
    network: type[nn.Module], any_number: bool, tmp_path: Path
) -> None:
    estimator = load_topdown(
        export(network(), tmp_path / "net.onnx", CROP, any_number=any_number),
        keypoint_threshold=0.1,
        threads=1,
    )
    assert isinstance(estimator._network, ForeignCrops)
    assert estimator.uses_person_boxes
    poses = estimator.estimate(spotted(70, 50), people((50, 20, 90, 80), (55, 30, 85, 70)))
    assert len(poses) == 2
    np.testing.assert_allclose(poses.keypoints[..., 0], 70, atol=2.0)
    np.testing.assert_allclose(poses.keypoints[..., 1], 50, atol=2.0)
    assert (poses.keypoints[..., 2] > 0.3).all()
    assert (poses.scores <= 0.8).all()


@pytest.mark.parametrize("simcc", [False, True])
def test_the_mirror_image_evens_out_what_a_network_sees_on_one_side(simcc: bool, tmp_path: Path) -> None:
    path = export(OneSided(simcc=simcc), tmp_path / "net.onnx", CROP, any_number=True)
    image, box = spotted(70, 50), people((50, 20, 90, 80))
    once, twice = (
        load_topdown(path, keypoint_threshold=0.1, threads=1, flip_test=flip)
        .estimate(image, box)
        .keypoints[0]
        for flip in (False, True)
    )
    np.testing.assert_allclose(twice[:, :2], [[70, 50]] * 17, atol=2.0)
    right = [joint + 1 for joint in LEFT]
    np.testing.assert_allclose(once[right, 2], 0.6 * once[list(LEFT), 2], rtol=0.01)
    # The two maps lie on each other: their mean is as high as the mean of their peaks.
    np.testing.assert_allclose(twice[right, 2], 0.8 * once[list(LEFT), 2], rtol=0.03)
    np.testing.assert_allclose(twice[list(LEFT), 2], twice[right, 2], rtol=0.01)


def test_a_copy_of_somebody_keeps_only_the_share_of_its_score_that_is_its_own(tmp_path: Path) -> None:
    estimator = load_topdown(export(Heatmaps(), tmp_path / "net.onnx", CROP, any_number=True))
    one = estimator.estimate(spotted(70, 50), people((50, 20, 90, 80)))
    two = estimator.estimate(spotted(70, 50), people((50, 20, 90, 80), (51, 20, 91, 80)))
    assert two.scores[0] == pytest.approx(one.scores[0])
    assert two.scores[1] < 0.1 * two.scores[0]


def test_nobody_detected_is_nobody_posed(tmp_path: Path) -> None:
    estimator = load_topdown(
        export(Heatmaps(), tmp_path / "net.onnx", CROP, any_number=True), keypoint_threshold=0.1, threads=1
    )
    assert len(estimator.estimate(spotted(70, 50), Detections.empty())) == 0


def test_yolo_pose_finds_distinct_people_in_pixels_of_the_picture(tmp_path: Path) -> None:
    # 256x192 pixels are halved to 128x96 and set 16 px from the top of 128x128: input (40, 64) is (80, 96)
    path = export(YoloPose(), tmp_path / "yolo.onnx", (128, 128), any_number=False)
    settings = Settings(pose=PoseSettings.parse(f"yolo_pose:{path}"))
    estimator, model = load_estimator(settings, threads=1)
    assert model.file == "yolo.onnx"
    assert isinstance(estimator, YoloPoseEstimator)
    assert not estimator.uses_person_boxes
    poses = estimator.estimate(np.zeros((192, 256, 3), np.uint8), Detections.empty())
    assert poses.scores.tolist() == pytest.approx([0.9, 0.6])
    np.testing.assert_allclose(poses.boxes[0], [60, 36, 100, 156], atol=1e-3)
    np.testing.assert_allclose(poses.keypoints[0, :, :2], [[79.5, 95.5]] * 17, atol=1e-3)
    assert not poses.keypoints[1, :, 2].any()  # under the threshold


class _Twelve(nn.Module):
    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(crops.mean(1, keepdim=True), 4).repeat(1, 12, 1, 1)


def test_a_network_of_other_joints_is_refused(tmp_path: Path) -> None:
    estimator = load_topdown(
        export(_Twelve(), tmp_path / "net.onnx", CROP, any_number=True), keypoint_threshold=0.1, threads=1
    )
    with pytest.raises(CheckpointError, match=r"expected heat maps \[people, 17, height / s, width / s\]"):
        estimator.estimate(spotted(70, 50), people((50, 20, 90, 80)))


def test_our_own_network_is_known_by_what_its_file_says() -> None:
    checkpoint = Path(__file__).parents[2] / "checkpoints/pose_topdown.onnx"
    assert isinstance(load_topdown(checkpoint)._network, HeatmapCrops)


def test_yolo_pose_without_a_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="name a file"):
        PoseSettings.parse("yolo_pose")
    with pytest.raises(ConfigurationError, match="no embedded network"):
        load_estimator(Settings(pose=PoseSettings(estimator="yolo_pose")), threads=1)


@pytest.mark.parametrize("flip", [True, False])
def test_the_settings_say_whether_the_mirror_image_is_looked_at(flip: bool) -> None:
    estimator, _ = load_estimator(Settings(pose=PoseSettings(flip_test=flip)), threads=1)
    other, _ = load_estimator(Settings(pose=PoseSettings(flip_test=not flip)), threads=1)
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    box = people((50, 20, 90, 80))
    expected = load_topdown(Path(__file__).parents[2] / "checkpoints/pose_topdown.onnx", flip_test=flip)
    found = estimator.estimate(image, box).keypoints
    np.testing.assert_array_equal(found, expected.estimate(image, box).keypoints)
    assert not np.array_equal(found, other.estimate(image, box).keypoints)
